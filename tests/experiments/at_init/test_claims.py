"""The claims of Frankle et al. 2021, judged on made-up rows in which they hold, and in which they do not."""

import math

import pytest

from lth.commands.claims import load_claims
from lth.core.errors import LotteryError
from lth.pruning.methods import METHODS
from lth.report.claims.evidence import Evidence
from lth.report.claims.judge import estimators_of, judge
from lth.report.claims.reading import results_of
from lth.report.tables import RESULTS

CLAIMS = load_claims("frankle2021")
LEVELS = {0: 1.0, 1: 0.8, 7: 0.2097, 13: 0.055, 17: 0.0225}
ACCURACIES = {"imp": 0.98, "magnitude_after": 0.975, "snip": 0.97, "grasp": 0.969, "synflow": 0.971}
ACCURACIES |= {"magnitude": 0.968, "random": 0.95}
EFFECTS = {"imp": -0.01, "magnitude_after": -0.005}
"""What shuffling and re-initialisation change a method's accuracy by; 0.001 where it is not named."""


def row(method, seed, level, arm, **changes):
    accuracy = ACCURACIES[method] + 0.0002 * seed if level else 0.98
    accuracy += EFFECTS.get(method, 0.001 + 0.0001 * seed) if arm != "ticket" else 0
    about = {"experiment": "at_init", "setting": f"s-{method}", "data": "mnist", "model": "lenet_300_100", "seed": seed}
    about |= {"level": level, "arm": arm, "draw": 0, "status": "done", "density": LEVELS[level], "iterations": 100}
    about |= {"schedule": METHODS[method].word(), "final_test_accuracy": accuracy, "test_examples": 10**8}
    return dict.fromkeys(RESULTS) | about | changes


def rows(seeds=3, methods=tuple(ACCURACIES), **changes):
    """A made-up reproduction in which the paper's claims hold."""
    return [
        row(method, seed, level, arm, **changes)
        for method in methods
        for seed in range(seeds)
        for level in LEVELS
        if level != 1 or method == "imp"
        for arm in (("ticket", "reinit", "shuffle") if level > 1 else ("ticket",))
    ]


def judged(results):
    return judge(CLAIMS, Evidence({"results": results_of(results, CLAIMS)}))


def verdicts(results):
    return {claim.claim.name: claim.verdict for claim in judged(results)}


def test_every_claim_names_an_estimator_a_bound_and_methods_that_there_are():
    assert len(estimators_of(CLAIMS, {})) == len({claim.name for claim in CLAIMS.claims}) == 28
    words = {method.word() for method in METHODS.values()}
    for claim in CLAIMS.claims:
        assert {claim.arguments[side]["schedule"] for side in ("of", "than")} <= words
        assert math.isfinite(claim.at_least) or math.isfinite(claim.at_most)


def test_claims_hold_where_the_differences_have_the_papers_direction():
    assert set(verdicts(rows()).values()) == {"reproduced"}
    assert set(verdicts(rows(seeds=2)).values()) == {"undecided"}
    few = verdicts(rows(methods=["snip", "random"]))
    assert few["A1"] == "reproduced" and few["A2"] == "not measured" == few["A17"]


def test_a_claim_about_several_densities_has_the_worst_of_their_verdicts():
    flat = [row | {"final_test_accuracy": 0.95} if (row["level"], row["seed"]) == (7, 0) else row for row in rows()]
    (mixed, *_) = judged(flat)
    assert mixed.verdict == "undecided" and mixed.decisive.density == LEVELS[7]
    assert mixed.notes == ("undecided at 21.0%", "reproduced at 5.5%, 2.2%")
    swapped = {"random": "snip_at_init", "snip": "random_at_init"}
    other = [row | {"schedule": swapped.get(row["setting"][2:], row["schedule"])} for row in rows()]
    (first, *_) = judged(other)
    assert first.verdict == "not reproduced" and "on ResNets and VGG" in first.notes[-1]
    assert [f"{100 * level.density:.1f}" for level in first.measured] == ["21.0", "5.5", "2.2"]
    assert all(level.interval.mean == pytest.approx(-2.0) for level in first.measured)


def test_effects_are_compared_with_those_of_imp():
    claims = {claim.claim.name: claim for claim in judged(rows())}
    # SNIP gains 0.10, 0.11 and 0.12 points by shuffling, IMP loses 1 point
    assert [level.interval.mean for level in claims["A21"].measured] == pytest.approx([1.11] * 3)


def test_claims_need_rows_of_one_setting_a_method():
    with pytest.raises(LotteryError, match="run lth at_init paper=frankle2021"):
        judged(rows(data="mnist1d"))
    with pytest.raises(LotteryError, match=r"results of 2 settings \(other, s-snip\) for snip"):
        judged([*rows(), *rows(methods=["snip"], setting="other")])
