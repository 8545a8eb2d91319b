"""`lth grokking` end to end on a small table: its files, its laws, several seeds."""

import pytest
from lth.experiments.grokking.settings import METHODS
from lth.experiments.grokking.tables import DELAYS

from lth.core.errors import SettingError
from lth.reporting import report
from tests.files import read_csv

ARMS = ["ticket", "dense_l1", "dense_l2"]


@pytest.fixture
def grokking(folder, here):
    """Runs `lth grokking` to its end in this process, on sums modulo 7; its folder and what it printed."""
    words = ["data.p=7", "model.embedding=30", "recipe.batch_size=11", "recipe.evaluate_every=5", "recipe.lr=0.01"]
    words += ["recipe.iterations=60", "pruning.steps=2"]
    return lambda *more, **how: here(folder, folder, "grokking", *words, *more, **how)


def test_what_it_leaves_behind_and_its_laws(grokking):
    to, shown = grokking()
    delays, results, curves = (read_csv(to / f"{name}.csv") for name in ("delays", "results", "curves"))
    assert list(delays[0]) == DELAYS.names
    assert [(row["level"], row["arm"]) for row in delays] == [("0", "ticket"), *(("1", x) for x in (*ARMS, *METHODS))]
    assert {(row["run"], row["arm"]) for row in delays} == {(row["run"], row["arm"]) for row in results}
    by_arm = {row["arm"]: row for row in delays if row["level"] == "1"}
    masks = ("ticket", *METHODS)
    left = {row["arm"]: row["weights_left"] for row in results if row["level"] == "1"}
    assert len({left[arm] for arm in masks}) == 1 and len({by_arm[arm]["density"] for arm in masks}) == 1
    assert by_arm["dense_l1"]["density"] == by_arm["dense_l2"]["density"] == "1.0"
    for p in (1, 2):
        norms = [float(by_arm[arm][f"l{p}"]) for arm in ("ticket", f"dense_l{p}")]
        assert norms[0] == pytest.approx(norms[1])
    for row in delays:
        curve = [x for x in curves if x["run"] == row["run"]]
        learnt = [int(x["iteration"]) for x in curve if float(x["train_accuracy"]) >= 0.95]
        assert row["memorized_at"] == str(learnt[0])
    assert "the ticket takes" in " ".join(shown.split())
    assert {"grokking_delay.png", "grokking_accuracy.png"} <= {path.name for path in (to / "figures").iterdir()}


@pytest.mark.slow
def test_several_seeds_are_one_study(grokking, tmp_path):
    folders = [grokking(f"seed={seed}", "methods=[random]", figures=False)[0] for seed in (0, 1)]
    report(folders, to=tmp_path / "report")
    pages = list((tmp_path / "report").rglob("grokking_delay.png"))
    assert len(pages) == 1
    compared = read_csv(tmp_path / "report" / "grokking.csv")
    assert [row["arm"] for row in compared] == ["ticket", "ticket", "dense_l1", "dense_l2", "random"]
    assert {row["n"] for row in compared} == {"2"}


@pytest.mark.slow
def test_every_mask_is_found_for_a_transformer_too(grokking):
    words = ["model=transformer", "model.depth=1", "model.heads=1", "recipe.iterations=10", "arms=[ticket]"]
    to, _ = grokking(*words, "methods=[snip,grasp,synflow,random]", figures=False)
    results = read_csv(to / "results.csv")
    assert [row["arm"] for row in results] == ["ticket", "ticket", "snip", "grasp", "synflow", "random"]
    assert len({row["weights_left"] for row in results[1:]}) == 1


def test_an_unknown_method_is_an_error(grokking):
    with pytest.raises(SettingError, match="methods"):
        grokking("methods=[magnitude]")
