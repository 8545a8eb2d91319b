"""Deep networks on a GPU: each way trains by the recipe that it names, and what is kept and shown of it."""

import pytest
import torch
from lth.experiments.speed import gpu
from lth.experiments.speed.answer import answer, sheets
from lth.experiments.speed.gpu import GPU_WAYS, OURS_GPU_ALL, OURS_GPU_COMPILED, USUAL_GPU, gpu_blocks, gpu_ways
from lth.experiments.speed.gpu_rows import RECIPES, gpu_rows, gpu_sheet
from lth.experiments.speed.networks import DEEP, Network
from lth.experiments.speed.pair import augmented_spec
from lth.experiments.speed.tables import RATIOS, TIMES

from lth.report.results import Results
from lth.report.terminal import Terminal
from lth.training.steps import DenseSteps
from tests.experiments.speed.conftest import images_of

TINY = Network("lenet5", "cifar10", {"batch_size": 4, "optimizer": "sgd", "lr": 0.01}, 0.01)


@pytest.fixture(scope="module")
def pictures():
    return images_of("cifar10", 5_100)


def test_every_way_trains_by_the_recipe_that_it_names(pictures, monkeypatch):
    """On the CPU, as the ways train on the device of the data."""
    monkeypatch.setitem(DEEP, "tiny", TINY)
    monkeypatch.setattr(gpu, "loaders", lambda: 0)
    monkeypatch.setattr(torch, "compile", lambda model: model)  # compiling takes long
    plans, begin = [], DenseSteps.__init__

    def noting(self, spec, *values):
        plans.append(spec.plan)
        begin(self, spec, *values)

    monkeypatch.setattr(DenseSteps, "__init__", noting)
    blocks = gpu_blocks(augmented_spec("tiny", pictures, 1.0, seed=0), pictures, "tiny", 1)
    assert list(blocks) == gpu_ways()
    recipes = {}
    for way, one in blocks.items():
        plans.clear()
        assert next(one) > 0
        one.close()
        recipes[way] = [(plan.precision, plan.memory_format, plan.compile, plan.kernels) for plan in plans]
    for way, found in recipes.items():
        every = way == OURS_GPU_ALL
        expected = (
            "bfloat16" if every or way.endswith("bfloat16") else "float32",
            "channels_last" if every or way.endswith("channels_last") else "auto",
            every or way == OURS_GPU_COMPILED,
            "dense",
        )
        assert found == ([] if way == USUAL_GPU else [expected]), way


@pytest.mark.parametrize("able", [True, False])
def test_without_a_compiler_nothing_is_compiled(able, monkeypatch):
    monkeypatch.setattr(gpu, "has_compiler", lambda: able)
    assert set(GPU_WAYS) - set(gpu_ways()) == (set() if able else {OURS_GPU_COMPILED, OURS_GPU_ALL})


def results(without=()) -> Results:
    times = {way: [10.0 + number, 11.0 + number, 12.0 + number] for number, way in enumerate(GPU_WAYS)}
    tables: dict[str, list] = {"speed": [], "ratios": [], "measures": []}
    for network in ("resnet20", "vgg11"):
        kept = {way: values for way, values in times.items() if way not in without}
        for table, row in gpu_rows(network, 1.0, kept):
            tables[table].append(row)
    return Results(tables)


def test_a_ratio_is_the_time_of_the_script_over_ours(capsys):
    found = results()
    assert {row["way"] for row in found["speed"]} == set(GPU_WAYS)
    assert all(set(row) == set(TIMES.names) for row in found["speed"])
    assert all(set(row) <= set(RATIOS.names) and row["above"] == USUAL_GPU for row in found["ratios"])
    assert {(row["network"], row["below"]): row["ratio"] for row in found["ratios"]} == {
        (network, way): round(16 / (11 + number), 4)
        for network in ("resnet20", "vgg11")
        for number, way in enumerate(RECIPES)
    }
    gpu_sheet(found).print(Terminal(width=80))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [sheet.title.split(":")[0] for sheet in sheets(found)] == ["Deep networks with flip and crop on a GPU"]
    assert gpu_sheet(found).cells[0][:5] == ["resnet20", "float32", "8,000", "11,636", "1.45"]


def test_the_sentence_names_what_was_timed():
    (text,) = answer(results())
    assert "resnet20 and vgg11 on 1.45 times as many images in a second as a script" in text
    assert text.endswith("(channels_last 1.33, bfloat16 1.23, compiled 1.14, all three 1.07).")
    (text,) = answer(results(without=(OURS_GPU_COMPILED, OURS_GPU_ALL)))
    assert text.endswith("(channels_last 1.33, bfloat16 1.23).")
