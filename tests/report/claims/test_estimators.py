"""Each estimator against values computed by hand on a few rows."""

import inspect
import math

import pytest

from lth.core.errors import LotteryError
from lth.report.claims.estimators import ESTIMATORS, Estimator, estimator
from lth.report.claims.evidence import Evidence
from lth.report.claims.scales import SCALES
from lth.report.tables import RESULTS

TICKET, REINIT, DENSE = {"arm": "ticket"}, {"arm": "reinit"}, {"arm": "ticket", "level": 0}


def row(seed, level, arm, value, draw=0, column="final_test_accuracy", **more):
    about = {"seed": seed, "level": level, "arm": arm, "draw": draw, "density": 0.5**level, "iterations": 1000}
    about |= {"status": "done", "schedule": "iterative", "run": f"{seed}{level}{arm}{draw}"}
    return dict.fromkeys(RESULTS) | about | {column: value, **more}


def estimate(name, rows, by_run=False, tables=None, **arguments):
    return ESTIMATORS.get(name, "estimator").compute(Evidence({"results": rows, **(tables or {})}, by_run), **arguments)


def close(values):
    return {level: pytest.approx(units) for level, units in values.items()}


ACCURACIES = [
    *[row(seed, 0, "ticket", 0.90) for seed in (0, 1)],
    *[row(seed, 2, "ticket", 0.92 + 0.01 * seed) for seed in (0, 1)],
    *[row(0, 2, "reinit", value, draw) for draw, value in enumerate((0.80, 0.84))],
    row(1, 2, "reinit", None),
]


def test_value_is_the_share_in_percent():
    found = estimate("value", ACCURACIES, column="final_test_accuracy", of=TICKET)
    assert found == close({0: {(0, 0): 90, (1, 0): 90}, 2: {(0, 0): 92, (1, 0): 93}})


def test_difference_averages_draws_and_pairs_by_seed():
    found = estimate("difference", ACCURACIES, column="final_test_accuracy", of=TICKET, than=REINIT)
    assert found == close({2: {(0, 0): 10.0}})  # 92 less the mean of 80 and 84; seed 1 has no reinit


def test_difference_pairs_a_named_level_with_every_level():
    found = estimate("difference", ACCURACIES, column="final_test_accuracy", of=TICKET, than=DENSE)
    assert found == close({0: {(0, 0): 0, (1, 0): 0}, 2: {(0, 0): 2.0, (1, 0): 3.0}})


def test_by_run_pairs_are_of_the_same_run():
    rows = [*ACCURACIES, row(0, 2, "ticket", 0.95, draw=1), row(0, 2, "ticket", 0.5, draw=2)]
    found = estimate("difference", rows, by_run=True, column="final_test_accuracy", of=TICKET, than=REINIT)
    assert found == close({2: {(0, 0): 12.0, (0, 1): 11.0}})


def test_difference_of_effects():
    rows = [
        row(0, 1, arm, value, schedule=schedule)
        for schedule, arm, value in (
            ("snip", "ticket", 0.90),
            ("snip", "shuffle", 0.89),
            ("iterative", "ticket", 0.95),
            ("iterative", "shuffle", 0.91),
        )
    ]
    sides = {"of": {"schedule": "snip"}, "than": {"schedule": "iterative"}}
    change = {"effect": {"arm": "shuffle"}, "without": TICKET}
    found = estimate("difference_of_effects", rows, column="final_test_accuracy", **sides, **change)
    assert found == close({1: {(0, 0): 3.0}})  # -1 point against -4


def test_ratio_to_0_is_infinite():
    rows = [
        row(seed, 1, arm, value, column="grad_norm_init")
        for seed, arm, value in ((0, "ticket", 3.0), (0, "reinit", 1.5), (1, "ticket", 3.0), (1, "reinit", 0.0))
    ]
    found = estimate("ratio", rows, column="grad_norm_init", of=TICKET, than=REINIT)
    assert found == close({1: {(0, 0): 2.0, (1, 0): math.inf}})


def test_ratios_average_draws_as_logarithms():
    rows = [row(0, 1, "ticket", value, draw, "grad_norm_init") for draw, value in enumerate((1.0, 4.0))]
    found = estimate(
        "ratio",
        [*rows, row(0, 1, "reinit", 1.0, column="grad_norm_init")],
        of=TICKET,
        than=REINIT,
        column="grad_norm_init",
    )
    assert found == close({1: {(0, 0): 2.0}})


def test_a_side_that_names_its_draw_is_one_reference_for_every_run_of_its_seed():
    rows = [row(0, 2, "ticket", value, draw) for draw, value in enumerate((0.92, 0.93, 0.94))]
    rows += [row(0, 2, "pruned", 0.9), row(0, 2, "pruned", 0.5, 1), row(1, 2, "ticket", 0.9)]
    sides = {"of": TICKET, "than": {"arm": "pruned", "draw": 0}}
    found = estimate("difference", rows, by_run=True, column="final_test_accuracy", **sides)
    assert found == close({2: {(0, draw): 2.0 + draw for draw in range(3)}})
    assert {place: x.runs for place, x in found[2].items()} == {(0, draw): {f"02ticket{draw}"} for draw in range(3)}


def stop(seed, level, arm, iteration, draw=0):
    return row(seed, level, arm, iteration, draw, "early_stop_iteration", early_stop_censored=False)


def test_early_stops_are_compared_as_ratios():
    rows = [stop(0, 0, "ticket", 400), stop(0, 1, "ticket", 100)]
    rows += [stop(0, 1, "reinit", at, draw) for draw, at in enumerate((200, 800))]  # their geometric mean is 400
    assert estimate("earlier_stop", rows, of=TICKET, than=DENSE)[1] == pytest.approx({(0, 0): 75.0})
    assert estimate("speedup", rows, of=TICKET, than=REINIT)[1] == pytest.approx({(0, 0): 4.0})


def test_an_early_stop_at_0_is_one_step_between_evaluations():
    rows = [stop(0, 0, "ticket", 100), stop(0, 1, "ticket", 0), stop(1, 0, "ticket", 250)]
    assert estimate("earlier_stop", rows, of=TICKET, than=DENSE)[1] == pytest.approx({(0, 0): 50.0})


def test_early_gradient_ratio_is_of_geometric_means_without_the_start_and_what_is_late():
    rows = [row(0, 1, "ticket", 0.9), row(0, 1, "reinit", 0.9)]
    norms = {
        "ticket": {0: 7.0, 50: 1.0, 100: 9.0, 200: 1e3},
        "reinit": {0: 1.0, 50: 1.0, 100: 4.0, 200: 1e-3, 60: None},
    }
    curves = [
        {"run": f"01{arm}0", "iteration": at, "grad_norm": norm}
        for arm, seen in norms.items()
        for at, norm in seen.items()
    ]
    found = estimate("early_gradient_ratio", rows, tables={"curves": curves}, of=TICKET, than=REINIT, until=0.1)
    assert found == close({1: {(0, 0): 1.5}})  # 3 / 2
    assert estimate("early_gradient_ratio", rows, of=TICKET, than=REINIT, until=0.1) == {}


def test_error_barrier_is_the_rise_over_the_line_between_the_ends():
    lines = [
        {"seed": 0, "draw": draw, "init": "lottery", "split": split, "alpha": alpha, "accuracy": accuracy}
        for split, draw, middle in (("test", 0, 0.8), ("test", 1, 0.95), ("train", 0, 0.1))
        for alpha, accuracy in ((0.0, 0.9), (0.5, middle), (1.0, 1.0))
    ]
    found = estimate("error_barrier", [row(0, 3, "ticket", 0.9)], tables={"lines": lines}, of={"split": "test"})
    assert found == close({3: {(0, 0): 15.0, (0, 1): 0.0}})  # a table without levels is about the last


@pytest.mark.parametrize("name", SCALES)
def test_scales_lead_back(name):
    scale = SCALES[name]
    assert scale.back(scale.forward(37.5)) == pytest.approx(37.5)
    assert SCALES["log reduction"].forward(75) == pytest.approx(math.log(0.25))
    assert f"{SCALES['log reduction'].back(0.0):+.2f}" == "+0.00"


def test_an_estimator_knows_its_arguments_and_its_meaning():
    @estimator(unit="nats", signed=True, tables=("lines",))
    def rise(evidence, *, of, split="test"):
        """How much the loss rises."""
        return {}

    @estimator(unit="times")
    def growth(evidence):
        """How many times as large."""
        return {}

    assert (growth.scale, rise.scale) == ("log", "linear")
    assert isinstance(rise, Estimator) and (rise.name, rise.unit, rise.tables) == ("rise", "nats", ("lines",))
    assert list(rise.parameters) == ["of", "split"] and rise.meaning == "How much the loss rises."
    for name in ESTIMATORS:
        known = ESTIMATORS.get(name, "estimator")
        assert known.scale in SCALES and known.meaning.endswith((".", ")."))
        assert known.unit != "times" or known.scale == "log"
        assert all(x.kind is inspect.Parameter.KEYWORD_ONLY for x in known.parameters.values())


def test_a_selection_of_two_rows_of_one_run_and_unknown_columns_are_errors():
    rows = [row(0, 1, "ticket", 0.9, schedule="iterative"), row(0, 1, "ticket", 0.8, schedule="one_shot")]
    with pytest.raises(LotteryError, match="selects several rows of one run in the table results"):
        estimate("value", rows, column="final_test_accuracy", of=TICKET)
    with pytest.raises(LotteryError, match="the table results has no column accuracy"):
        estimate("value", rows, column="accuracy", of=TICKET)
    with pytest.raises(LotteryError, match="has no column method"):
        estimate("value", rows, column="final_test_accuracy", of={"method": "snip"})
    assert estimate("value", rows, column="loss", of={}, table="worth") == {}  # no such table was written
