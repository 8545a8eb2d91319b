"""Verdicts, branch by branch, on rows made so that the answer is known."""

import math

import pytest

from lth.report.conditions import compared
from lth.report.criteria import Criteria
from lth.report.intervals import Interval
from lth.report.tables import RESULTS
from lth.report.verdict import smallest, verdicts

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
        "run": f"{arm} {level} {seed}",
        "test_examples": 10**8,  # so many that the error of the test set is nothing
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
    return [part.holds for part in verdict.conditions]


def test_a_winning_ticket():
    verdict = judge()
    assert (verdict.decision, verdict.n, verdict.density, verdict.why) == ("winning", 5, 0.5, "")
    assert verdict.matching and holds(verdict) == [True] * 5
    matching, fast, reinit, _ = (part.interval for part in verdict.parts)
    assert verdict.words == "winning (within 0.2 points, 1.1 times)" and verdict.p < 0.05
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
        ({"ticket": 0.978}, "matching?"),  # the interval lies across -0.2 points
        ({"stop": 4400}, "fast?"),
        ({"reinit": 0.98}, "better than reinit?"),
        ({"noise": 120.0}, "matching?; fast?; better than reinit?; better than shuffle?"),
    ],
)
def test_an_interval_across_its_bound_leaves_it_undecided(what, why):
    verdict = judge(**what)
    assert (verdict.decision, verdict.why) == ("undecided", why)


def test_the_margin_itself_is_neither_matching_nor_not():
    assert judge(ticket=0.978, noise=0.0, reinit=0.9, shuffle=0.9).matching is None


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("ticket", [0.98, 0.1])
def test_fewer_than_three_seeds_decide_nothing(seeds, ticket):
    verdict = judge(seeds, ticket=ticket)
    assert (verdict.decision, verdict.matching, verdict.n) == ("undecided", None, seeds)
    assert verdict.why == f"{seeds} of at least 3 distinct trainings"


def test_three_seeds_decide():
    assert judge(3, noise=0.5).decision == "winning"


def test_a_control_of_two_seeds_decides_nothing():
    rows = [row for row in sweep() if row["arm"] != "reinit" or row["seed"] < 2]
    verdict = verdicts(rows)[1]
    assert (verdict.decision, verdict.why) == ("undecided", "better than reinit? (2 of at least 3 distinct trainings)")


def test_a_control_that_was_not_run_leaves_it_undecided():
    verdict = judge(shuffle=None)
    assert (verdict.decision, verdict.matching, verdict.why) == ("undecided", True, "no shuffle to compare")
    assert judge(shuffle=None, ticket=0.9).decision == "not winning"  # whatever the control would have said


def test_a_control_that_diverged_is_not_one_that_was_not_run():
    rows = [row | {"status": "diverged"} if row["arm"] == "reinit" else row for row in sweep()]
    assert verdicts(rows)[1].why == "better than reinit? (reinit: 5 of 5 failed (48% to 100%))"


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
@pytest.mark.parametrize("how", [{"status": "diverged"}, {"final_test_accuracy": 0.1, "chance": 0.1}])
def test_tickets_that_failed_count_against_the_ticket(lost, how):
    """Whatever the seeds that are left say: some of its trainings failed, so it is not a winning nor a matching one."""
    rows = [
        row | how if row["level"] == 1 and row["arm"] == "ticket" and row["seed"] < lost else row for row in sweep()
    ]
    verdict = verdicts(rows)[1]
    assert (verdict.decision, verdict.matching, verdict.p, verdict.p_matching) == ("undecided", None, 1.0, 1.0)
    assert f"trains? ({lost} of 5 failed" in verdict.why


def test_a_ticket_that_always_fails_is_not_winning():
    rows = [row | {"status": "diverged"} if row["level"] == 1 and row["arm"] == "ticket" else row for row in sweep()]
    verdict = verdicts(rows)[1]
    assert (verdict.decision, verdict.matching) == ("not winning", False)
    assert verdict.why == "not trains (5 of 5 failed (48% to 100%))"


def test_a_seed_whose_dense_network_diverged_is_no_failure_of_the_ticket():
    rows = [row | {"status": "diverged"} if row["seed"] == 0 and row["arm"] == "ticket" else row for row in sweep()]
    verdict = verdicts(rows)[1]
    assert (verdict.decision, verdict.n, verdict.failures.n) == ("winning", 4, 4)


def test_a_control_that_sometimes_fails_is_compared_where_it_trains():
    def lost(row):
        return row["arm"] == "reinit" and row["seed"] == 0

    rows = [row | {"status": "diverged"} if lost(row) else row for row in sweep()]
    assert verdicts(rows)[1].decision == "winning"


def test_one_training_under_several_seeds_is_one():
    rows = [row | {"run": f"{row['arm']} {row['level']}"} for row in sweep()]
    verdict = verdicts(rows)[1]
    assert (verdict.decision, verdict.n, verdict.p) == ("undecided", 1, 1.0)
    assert verdict.why == "1 of at least 3 distinct trainings"


def test_a_dense_network_that_seeds_share_makes_them_one():
    rows = [row | {"run": "dense"} if row["level"] == 0 else row for row in sweep()]
    assert verdicts(rows)[1].n == 1


@pytest.mark.parametrize("gain", [0.0005, 0.001])
def test_equal_differences_on_one_small_test_set_do_not_win(gain):
    """The test set's error is the same for every seed: no number of seeds makes it smaller."""
    rows = [row | {"test_examples": 10_000} for row in sweep(dense=0.98, ticket=0.98 + gain, reinit=0.98, noise=0.0)]
    verdict = verdicts(rows)[1]
    assert verdict.decision == "undecided" and verdict.part["better than reinit"].interval.floor > 0.1


@pytest.mark.parametrize(("difference", "seeds"), [(-0.003, 10), (-0.0025, 5), (-0.003, 3)])
def test_a_ticket_that_is_worse_by_more_than_the_margin_is_not_matching(difference, seeds):
    rows = sweep(seeds, ticket=0.98 + difference, stop=4100, noise=0.1, reinit=0.9, shuffle=0.9)
    verdict, generous = verdicts(rows)[1], verdicts(rows, Criteria(0.5))[1]
    assert (verdict.decision, verdict.matching, verdict.answer) == ("not winning", False, "worse")
    assert (generous.decision, generous.answer) == ("winning", "equivalent")


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (0.01, 0.1, "better"),
        (0.01, 9.0, "better"),
        (-0.19, 0.19, "equivalent"),
        (-0.19, 0.3, "no worse"),
        (-0.19, None, "no worse"),
        (-0.5, -0.21, "worse"),
        (-0.5, 0.5, "undecided"),
        (-0.5, -0.1, "undecided"),
    ],
)
def test_a_difference_has_one_of_five_answers(low, high, answer):
    assert compared(Interval(0.0, low, high, 3), 0.2) == answer
    assert compared(Interval(0.0, low, high, 2), 0.2) == "undecided"


def test_the_smallest_densities_are_those_that_survive_the_number_of_levels():
    """One level at the edge wins by itself, and not as one of many that might have won by chance."""

    def at(level, **what):
        rows = [row for row in sweep(**what) if row["level"] == 1]
        return [row | {"level": level, "density": 0.5**level, "run": f"{row['run']} {level}"} for row in rows]

    clear = at(1)
    edge = {"ticket": 0.98, "reinit": 0.97896, "shuffle": 0.9}
    rows = [*(row for row in sweep() if row["level"] == 0), *clear]
    judged = verdicts([*rows, *at(2, **edge)])
    assert judged[2].decision == "winning" and 0.025 < judged[2].p < 0.05
    assert dict(smallest(judged)) == {"matching": 0.25, "winning": 0.25}
    many = verdicts([*rows, *at(2, **edge), *(x for level in range(3, 8) for x in at(level, reinit=0.98))])
    assert many[2].decision == "winning" and many[2].p_adjusted > 0.05
    assert dict(smallest(many))["winning"] == 0.5


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
    assert verdict.part["fast"].holds is fast and verdict.why == why


@pytest.mark.parametrize("way", ["lr", "finetune"])
def test_a_ticket_that_goes_on_from_trained_weights_is_not_fast_and_so_not_winning(way):
    rows = [row | {"iterate": way} for row in sweep(stop=100)]
    (verdict,) = verdicts(rows).values()
    assert verdict.matching and verdict.decision == "undecided" and "go on from trained weights" in verdict.why


def test_without_a_validation_split_the_end_is_compared_and_nothing_is_fast():
    empty = dict.fromkeys(("early_stop_test_accuracy", "early_stop_iteration", "early_stop_censored"))
    rows = [{**x, **empty, "final_test_accuracy": x["early_stop_test_accuracy"]} for x in sweep()]
    verdict = verdicts(rows)[1]
    assert verdict.matching and verdict.decision == "undecided" and verdict.why == "fast? (no early stop to compare)"
