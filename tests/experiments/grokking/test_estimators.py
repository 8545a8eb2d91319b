"""Delays: a network that never generalises bounds the ratio on one side; equal delays give one."""

import pytest
from lth.experiments.grokking.estimators import delay_ratio
from lth.experiments.grokking.tables import delay

from lth.commands.claims import load_claims
from lth.report.claims.evidence import Evidence
from lth.report.claims.judge import judge

TICKET, RANDOM = {"arm": "ticket"}, {"arm": "random"}


def rows(arm, level, delays):
    """A row of delays.csv for each seed; a negative delay is censored."""
    return [
        {"arm": arm, "level": level, "draw": 0, "seed": seed, "run": f"{arm}{level}{seed}", "delay": abs(x)}
        | {"censored": x < 0}
        for seed, x in enumerate(delays)
    ]


def evidence(*groups):
    delays = [row for group in groups for row in group]
    results = [{**row, "schedule": "one_shot", "status": "done", "final_test_accuracy": 0.9} for row in delays]
    return Evidence({"delays": delays, "results": results})


def by_seed(values):
    """The values at level 1, in order of seeds."""
    return [value for _, value in sorted(values[1].items())]


def test_ratios_are_paired_by_seed_and_open_where_the_end_of_training_cut_them():
    both = evidence(rows("ticket", 1, [100, 50]), rows("random", 1, [400, -500]))
    ratios = by_seed(delay_ratio.compute(both, of=RANDOM, than=TICKET))
    assert ratios == pytest.approx([4, 10])
    assert [x.above for x in ratios] == [False, True] and not any(x.below for x in ratios)
    inverse = by_seed(delay_ratio.compute(both, of=TICKET, than=RANDOM))
    assert [x.below for x in inverse] == [False, True]


def test_a_claim_says_that_trainings_ended_before_the_network_generalised():
    claims = load_claims("minegishi2023_mlp")
    both = evidence(rows("ticket", 1, [100, 50, 80]), rows("random", 1, [400, -500, 900]))
    for row in both.tables["results"]:
        chance = 0.9 if row["arm"] == "ticket" else 0.01
        row |= {"density": 0.6, "iterations": 1000, "final_test_accuracy": chance, "early_stop_censored": None}
    (judged,) = [x for x in judge(claims, both, {"delay_ratio": delay_ratio}) if x.claim.name == "T4a"]
    assert judged.notes == ("some values are bounds: the value is a lower bound",)
    assert [level.interval.n for level in judged.measured] == [3]  # networks at chance have a delay, too


def test_the_dense_network_is_that_of_level_0():
    both = evidence(rows("ticket", 1, [100, 50]), rows("ticket", 0, [1000, 600]))
    ratios = delay_ratio.compute(both, of=TICKET, than={**TICKET, "level": 0})
    assert by_seed(ratios) == pytest.approx([0.1, 50 / 600])


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ([0, 1, 1], [0, 0, 1], (10, 20, 10, False)),
        ([0, 1, 1], [0, 0, 0], (10, None, 10, True)),
        ([0, 1, 1], [0, 1, 1], (10, 10, 10, False)),  # at once counts as one evaluation, which has a logarithm
        ([0, 0, 0], [0, 0, 0], (None, None, None, None)),
    ],
)
def test_a_delay_is_from_one_split_to_the_other(train, test, expected):
    curve = [
        {"iteration": 10 * n, "train_accuracy": x, "test_accuracy": y}
        for n, (x, y) in enumerate(zip(train, test, strict=True))
    ]
    assert tuple(delay(curve, 0.95).values()) == expected
