"""The judge's rules: which unit an interval is over, what it decides, and what is to be said besides."""

from pathlib import Path

import pytest

from lth.core.errors import LotteryError
from lth.report.claims.estimators import estimator
from lth.report.claims.evidence import Evidence
from lth.report.claims.files import Claim, Claims
from lth.report.claims.judge import decide, estimators_of, is_about, judge, tables_of
from lth.report.intervals import Interval, t_interval


@estimator(unit="points", signed=True, tables=("layers",))
def given(evidence, *, values):
    """The values of the claim itself: level -> seed -> run -> value."""
    return {
        level: {(seed, run): x for seed, runs in enumerate(seeds) for run, x in enumerate(runs)}
        for level, seeds in enumerate(values)
    }


@estimator(unit="times", scale="log")
def given_ratio(evidence, *, values):
    """The same, as a ratio."""
    return given.compute(evidence, values=values)


MORE = {"given": given, "given_ratio": given_ratio}
RESULTS = [
    {"seed": 0, "level": level, "arm": arm, "density": density, "iterations": 1000}
    for level, density in ((0, 1.0), (1, 0.5), (2, 0.25))
    for arm, density in (("ticket", density), ("rigl", 0.9 * density))
]


def claim(values, estimator="given", **more):
    bounds = {"at_least": 0.0} if not {"at_least", "at_most"} & more.keys() else {}
    return Claim("A", "text", estimator, {"values": values}, **bounds, **more)


def judged(*claims, **about):
    known = {"title": "T", "experiment": "imp", "command": "lth imp", "data": "digits", "model": "mlp"}
    file = Claims(**known, claims=claims, path=Path("paper.toml"), **about)
    (first, *_) = judge(file, Evidence({"results": RESULTS}), MORE)
    return first


def one_level(*seeds):
    return [[], list(seeds)]


def test_an_interval_within_the_bounds_reproduces_one_outside_does_not_and_one_across_is_undecided():
    between = Claim("A", "", "", {}, at_least=1.0, at_most=2.0)
    for low, high, verdict in (
        (1.0, 2.0, "reproduced"), (0.0, 0.9, "not reproduced"), (2.1, 3.0, "not reproduced"), (0.9, 1.1, "undecided"),
        (1.9, 2.1, "undecided"), (0.0, 3.0, "undecided"), (None, None, "undecided"),
    ):  # fmt: skip
        assert decide(between, Interval(1.5, low, high, 3)) == verdict
    assert decide(between, Interval(1.5, 1.4, 1.6, 2)) == "undecided"


def test_the_unit_is_the_seed_its_runs_averaged():
    level = judged(claim(one_level([1.0, 3.0], [2.5], [3.0]))).measured[0]
    assert (level.interval, level.units) == (t_interval([2.0, 2.5, 3.0]), "seeds")


def test_with_three_masks_the_unit_is_the_mask_with_fewer_the_run_within_the_first():
    within = {"within": "runs within one mask"}
    three = judged(claim(one_level([1.0, 3.0], [2.5], [3.0]), **within), unit="mask")
    assert three.measured[0].interval == t_interval([2.0, 2.5, 3.0]) and three.notes == ("over 3 masks",)
    two = judged(claim(one_level([1.0, 3.0, 2.1], [9.0]), **within), unit="mask")
    assert two.measured[0].interval == t_interval([1.0, 3.0, 2.1]) and two.notes == ("over 3 runs within one mask",)
    one = judged(claim(one_level([1.0, 3.0]), **within), unit="mask")
    assert one.verdict == "undecided" and one.notes == ("2 of at least 3 masks",)


def test_a_claim_without_a_unit_within_averages_over_a_mask():
    alone = judged(claim(one_level([1.0, 3.0, 2.0])), unit="mask")
    assert alone.measured[0].interval == Interval(2.0, None, None, 1) and alone.notes == ("1 of at least 3 masks",)


def test_ratios_are_averaged_as_logarithms():
    interval = judged(claim(one_level([1.0], [2.0], [4.0]), "given_ratio", at_least=0.1)).measured[0].interval
    assert interval.mean == pytest.approx(2.0) and interval.low * interval.high == pytest.approx(4.0)
    with pytest.raises(LotteryError, match="claim A: the value 0 has no logarithm"):
        judged(claim(one_level([0.0], [1.0]), "given_ratio"))


def test_the_dense_network_and_other_densities_are_not_judged():
    values = [[[-9.0]] * 3, [[1.0], [1.1], [1.2]], [[-1.0], [-1.1], [-1.2]]]
    both = judged(claim(values, otherwise="because"))
    assert both.verdict == "not reproduced" and [level.density for level in both.measured] == [0.5, 0.25]
    assert both.decisive.density == 0.25
    assert both.notes == ("not reproduced at 25.0%", "reproduced at 50.0%", "because")
    first = judged(claim(values, densities=[50.4], otherwise="because"))
    assert first.verdict == "reproduced" and [level.density for level in first.measured] == [0.5] and first.notes == ()
    assert judged(claim(values, densest=40.0)).verdict == "not reproduced"
    assert is_about(claim([], densities=[50.0]), 49.1) and not is_about(claim([], densities=[50.0]), 48.9)


def test_the_density_of_a_level_is_that_of_one_arms_mask():
    values = one_level([1.0], [1.1])
    known = {"title": "T", "experiment": "imp", "command": "lth imp", "data": "digits", "model": "mlp"}
    file = Claims(**known, claims=(claim(values),), path=Path("x"))
    (other,) = judge(file, Evidence({"results": RESULTS}, density_arm="rigl"), MORE)
    assert other.measured[0].density == 0.45


def test_what_is_not_there_is_not_measured_and_says_why():
    for found, note in (
        (judged(claim([])), "not among what was trained"),
        (judged(claim([[[1.0]]])), "not among what was trained"),  # the dense network alone
        (judged(claim(one_level([1.0]), densities=[3.6])), "no level has that density"),
        (judged(claim(one_level([1.0]), iterations=5000)), "needs 5,000 iterations; the trainings have 1,000"),
    ):
        assert (found.verdict, found.notes, found.measured, found.decisive) == ("not measured", (note,), (), None)


def test_the_papers_value_is_set_beside_the_interval_of_one_density():
    values = one_level([1.0], [1.1], [1.2])
    assert judged(claim(values, paper=1.1)).notes == ("the paper's value lies in the interval",)
    assert judged(claim(values, paper=9.9)).notes == ("the paper's value lies outside the interval",)
    assert judged(claim([[], [[1.0]] * 3, [[1.0]] * 3], paper=9.9)).notes == ()


def test_an_estimator_is_found_by_name_or_path_and_its_arguments_are_checked():
    known = {"title": "T", "experiment": "imp", "command": "lth imp", "data": "digits", "model": "mlp"}

    def file(estimator, **arguments):
        return Claims(**known, claims=(Claim("A", "", estimator, arguments, at_least=0),), path=Path("paper.toml"))

    assert estimators_of(file("given", values=[]), MORE) == [given]
    path = "lth.report.claims.estimators:value"
    assert estimators_of(file(path, column="c", of={}), {})[0].name == "value"
    for claims, problem in (
        (file("diference"), r"paper\.toml, claim A: there is no estimator diference; did you mean difference\?"),
        (file("given", value=[]), r"given has no argument value; did you mean values\?"),
        (file("given"), "given needs the argument values"),
        (file("lth.core.rng:rng"), "lth.core.rng:rng: is not decorated with @estimator"),
    ):
        with pytest.raises(LotteryError, match=problem):
            estimators_of(claims, MORE)
    assert tables_of(file("given", values=[]), MORE) == ["layers"]
    assert tables_of(file("ratio", column="c", of={}, than={}, table="signal"), {}) == ["signal"]
    assert tables_of(file("ratio", column="c", of={}, than={}), {}) == ["results"]
