"""A row of any table is known to be of a training that failed; what failed is in no value and is counted."""

import pytest

from lth.report.claims.evidence import Evidence
from lth.report.claims.trainings import Trainings
from lth.report.tables import RESULTS

CHANCE = 0.1135
ARMS = {"init": {"lottery": "ticket", "scratch": "reinit"}}


def row(seed, arm, accuracy, draw=0, **more):
    about = {"seed": seed, "level": 1, "arm": arm, "draw": draw, "density": 0.05, "schedule": "gradual"}
    about |= {"status": "done", "run": f"{seed}{arm}{draw}", "final_test_accuracy": accuracy, "iterations": 10}
    return dict.fromkeys(RESULTS) | about | more


ROWS = [row(0, "ticket", 0.98), row(0, "reinit", 0.97), row(0, "reinit", CHANCE, 1), row(1, "reinit", None, 0)]
ROWS[-1]["status"] = "diverged"
TRAININGS = Trainings(ROWS, CHANCE, ARMS)


@pytest.mark.parametrize(
    ("about", "failed", "runs"),
    [
        ({"seed": 0, "arm": "reinit", "draw": 0}, False, {"0reinit0"}),
        ({"seed": 0, "arm": "reinit", "draw": 1}, True, {"0reinit1"}),
        ({"seed": 0, "init": "scratch", "draw": 1, "schedule": "gradual"}, True, {"0reinit1"}),
        ({"seed": 0, "init": "scratch"}, True, {"0reinit0", "0reinit1"}),  # a mean over both
        ({"seed": 1, "init": "scratch", "draw": 0}, True, {"1reinit0"}),
        ({"seed": 0, "init": "lottery", "draw": 0}, False, {"0ticket0"}),
        ({"seed": 0, "init": "sparsity_aware", "draw": 1}, False, set()),  # of no training
        ({"run": "0reinit1", "iteration": 5}, False, {"0reinit1"}),
    ],
)
def test_a_row_of_any_table_finds_its_trainings(about, failed, runs):
    assert TRAININGS.is_of_failed(about) is failed and TRAININGS.runs_of(about) == runs


def test_failures_are_counted_by_arm():
    assert str(TRAININGS.failures({"init": "scratch"}, [1])).startswith("2 of 3 failed")
    assert TRAININGS.failures({"arm": "reinit"}, [0]).n == 0 and TRAININGS.failures({"init": "dense"}, [1]).n == 0
    assert TRAININGS.trained({"seed": 0, "init": "scratch"}) == 1


def test_values_are_of_trainings_that_did_not_fail():
    agreement = [
        {"seed": 0, "init": "scratch", "draw": draw, "disagreement": share} for draw, share in ((0, 0.02), (1, 0.9))
    ]
    evidence = Evidence({"results": ROWS, "agreement": agreement}, chance=CHANCE, arms=ARMS)
    assert evidence.values("results", "final_test_accuracy", {"arm": "reinit"}) == {1: {(0, 0): 0.97}}
    assert evidence.values("agreement", "disagreement", {"init": "scratch"}) == {1: {(0, 0): 0.02}}
    assert [row["draw"] for row in evidence.failed_rows("agreement", {})] == [1]


def test_a_training_under_two_draws_counts_once():
    rows = [row(0, "ticket", 0.9, draw, run="same") for draw in range(3)]
    assert Evidence({"results": rows}, by_run=True).values("results", "final_test_accuracy", {}) == {1: {(0, 0): 0.9}}
