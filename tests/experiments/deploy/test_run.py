"""`lth deploy` end to end at scale=smoke: its files, its counts, its forms, and what a second call does."""

from itertools import product
from pathlib import Path

import pytest
import torch
from lth.experiments.deploy.settings import ChannelsSettings, DeploySettings
from lth.experiments.deploy.tables import TABLES as DECLARED

from lth.compression.export import load_exported
from lth.compression.forms import DEFAULT
from lth.core.errors import LotteryError, SettingError
from lth.lottery.ticket import load_ticket
from lth.pruning.schedule import Pruning
from lth.report.tables import CURVES, LAYERS, RESULTS
from lth.settings import DataSettings, ModelSettings
from tests.files import read_csv

TABLES = {table.name: table.names for table in (RESULTS, LAYERS, CURVES, *DECLARED)}
TICKETS_FOUND = [("dense", 0), ("weights", 1), ("weights", 2), ("channels", 1), ("2:4", 1)]
LEFT = {"dense": [848], "weights": [444, 237], "channels": [616], "2:4": [424]}
"""Of 640, 128 and 80 weights (40-16-8-10): half goes, a quarter of the output's; of 16 and 8 units 5 and 2 go."""


@pytest.fixture
def deploy(folder, prepared_mnist1d, here, monkeypatch):
    """Runs `lth deploy` on a small network to its end in this process; its folder and what it printed."""
    monkeypatch.setenv("COLUMNS", "80")
    words = ["scale=smoke", "model=mlp", "model.widths=[16,8]"]
    return lambda *more: here(folder, prepared_mnist1d, "deploy", *words, *more)


def read(folder: Path, name: str) -> list[dict[str, str]]:
    return read_csv(folder / f"{name}.csv")


def without_clock(folder: Path) -> list[dict[str, str]]:
    """The rows of cost.csv without what is timed anew."""
    return [{key: x for key, x in row.items() if not key.startswith("batch_")} for row in read(folder, "cost")]


@pytest.mark.slow
def test_what_it_leaves_behind_and_finds_again(deploy, folder, monkeypatch):
    first, shown = deploy()
    assert all(list(read(first, name)[0]) == columns for name, columns in TABLES.items())
    assert max(map(len, shown[: shown.index("Within")].splitlines())) <= 80
    assert "Masked zeros do not speed up dense kernels" in " ".join(shown.split())
    assert "points of the dense network on validation, the smallest file is" in (first / "report.html").read_text()
    figures = product(("worth", "sizes", "bits", "sensitivity"), ("png", "pdf"))
    assert {path.name for path in (first / "figures").iterdir()} == {".".join(name) for name in figures}
    check_counts(first)
    check_forms(first)
    monkeypatch.setattr("lth.report.recorder.draw", lambda *_: [])  # that equal rows give equal figures is known
    second, shown = deploy()
    assert "0 trained, 5 found" in shown and len(list(folder.glob("outputs/store/*/*/run.json"))) == 5
    for name in TABLES:
        rows = [without_clock(job) if name == "cost" else read(job, name) for job in (first, second)]
        assert rows[0] == rows[1], name
    files = {path.relative_to(first): path.read_bytes() for path in first.glob("forms/*/*")}
    assert files == {path.relative_to(second): path.read_bytes() for path in second.glob("forms/*/*")}


def check_counts(job: Path) -> None:
    """Every ticket keeps exactly the weights that it should, and took the trainings before it."""
    tickets = read(job, "tickets")
    assert [(row["kind"], int(row["level"])) for row in tickets] == TICKETS_FOUND
    assert [int(row["weights_left"]) for row in tickets] == [n for counts in LEFT.values() for n in counts]
    assert all(float(row["density"]) == int(row["weights_left"]) / 848 for row in tickets)
    assert [int(row["search_trainings"]) for row in tickets] == [0, 1, 2, 1, 1]
    assert [int(row["search_iterations"]) for row in tickets] == [0, 60, 120, 60, 60]
    results = read(job, "results")
    assert len(results) == 7 and len({row["setting"] for row in results}) == 3
    early = {row["run"]: row["early_stop_test_accuracy"] for row in results}
    assert all(row["test_accuracy"] == early[row["run"]] for row in tickets)
    grid = read(job, "grid")
    assert [(row["kind"], int(row["level"]), int(row["bits"])) for row in grid] == [
        (*ticket, bits) for ticket in TICKETS_FOUND for bits in (32, 8, 2)
    ]
    assert all(row["test_accuracy"] == early[row["run"]] for row in grid if row["bits"] == "32")
    assert {row["layer"] for row in read(job, "sensitivity")} == {"fc1.weight", "fc2.weight", "output.weight"}


def check_forms(job: Path) -> None:
    """Every form has its row; what was read again is the ticket, and zeros are zeros in every file."""
    rows = {(row["kind"], row["level"], row["form"]): row for row in read(job, "cost")}
    forms = {*DEFAULT, "dense", "bits_8", "bits_2"}
    assert set(rows) == {
        (kind, str(level), form)
        for kind, level in TICKETS_FOUND
        for form in forms
        if kind != "dense" or form != "masked"
    }
    for (_, _, form), row in rows.items():
        if row["file"]:
            path = job / row["file"]
            assert path.stat().st_size == int(row["bytes"])
            assert form not in ("masked", "csr", "packed") or float(row["file_difference"]) == 0
            assert form != "packed_int8" or 0 < float(row["file_difference"]) == float(row["difference"]) < 0.5
    mask = load_ticket(job / "ticket.safetensors").mask
    assert sum(int(kept.sum()) for kept in mask.values()) == LEFT["weights"][-1]
    for form in ("masked", "csr", "packed", "packed_int8", "int8_dynamic", "int8_static"):
        state = load_exported(job / "forms" / "weights-2" / f"{form}.safetensors")
        assert all(not state[name][~kept].any() for name, kept in mask.items()), form
    small, row = load_exported(job / "forms" / "channels-1" / "shrunk.safetensors"), rows["channels", "1", "shrunk"]
    assert [tuple(small[f"{name}.weight"].shape) for name in ("fc1", "fc2", "output")] == [(11, 40), (6, 11), (10, 6)]
    assert sum(map(torch.numel, small.values())) == int(row["parameters"]) and float(row["file_difference"]) < 1e-4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"blocks": ["weight"]}, "blocks=weight: must be N:M"),
        ({"blocks": ["4:2"]}, "pruning.granularity=4:2: must keep at least one"),
        ({"bits": [9]}, "bits=9: must be at least 2 and at most 8"),
        ({"rounds": 2}, "rounds=2: must be at least 3"),
        ({"channels": ChannelsSettings(levels=-1)}, "channels.levels=-1: must be at least 0"),
        ({"pruning": Pruning(granularity="output")}, "pruning.granularity=output: must be weight here"),
        ({"levels": 0, "channels": ChannelsSettings(levels=0), "blocks": []}, "levels=0: leaves no ticket"),
    ],
)
def test_a_bad_value_is_named(values, message):
    with pytest.raises(SettingError, match=message):
        _ = DeploySettings(data=DataSettings("mnist1d"), model=ModelSettings("mlp"), **values).kinds


def test_a_setting_leaves_out_what_only_says_how_many_rows_there_are():
    def setting(**values):
        return DeploySettings(data=DataSettings("mnist1d"), model=ModelSettings("mlp"), **values).setting()

    assert setting() == setting(levels=2, blocks=[], bits=[8], rounds=3, onnx=False, seed=3)
    assert setting() != setting(rewind=10) != setting(pruning=Pruning(fraction=0.3))


def test_blocks_that_fit_no_layer_and_a_dense_network_that_diverges(deploy, wild_rate):
    with pytest.raises(LotteryError, match="blocks=1:3: no layer has inputs that 3 divides"):
        deploy("blocks=['1:3']")
    job, _ = deploy("recipe.optimizer=sgd", "blocks=[]", "channels.levels=0")
    assert [row["status"] for row in read(job, "results")] == ["diverged"] and not (job / "cost.csv").exists()
