"""Verdicts, branch by branch, on rows made so that the answer is known."""

import math

import pytest

from lth.report.tables import RESULTS
from lth.report.verdict import verdicts

NOISE = (-0.001, 0.0, 0.001, 0.0005, -0.0005)  # by seed: 95% t intervals of about +- 0.1 points


def row(seed, level, arm, accuracy, stop, censored=False, **more):
    return {
        **dict.fromkeys(RESULTS),
        "setting": "one",
        "seed": seed,
        "level": level,
        "arm": arm,
        "draw": 0,
        "status": "done",
        "density": 0.5**level,
        "early_stop_test_accuracy": accuracy,
        "early_stop_iteration": stop,
        "early_stop_censored": censored,
        "iterations": 10_000,
        **more,
    }


def sweep(seeds=5, *, ticket=0.98, reinit=0.97, shuffle=0.97, dense=0.98, stop=4000, censored=(), noise=1.0):
    """Rows of some seeds at levels 0 and 1; dense stops at 4000; censored: (seed, level) of tickets."""
    rows = []
    for seed in range(seeds):
        rows.append(row(seed, 0, "ticket", dense, 4000, (seed, 0) in censored))
        off = noise * NOISE[seed % 5]
        rows.append(row(seed, 1, "ticket", ticket + off, round(stop * (1 + off)), (seed, 1) in censored))
        for arm, accuracy in (("reinit", reinit), ("shuffle", shuffle)):
            if accuracy is not None:
                rows.append(row(seed, 1, arm, accuracy, 8000))
    return rows


def judge(*args, **more):
    return verdicts(sweep(*args, **more))[1]


def holds(verdict):
    return [part.holds for part in verdict.parts]


def test_a_winning_ticket():
    verdict = judge()
    assert (verdict.decision, verdict.n, verdict.density, verdict.why) == ("winning", 5, 0.5, "")
    assert verdict.matching and holds(verdict) == [True] * 4
    matching, fast, reinit, _ = (part.interval for part in verdict.parts)
    assert matching.mean == pytest.approx(0.0) and reinit.mean == pytest.approx(1.0)  # points
    assert fast.high < math.log(1.1)


def test_level_0_is_not_judged():
    assert list(verdicts(sweep())) == [1]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"ticket": 0.974}, "not matching"),
        ({"stop": 4600}, "not fast"),
        ({"reinit": 0.99}, "not better than reinit"),
        ({"shuffle": 0.99}, "not better than shuffle"),
        ({"ticket": 0.96, "stop": 8000}, "not matching; not fast; not better than reinit; not better than shuffle"),
    ],
)
def test_one_part_against_it_is_not_winning(what, why):
    verdict = judge(**what)
    assert (verdict.decision, verdict.why) == ("not winning", why)
    assert verdict.matching is ("ticket" not in what)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"ticket": 0.975}, "matching?"),  # the interval lies across -0.5 points
        ({"stop": 4400}, "fast?"),
        ({"reinit": 0.98}, "better than reinit?"),
        ({"noise": 120.0}, "matching?; fast?; better than reinit?; better than shuffle?"),
    ],
)
def test_an_interval_across_its_bound_leaves_it_undecided(what, why):
    verdict = judge(**what)
    assert (verdict.decision, verdict.why) == ("undecided", why)


def test_the_margin_itself_is_neither_matching_nor_not():
    assert judge(ticket=0.975, noise=0.0, reinit=0.9, shuffle=0.9).matching is None


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("ticket", [0.98, 0.1])
def test_fewer_than_three_seeds_decide_nothing(seeds, ticket):
    verdict = judge(seeds, ticket=ticket)
    assert (verdict.decision, verdict.matching, verdict.n) == ("undecided", None, seeds)
    assert verdict.why == f"{seeds} of at least 3 seeds"


def test_three_seeds_decide():
    assert judge(3).decision == "winning"


def test_a_control_of_two_seeds_decides_nothing():
    rows = [row for row in sweep() if row["arm"] != "reinit" or row["seed"] < 2]
    verdict = verdicts(rows)[1]
    assert (verdict.decision, verdict.why) == ("undecided", "better than reinit? (2 of at least 3 seeds)")


def test_a_control_that_was_not_run_leaves_it_undecided():
    verdict = judge(shuffle=None)
    assert (verdict.decision, verdict.matching, verdict.why) == ("undecided", True, "no shuffle to compare")
    assert judge(shuffle=None, ticket=0.9).decision == "not winning"  # whatever the control would have said


def test_a_control_that_diverged_is_not_one_that_was_not_run():
    rows = [row | {"status": "diverged"} if row["arm"] == "reinit" else row for row in sweep()]
    assert verdicts(rows)[1].why == "better than reinit? (no seed has both)"


def test_tickets_that_diverged_leave_the_other_seeds():
    rows = [row | {"status": "diverged"} if (row["seed"], row["level"]) == (0, 1) else row for row in sweep()]
    assert verdicts(rows)[1].n == 4
    lost = [row | {"status": "diverged"} if row["level"] == 1 else row for row in sweep()]
    assert (verdicts(lost)[1].decision, verdicts(lost)[1].n) == ("undecided", 0)


@pytest.mark.parametrize(
    ("stop", "censored", "fast", "why"),
    [
        (4000, {(2, 1)}, None, "fast? (early stop of the ticket censored)"),  # a lower bound cannot say: fast
        (8000, {(2, 1)}, False, "not fast"),  # but it can say: slow
        (4000, {(2, 0)}, True, ""),  # with dense's later the ratio is smaller still
        (8000, {(2, 0)}, None, "fast? (early stop of dense censored)"),
        (4000, {(2, 0), (3, 1)}, None, "fast? (early stop of the ticket and dense censored)"),
        (8000, {(2, 0), (3, 1)}, None, "fast? (early stop of the ticket and dense censored)"),
    ],
)
def test_censored_early_stops_decide_only_as_bounds(stop, censored, fast, why):
    verdict = judge(stop=stop, censored=censored)
    assert verdict.parts[1].holds is fast and verdict.why == why


def test_without_a_validation_split_the_end_is_compared_and_nothing_is_fast():
    empty = dict.fromkeys(("early_stop_test_accuracy", "early_stop_iteration", "early_stop_censored"))
    rows = [{**x, **empty, "final_test_accuracy": x["early_stop_test_accuracy"]} for x in sweep()]
    verdict = verdicts(rows)[1]
    assert verdict.matching and verdict.decision == "undecided" and verdict.why == "fast? (no early stop to compare)"
