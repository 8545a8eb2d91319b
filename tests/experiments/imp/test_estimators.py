"""Consecutive levels: the barrier in points, and the share of levels at which connected and matching agree."""

import pytest
from lth.experiments.imp.estimators import (
    ESTIMATORS,
    barrier_to_previous,
    connected_where_matching,
    is_connected,
    is_matching,
)
from rich.console import Console

from lth.commands.claims import load_claims
from lth.report.claims.evidence import Evidence
from lth.report.claims.judge import judge
from lth.report.claims.show import cells, table

TICKET = {"arm": "ticket"}
CONNECTED, APART = 0.019, 0.021
MATCHING, WORSE = -0.001, -0.003


def evidence(*seeds):
    """Of each seed the levels from 1 on, each its barrier to the level before and its accuracy less the dense one's."""
    probes = [
        {"arm": "ticket", "seed": seed, "level": level, "draw": 0, "run": f"{seed}-{level}"}
        | {"test_error_barrier_to_previous": barrier, "test_accuracy_less_dense": less}
        for seed, levels in enumerate(seeds)
        for level, (barrier, less) in enumerate(levels, start=1)
    ]
    return Evidence({"probes": probes, "results": [results_row(row) for row in probes]})


def results_row(row):
    """The row of results.csv of a training that one of probes.csv is about."""
    measured = {"status": "done", "density": 0.8 ** row["level"], "iterations": 1000, "schedule": "iterative"}
    return {**row, **measured, "final_test_accuracy": 0.9, "early_stop_censored": False}


def test_a_barrier_between_levels_is_in_points_by_level_and_seed():
    values = barrier_to_previous.compute(evidence([(0.02, 0.0), (0.3, 0.0)], [(0.04, 0.0)]), of=TICKET)
    assert values == {1: {(0, 0): pytest.approx(2.0), (1, 0): pytest.approx(4.0)}, 2: {(0, 0): pytest.approx(30.0)}}


def test_connected_and_matching_agree_where_both_hold_or_neither():
    both, neither, one, other = (CONNECTED, MATCHING), (APART, WORSE), (CONNECTED, WORSE), (APART, MATCHING)
    ((values),) = connected_where_matching.compute(evidence([both, neither], [both, one, other, neither])).values()
    assert values == {(0, 0): 100.0, (1, 0): 50.0}


def test_matching_at_the_very_margin_is_matching_and_connected_at_the_very_bound_is_not():
    assert is_matching({"test_accuracy_less_dense": 0.9764 - 0.9784}, 0.2)  # -0.20000000000000018 points
    assert not is_matching({"test_accuracy_less_dense": -0.0021}, 0.2)
    assert not is_connected({"test_error_barrier_to_previous": 0.02 - 1e-17})
    assert is_connected({"test_error_barrier_to_previous": 0.0199})


def test_a_level_without_a_barrier_or_a_dense_network_does_not_count():
    levels = [(CONNECTED, MATCHING), (None, MATCHING), (CONNECTED, None)]
    ((values),) = connected_where_matching.compute(evidence(levels)).values()
    assert values == {(0, 0): 100.0}


@pytest.mark.parametrize(("barrier", "verdict"), [(0.0, "reproduced"), (0.1, "not reproduced")])
def test_the_claim_that_consecutive_tickets_are_connected_is_judged_in_points(barrier, verdict):
    seeds = evidence(*([(barrier + seed / 1e4, MATCHING)] * 7 for seed in range(3)))  # to 21.0%
    by_name = {x.claim.name: x for x in judge(load_claims("paul2023"), seeds, {x.name: x for x in ESTIMATORS})}
    assert (by_name["C1"].verdict, by_name["C1"].unit) == (verdict, "points")


def test_a_search_that_reached_no_ticket_that_does_not_match_cannot_show_that_those_are_unconnected():
    claims, names = load_claims("paul2023"), {x.name: x for x in ESTIMATORS}
    both, neither = (CONNECTED, MATCHING), (APART, WORSE)
    for last, verdict in ((both, "undecided"), (neither, "reproduced")):
        _, agree = judge(claims, evidence(*([both] * 6 + [last] for _ in range(3))), names)
        assert agree.verdict == verdict


def test_a_share_of_all_levels_is_shown_at_none_of_them():
    claims, seeds = load_claims("paul2023"), evidence(*([(0.0, MATCHING)] * 7 for _ in range(3)))
    connected, agree = judge(claims, seeds, {x.name: x for x in ESTIMATORS})
    assert "over all levels: 100.00%" in cells(agree)[4] and "at 80.0%: 0.00" in cells(connected)[4]
    shown = Console(width=80)
    with shown.capture() as capture:
        shown.print(table(claims, [connected, agree]))
    lines = capture.get().splitlines()
    assert any("all levels" in line and "C2" in line for line in lines), lines
