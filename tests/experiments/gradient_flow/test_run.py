"""`lth gradient_flow` end to end at scale=smoke, on noise of MNIST's shape: its files, its laws, its workers."""

import itertools
import re
from pathlib import Path

import pytest
import torch
from lth.experiments.gradient_flow.arms import INITS, METHODS
from lth.experiments.gradient_flow.tables import TABLES

from lth.cli import config
from lth.core.errors import LotteryError
from lth.lottery.ticket import load_ticket
from lth.report.tables import CURVES, LAYERS, RESULTS
from lth.store.files import read_run
from lth.store.layout import run_folder
from tests.composing import configuration
from tests.files import read_csv, write_data

pytestmark = pytest.mark.slow

PAPER = "paper=evci2022/lenet5"
SAME_MASK = ("ticket", "reinit", "reinit_one_init", "reinit_plus", "reinit_plus_glorot", "restart")
ROWS = [init for init in INITS if init != "scratch_other_inits"]
"""Those of the paper's preset, which draws the weights of every run of scratch anyway."""


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> Path:
    """A folder with prepared data of MNIST's shape."""
    return write_data(tmp_path_factory.mktemp("data"), "mnist", (1, 28, 28), 300, 60)


@pytest.fixture
def flow(folder, noise, here, monkeypatch):
    """Runs `lth gradient_flow` to its end in this process; its folder and what it printed."""
    for module in ("analyses", "propagation"):  # of seven sparsities
        monkeypatch.setattr(f"lth.experiments.gradient_flow.{module}.SPARSITIES", (0.0, 0.95))
    monkeypatch.setattr("lth.experiments.gradient_flow.spectra.STEPS", 10)  # of 80
    words = [PAPER, "scale=smoke", "hydra.mode=RUN"]
    return lambda *more, figures=False: here(folder, noise, "gradient_flow", *words, *more, figures=figures)


@pytest.fixture(scope="module")
def jobs() -> dict[str, tuple[Path, str]]:
    """The run of the preset that the tests of this file share."""
    return {}


@pytest.fixture
def complete(flow, jobs) -> tuple[Path, str]:
    """The folder of a run of the preset, with figures, and what it printed."""
    if not jobs:
        jobs["first"] = flow(figures=True)
    return jobs["first"]


def weights(folder: Path, run: str, kind: str) -> dict[str, torch.Tensor]:
    """The `kind` of state that the store keeps of `run`."""
    return read_run(run_folder(folder / "outputs" / "store", run)).states[kind]


def test_what_it_leaves_behind(complete):
    to, shown = complete
    columns = {table.name: table.names for table in (RESULTS, LAYERS, CURVES, *TABLES)}
    rows = {name: read_csv(to / f"{name}.csv") for name in columns}
    assert all(list(rows[name][0]) == columns[name] for name in columns)
    assert [row["init"] for row in rows["table"]] == ROWS
    assert {(row["arm"], row["draw"]) for row in rows["results"]} == {
        *itertools.product({*(INITS[init] for init in ROWS), *METHODS} - {"pruned"}, "01"),
        ("pruned", "0"),
    }
    assert all(row["status"] == "done" and row["level"] == "1" and row["seed"] == "0" for row in rows["results"])
    assert {row["weights_left"] for row in rows["results"] if row["arm"] != "small_dense"} == {"2210"}
    assert {row["arm"] for row in rows["updates"]} == {"set", "set_plus", "rigl", "rigl_plus"}
    figures = ("accuracy", "signal", "gradient_norm", "updates", "spectrum", "interpolation", "map")
    assert {path.name for path in (to / "figures").iterdir()} == {
        f"evci2022_{name}.{kind}" for name in figures for kind in ("png", "pdf")
    }
    assert (to / "report.html").exists() and "all of this is about one mask" in shown and "lottery" in shown


def test_the_laws_of_the_table(complete, flow, folder, caplog):
    to, shown = flow()  # the second time all of it is found
    assert "one training here" not in caplog.text  # that reinit_one_init begins with a run of reinit is meant so
    assert "\n0 trained, 24 found" in shown
    runs = {(row["arm"], row["draw"]): row["run"] for row in read_csv(to / "results.csv")}
    ticket = load_ticket(to / "ticket.safetensors")
    started = weights(folder, runs["pruned", "0"], "final_mask")
    assert all(torch.equal(started[name].bool(), kept) for name, kept in ticket.mask.items())
    for arm, draw in itertools.product(SAME_MASK, "01"):  # what is pruned is pruned in every row
        final = weights(folder, runs[arm, draw], "final")
        assert all(not final[name][~kept].any() for name, kept in ticket.mask.items()), arm
    (pruned,) = [row for row in read_csv(to / "table.csv") if row["init"] == "pruned"]
    assert pruned["seeds"] == "1" and pruned["disagreement"] == ""
    assert float(pruned["disagreement_with_pruned"]) == 0 == float(pruned["distance_to_pruned"])
    assert runs["reinit", "0"] == runs["reinit_one_init", "0"]  # one training for both
    others = [key for key in runs if key != ("reinit_one_init", "0")]
    assert len({runs[key] for key in others}) == len(others)
    points = {(row["point"], row["draw"]) for row in read_csv(to / "map.csv")}
    assert points == {("pruned_end", "0")} | {
        (f"{init}_{end}", draw)
        for init in ("lottery", "scratch")
        for end, draw in (("start", "0"), ("end", "0"), ("end", "1"))
    } | {("scratch_start", "1")}  # lottery has one start
    at_one = {row["loss"] for row in read_csv(to / "lines.csv") if float(row["alpha"]) == 1 and row["split"] == "test"}
    assert len(at_one) == 1  # every line ends in the pruned solution


def test_the_ticket_starts_at_the_weights_of_step_0(complete, noise, monkeypatch):
    """Its weights are those of the initialiser; runs of a row start at the same weights where it says so."""
    to, _ = complete
    monkeypatch.setenv("LTH_DATA", str(noise))
    ticket = load_ticket(to / "ticket.safetensors")
    settings = config.read(configuration("gradient_flow", PAPER, "scale=smoke"))
    from lth.core.seeds import Seeds
    from lth.from_settings import build_model, load_data

    _, fresh = build_model(settings, load_data(settings), Seeds().resolved(0))
    assert all(torch.equal(tensor, ticket.state[name]) for name, tensor in fresh(0).items())
    curves = {row["run"]: row["grad_norm"] for row in read_csv(to / "curves.csv") if row["iteration"] == "0"}
    runs = {(row["arm"], row["draw"]): row["run"] for row in read_csv(to / "results.csv")}
    for arm in ("ticket", "reinit_one_init", "restart"):
        assert curves[runs[arm, "0"]] == curves[runs[arm, "1"]]
    for arm in ("reinit", "reinit_plus", "reinit_plus_glorot"):  # and each from a draw of its own where not
        assert curves[runs[arm, "0"]] != curves[runs[arm, "1"]]
    distances = [row for row in read_csv(to / "distances.csv") if row["arm"] == "restart" and row["to"] == "init"]
    assert all(float(row["l2"]) < 10 for row in distances)


def test_a_later_seed_shares_its_pruned_solution(complete, flow):
    first, _ = complete
    second, _ = flow("seed=1", "inits=[pruned]", "methods=[]")
    other = next(row for row in read_csv(first / "results.csv") if row["arm"] == "pruned_other_seeds")
    assert [row["run"] for row in read_csv(second / "results.csv")] == [other["run"]]


def test_a_worker_helps_and_leaves_the_results_to_worker_0(flow, caplog):
    to, shown = flow("worker=1")
    assert not (to / "results.csv").exists() and not shown


@pytest.mark.slow
def test_two_workers_train_each_run_once(command, tmp_path, noise):
    words = ["gradient_flow", PAPER, "scale=smoke", "inits=[scratch]", "methods=[]", "line_examples=20"]
    done = command(*words, cwd=tmp_path, LTH_DATA=str(noise))
    (results,) = tmp_path.glob("outputs/gradient_flow/*/*/results.csv")
    kept = len(list(tmp_path.glob("outputs/store/*/*/run.json")))
    assert len({row["run"] for row in read_csv(results)}) == kept == 1 + 2
    assert sum(map(int, re.findall(r"(\d+) trained", done.stderr))) == kept


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["inits=[lottery,luck]"], "inits=luck: unknown"),
        (["methods=[snip]"], "methods=snip: unknown"),
        (["repeats=0"], "repeats=0: must be at least 1"),
        (["change_at=15"], "change_at=15: the mask does not change there: it does after each 10 iterations, up to 39"),
        (["change_at=0"], "change_at=0: the mask does not change there"),
        (["line_examples=0"], "line_examples=0: must be at least 2"),
        (["worker=-1"], "worker=-1: must be at least 0"),
        (["gradual.density=1"], "gradual.density=1.0: must lie above 0 and below 1"),
        (["gradual.density=0.001"], "would prune conv1.weight away (layer collapse)"),
        (["gradual.end=40"], "gradual.end=40: must lie before the end"),
        (["gradual.every=7"], "gradual.every=7"),
        (["gradual.begin=soon"], "gradual.begin=soon"),
        (["rewiring.every=100"], "rewiring.every=100: the mask would never change"),
    ],
)
def test_a_bad_value_is_named_before_anything_is_trained(flow, overrides, message):
    with pytest.raises(LotteryError, match=re.escape(message)):
        flow("outputs=nothing", *overrides)
    assert not list(Path("nothing").glob("store/*/*/run.json"))


def test_a_pruned_solution_that_diverges_is_one_line(flow, wild_rate):
    with pytest.raises(LotteryError, match="diverged, so there is no mask"):
        flow("seed=9")
