"""`lth speed` runs, measures what it says, and keeps what it measured. How fast anything is, no test asks."""

import json
from statistics import median

import pytest
from lth.experiments.speed.goals import COMPILED, CUSTOM_BARE, CUSTOM_DENSE, EVALUATION, LADDER, LADDER_USUAL, WORKERS
from lth.experiments.speed.networks import NETWORKS
from lth.experiments.speed.pair import OURS_PAIR, USUAL_WAYS
from lth.experiments.speed.settings import NETWORKS as NAMES
from lth.experiments.speed.settings import SpeedSettings
from lth.experiments.speed.ways import DENSE, FLOOR, OURS, USUAL
from safetensors.torch import save_file

from lth.core.errors import SettingError
from tests.experiments.speed.conftest import images_of
from tests.files import read_csv


def test_a_part_of_it_runs_and_keeps_every_block(images, tmp_path, here):
    save_file(dict(images.tensors), tmp_path / "mnist.safetensors")
    words = ["networks=[lenet_300_100]", "densities=[1,0.1]", "blocks=2", "iterations=2", "levels=0", "workers=1"]
    folder, shown = here(tmp_path, tmp_path, "speed", *words, figures=False)
    rows = read_csv(folder / "speed.csv")
    assert {(row["network"], float(row["density"])) for row in rows} == {("lenet_300_100", 1.0), ("lenet_300_100", 0.1)}
    kept = json.loads((folder / "speed.json").read_text())
    assert kept["machine"]["threads"] == 1 and kept["data"] == {"mnist": "mnist"}
    for density in ("1", "0.1"):
        times = kept["times"][f"lenet_300_100 at {density}"]
        assert {OURS, DENSE, USUAL, FLOOR} <= set(times) and {len(values) for values in times.values()} == {2}
        timed = [row for row in rows if row["density"] == str(float(density))]
        assert {row["way"] for row in timed} == set(times)
        medians = {row["way"]: float(row["median"]) for row in timed}
        for row in read_csv(folder / "ratios.csv"):
            if row["density"] == str(float(density)):
                ratio = medians[row["above"]] / medians[row["below"]]
                assert float(row["ratio"]) == pytest.approx(ratio, rel=1e-3, abs=1e-4)
    measures = {row["measure"]: row for row in read_csv(folder / "measures.csv")}
    assert list(measures) == [COMPILED, CUSTOM_BARE, CUSTOM_DENSE] and measures[CUSTOM_BARE]["goal"] == "at most 1.03"
    times = kept["times"]["custom loop"]
    turns = [a / b for a, b in zip(times["custom"], times["bare"], strict=True)]
    assert float(measures[CUSTOM_BARE]["median"]) == pytest.approx(median(turns), rel=1e-3) and len(turns) == 8
    assert "ratios of medians of 2 blocks in turns; CPU, 1 thread" in " ".join(shown.split())


@pytest.mark.slow
def test_all_of_it_runs(command, tmp_path, images):
    save_file(dict(images.tensors), tmp_path / "mnist.safetensors")
    done = command("speed", "scale=smoke", "deep=[]", cwd=tmp_path, LTH_DATA=str(tmp_path))
    assert "warning" not in done.stderr, done.stderr
    (folder,) = tmp_path.glob("outputs/speed/*")
    rows = {row["measure"]: row for row in read_csv(folder / "measures.csv")}
    assert {COMPILED, CUSTOM_BARE, CUSTOM_DENSE, LADDER, LADDER_USUAL, EVALUATION, WORKERS} <= set(rows)
    assert all(float(row["median"]) >= 0 for row in rows.values())
    assert (folder / "figures" / "speed.png").exists() and (folder / "report.html").exists()


@pytest.mark.slow
def test_deep_networks_are_timed_in_processes_of_their_own(begin, tmp_path, images):
    for some in (images, images_of("cifar10", 5_200)):
        save_file(dict(some.tensors), tmp_path / f"{some.name}.safetensors")
    words = ["networks=[]", "levels=0", "custom_loop=false", "densities=[1]", "blocks=1"]
    done = begin("speed", "scale=smoke", *words, cwd=tmp_path, LTH_DATA=str(tmp_path)).wait(900)
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    (folder,) = tmp_path.glob("outputs/speed/*")
    assert {(row["network"], row["way"]) for row in read_csv(folder / "speed.csv")} >= {
        ("resnet20", way) for way in (OURS_PAIR, *USUAL_WAYS)
    }
    row = next(row for row in read_csv(folder / "ratios.csv") if row["below"] == OURS_PAIR)
    assert row["goal"] == "at least 2" and float(row["ratio"]) > 0 and row["above"] in USUAL_WAYS


def test_a_block_of_a_larger_network_has_fewer_iterations():
    assert tuple(NETWORKS) == NAMES
    assert NETWORKS["lenet_300_100"].iterations(50) == 50 and NETWORKS["resnet20"].iterations(50) == 1
    assert all(1 <= network.iterations(longest) <= longest for network in NETWORKS.values() for longest in (1, 7, 1000))


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ({"blocks": 0}, "blocks=0: must be at least 1"),
        ({"iterations": -1}, "iterations=-1: must be at least 1"),
        ({"level_iterations": 0}, "level_iterations=0: must be at least 1"),
        ({"threads": 0}, "threads=0: must be at least 1"),
        ({"workers": 3}, "workers=3: must be at least 1 and at most 2"),
        ({"densities": [0.0]}, "densities=0"),
        ({"densities": []}, "densities=[]"),
        ({"networks": ["lenet"]}, "networks=lenet"),
        ({"deep": ["resnet18"]}, "deep=resnet18: must be one of resnet20, vgg11"),
        ({"device": "mps"}, "device=mps: must be cpu, or cuda for deep networks on a GPU"),
    ],
)
def test_a_bad_setting_is_one_line(setting, problem):
    with pytest.raises(SettingError) as error:
        SpeedSettings(**setting)
    assert str(error.value).startswith(problem)
