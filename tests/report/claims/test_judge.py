"""The judge's rules: which unit an interval is over, what it decides, and what is to be said besides."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lth.core.errors import LotteryError
from lth.report.claims.estimators import estimator
from lth.report.claims.evidence import Evidence
from lth.report.claims.files import Claim, Claims
from lth.report.claims.judge import decide, estimators_of, is_about, judge, tables_of
from lth.report.claims.reading import evidence_of
from lth.report.correct import KEY, encoded
from lth.report.intervals import Interval, t_interval
from lth.report.tables import RESULTS as COLUMNS


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


@estimator(unit="points", serial=True)
def given_series(evidence, *, values):
    """The same, as successive values."""
    return given.compute(evidence, values=values)


MORE = {"given": given, "given_ratio": given_ratio, "given_series": given_series}
RESULTS = [
    dict.fromkeys(COLUMNS)
    | {"seed": seed, "level": level, "arm": arm, "density": density, "iterations": 1000}
    | {"draw": 0, "status": "done", "schedule": "iterative", "run": f"{seed}{level}{arm}"}
    for seed in range(5)
    for level, density in ((0, 1.0), (1, 0.5), (2, 0.25))
    for arm, density in (("ticket", density), ("rigl", 0.9 * density))
]


def claim(values, estimator="given", **more):
    bounds = {"at_least": 0.0} if not {"at_least", "at_most"} & more.keys() else {}
    return Claim("A", "text", estimator, {"values": values}, **bounds, **more)


def judged(*claims, results=RESULTS, **about):
    known = {"title": "T", "experiment": "imp", "command": "lth imp", "data": "digits", "model": "mlp"}
    file = Claims(**known, claims=claims, path=Path("paper.toml"), **about)
    (first, *_) = judge(file, evidence_of({"results": results}, file), MORE)
    return first


def one_level(*seeds):
    return [[], list(seeds)]


def test_an_interval_within_the_bounds_reproduces_one_outside_does_not_and_one_across_is_undecided():
    between = Claim("A", "", "", {}, at_least=1.0, at_most=2.0)
    for low, high, verdict in (
        (1.0, 2.0, "reproduced"), (0.0, 0.9, "not reproduced"), (2.1, 3.0, "not reproduced"), (0.9, 1.1, "undecided"),
        (1.9, 2.1, "undecided"), (0.0, 3000, "undecided"), (None, None, "undecided"),
    ):  # fmt: skip
        assert decide(between, Interval(1.5, low, high, 3)) == verdict
    assert decide(between, Interval(1.5, 1.4, 1.6, 2)) == "undecided"


def test_the_dense_network_is_judged_where_a_claim_is_about_it():
    results = [row | {"final_test_accuracy": 0.9 - 0.1 * row["level"]} for row in RESULTS]
    values = {"column": "final_test_accuracy", "of": {"arm": "ticket"}}
    tickets, dense = (
        judged(Claim("A", "text", "value", values | {"of": values["of"] | more}, at_least=75.0), results=results)
        for more in ({}, {"level": 0})
    )
    assert [round(level.interval.mean) for level in tickets.measured] == [80, 70]
    assert [round(level.interval.mean) for level in dense.measured] == [90]


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


def test_an_interval_of_a_ratio_holds_no_negative_ratio():
    interval = judged(claim(one_level([0.01], [0.5], [0.02]), "given_ratio", at_least=0.1)).measured[0].interval
    assert 0 < interval.low < interval.mean < interval.high


@pytest.mark.parametrize("value", [0.0, math.inf, math.nan, -2.0])
def test_a_ratio_without_a_logarithm_leaves_its_claim_undecided(value):
    found = judged(claim(one_level([value], [1.0], [1.0]), "given_ratio", at_least=0.1))
    assert found.verdict == "undecided" and found.measured == () and found.decisive is None
    assert found.notes == ("a ratio is 0 or infinite, which has no logarithm",)


def test_successive_values_of_one_run_decide_nothing():
    about = {"within": "changes of one run"}
    one = judged(claim(one_level([float(5 + at % 2) for at in range(12)]), "given_series", **about), unit="mask")
    assert one.verdict == "undecided" and one.measured[0].interval.low > 0
    assert one.notes == ("over 12 blocks of successive changes of one run; 1 of at least 3 masks",)
    three = judged(claim(one_level([1.0, 9.0], [4.9], [5.2]), "given_series", **about), unit="mask")
    assert three.verdict == "reproduced" and three.measured[0].interval == t_interval([5.0, 4.9, 5.2])


def test_seeds_that_share_a_training_are_one():
    sharing = [row | {"run": f"{row['level']}{row['arm']}"} if row["seed"] < 3 else row for row in RESULTS]
    values = claim(one_level([1.0], [1.0], [1.0]))
    found = judged(values, results=sharing)
    assert found.verdict == "undecided" and found.measured[0].interval == Interval(1.0, None, None, 1)
    assert found.notes == ("1 of at least 3 seeds", "3 seeds are 1 distinct training")
    more = judged(claim(one_level([1.0], [1.0], [1.0], [1.5], [1.7])), results=sharing)
    assert more.measured[0].interval == t_interval([1.0, 1.5, 1.7])


def test_what_all_seeds_share_is_said():
    sharing = [row | {"seed_init": 0, "seed_order": row["seed"]} for row in RESULTS]
    (note,) = judged(claim(one_level([1.0], [1.1], [1.2])), results=sharing).notes
    assert note == "several seeds share their initial weights (seeds.init): n says nothing about others"


def accuracies(arms, seeds=3, **more):
    """Results at level 1: arm -> accuracy, the same in every seed."""
    about = {"level": 1, "draw": 0, "status": "done", "schedule": "iterative", "density": 0.5, "iterations": 9}
    return [
        dict.fromkeys(COLUMNS)
        | about
        | {"seed": seed, "arm": arm, "run": f"{seed}{arm}", "final_test_accuracy": accuracy, "test_examples": 10_000}
        | more
        for seed in range(seeds)
        for arm, accuracy in arms.items()
    ]


DIFFERENCE = {"column": "final_test_accuracy", "of": {"arm": "ticket"}, "than": {"arm": "reinit"}}


def test_the_test_set_bounds_how_much_equal_differences_say():
    found = judged(
        Claim("A", "", "difference", DIFFERENCE, at_least=0.0), results=accuracies({"ticket": 0.981, "reinit": 0.98})
    )
    interval = found.measured[0].interval
    error = 100 * math.sqrt((0.981 * 0.019 + 0.98 * 0.02) / 10_000)
    assert found.verdict == "undecided" and interval.mean == pytest.approx(0.1)
    assert interval.high - interval.mean == pytest.approx(1.959964 * error, rel=1e-4)


def test_which_examples_are_correct_makes_a_difference_sharper():
    hits = {"ticket": np.arange(10_000) < 9810, "reinit": np.arange(10_000) < 9800}
    cells = {arm: {KEY: {"final": encoded(np.packbits(x).tobytes())}} for arm, x in hits.items()}
    results = [row | cells[row["arm"]] for row in accuracies({arm: x.mean() for arm, x in hits.items()})]
    found = judged(Claim("A", "", "difference", DIFFERENCE, at_least=0.0), results=results)
    assert found.verdict == "reproduced"  # ten examples that reinit alone gets wrong: 0.1 +- 0.062 points


def test_failed_trainings_are_in_no_mean_and_their_rate_is_said():
    results = accuracies({"ticket": 0.98, "reinit": 0.96}, seeds=4)
    results[-1] |= {"final_test_accuracy": 0.1135}
    found = judged(Claim("A", "", "difference", DIFFERENCE, at_least=0.0), results=results, chance=11.35)
    assert found.verdict == "reproduced" and found.measured[0].interval.n == 3
    assert found.notes == (
        "of ticket 0 of 4 failed (0% to 60%); of reinit 1 of 4 failed (1% to 81%): compared are those that train",
    )
    lost = [
        row | ({"status": "diverged", "final_test_accuracy": None} if row["arm"] == "reinit" else {}) for row in results
    ]
    found = judged(Claim("A", "", "difference", DIFFERENCE, at_least=0.0), results=lost)
    assert found.verdict == "not measured" and "of reinit 4 of 4 failed (40% to 100%)" in found.notes[0]


STOPS = {"of": {"arm": "ticket"}, "than": {"arm": "reinit"}}


@pytest.mark.parametrize(
    ("late", "reinit", "verdict", "bound"),
    [
        ({("reinit", 1)}, 3000, "reproduced", "a lower bound"),  # reinit is later still
        ({("reinit", 1)}, 300, "undecided", "a lower bound"),
        ({("ticket", 1)}, 3000, "undecided", "an upper bound"),
        ({("ticket", 1)}, 300, "not reproduced", "an upper bound"),
        ({("ticket", 1), ("reinit", 0)}, 3000, "undecided", "may be too low or too high"),
        ({("ticket", 1), ("reinit", 0)}, 300, "undecided", "may be too low or too high"),
    ],
)
def test_a_censored_stop_decides_on_the_side_that_it_bounds(late, reinit, verdict, bound):
    results = accuracies({"ticket": 0.98, "reinit": 0.98})
    for row in results:
        row |= {"early_stop_iteration": (1000 if row["arm"] == "ticket" else reinit) + 10 * row["seed"]}
        row |= {"early_stop_censored": (row["arm"], row["seed"]) in late}
    found = judged(Claim("A", "", "speedup", STOPS, at_least=1.0), results=results)
    assert found.verdict == verdict and bound in found.notes[-1]


def test_equal_early_stops_are_known_to_a_step_between_evaluations():
    results = accuracies({"ticket": 0.98, "reinit": 0.98})
    for row in results:
        row |= {"early_stop_iteration": 100 if row["arm"] == "ticket" else 200, "early_stop_censored": False}
    interval = judged(Claim("A", "", "speedup", STOPS, at_least=1.0), results=results).measured[0].interval
    error = 100 / math.sqrt(12) * math.hypot(1 / 100, 1 / 200) / math.sqrt(3)  # stops are multiples of 100
    assert interval.mean == pytest.approx(2.0)
    assert interval.high == pytest.approx(2.0 * math.exp(1.959964 * error), rel=1e-3)


@pytest.mark.parametrize(
    ("about", "verdict", "note"),
    [
        ({"sparsest": 20.0}, "reproduced", ""),  # one more level would lie at 12.5%
        ({"sparsest": 10.0}, "undecided", "measured down to 25.0% only"),
        ({"densities": (50.0, 25.0)}, "reproduced", ""),
        ({"densities": (50.0, 12.5)}, "undecided", "not measured at 12.5%"),
    ],
)
def test_a_claim_about_densities_that_were_not_reached_is_not_reproduced(about, verdict, note):
    seeds = [[0.4], [0.5], [0.6]]
    result = judged(claim([[], seeds, seeds], **about))
    assert result.verdict == verdict and (note in result.notes if note else not result.notes)
    assert result.decisive == result.measured[-1 if note else 0]
    lost = judged(claim([[], seeds, [[-0.4], [-0.5], [-0.6]]], sparsest=10.0))
    assert lost.verdict == "not reproduced"  # what was measured refutes it, whatever else there is


def test_a_claim_that_does_not_say_what_levels_rewind_is_about_weights():
    def row(way, seed, gain):
        found = next(x for x in RESULTS if (x["seed"], x["level"], x["arm"]) == (seed, 1, "ticket"))
        accuracy = {"final_test_accuracy": 0.8 + gain, "test_examples": 10**8, "status": "done"}
        return found | accuracy | {"iterate": way, "run": f"{way}{seed}"}

    rows = [row(way, seed, gain) for seed in range(3) for way, gain in ((None, 0.0), ("lr", 0.1))]
    evidence = Evidence({"results": rows})
    asked = {"column": "final_test_accuracy", "of": {"arm": "ticket"}}
    plain = Claim("A", "text", "value", asked)
    assert {x["iterate"] for x in evidence.about(plain).tables["results"]} == {None}
    named = Claim("A", "text", "value", asked | {"of": {"arm": "ticket", "iterate": "weights"}})
    every = evidence.about(named)
    assert len(every.tables["results"]) == 6 and len(every.rows("results", named.arguments["of"])) == 3
    probes = [{"iterate": row["iterate"], "seed": row["seed"], "level": 1} for row in rows]
    assert len(Evidence({"results": rows, "probes": probes}).about(plain).tables["probes"]) == 3
    known = {"title": "T", "experiment": "imp", "command": "lth imp", "data": "digits", "model": "mlp"}
    file = Claims(**known, claims=(replace(plain, iterations=9),), path=Path("x"))
    (judged,) = judge(file, Evidence({"results": [row for row in rows if row["iterate"]]}))
    assert (judged.verdict, judged.notes) == ("not measured", ("not among what was trained",))


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


def share_of_verdicts(claim_of, noise=0.15, effect=0.0, times=400):
    """Verdict -> its share, of a claim about three densities whose values differ from seed to seed by `noise`."""
    generator = np.random.default_rng(0)
    verdicts = [
        judged(claim_of([[], *generator.normal(effect, noise, (2, 3, 1)).tolist()])).verdict for _ in range(times)
    ]
    return {verdict: verdicts.count(verdict) / times for verdict in ("reproduced", "not reproduced", "undecided")}


def test_equality_is_reproduced_with_a_margin_and_hardly_ever_without():
    shares = share_of_verdicts(lambda values: claim(values, margin=0.5))
    assert shares["reproduced"] >= 0.5 and shares["not reproduced"] <= 0.01
    assert share_of_verdicts(claim, times=200)["reproduced"] < 0.05
    loss = share_of_verdicts(lambda values: claim(values, margin=0.5), effect=-0.9, times=200)
    assert loss["reproduced"] == 0


def test_a_claim_that_is_true_at_its_bound_is_rarely_not_reproduced_whatever_the_number_of_densities():
    for count in (1, 4):
        generator = np.random.default_rng(count)
        about = {"level": 1, "arm": "ticket", "draw": 0, "status": "done", "schedule": "iterative", "iterations": 9}
        results = [
            dict.fromkeys(COLUMNS)
            | about
            | {"seed": seed, "level": level, "density": 0.5**level, "run": f"{seed}{level}"}
            for seed in range(5)
            for level in range(1, count + 1)
        ]
        verdicts = [
            judged(claim([[], *generator.normal(size=(count, 5, 1)).tolist()]), results=results).verdict
            for _ in range(400)
        ]
        assert verdicts.count("not reproduced") / 400 < 0.045  # one side of 5% is 2.5%


def test_verdicts_at_densities_follow_holm():
    values = [[], [[-1.0], [-1.1], [-1.2]], [[-0.05], [-0.5], [-0.62]]]
    found = judged(claim(values))
    assert found.verdict == "not reproduced" and found.notes == (
        "not reproduced at 50.0%", "undecided at 25.0%"
    )  # fmt: skip
