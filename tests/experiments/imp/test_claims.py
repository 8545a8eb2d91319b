"""Claims are judged by intervals over seeds, from rows alone; what was not run is said to be not measured."""

import math
import random

import pytest

from lth.commands.claims import load_claims
from lth.core.errors import LotteryError
from lth.report.claims.evidence import Evidence
from lth.report.claims.judge import estimators_of, judge
from lth.report.claims.reading import results_of
from lth.report.claims.show import cells, markdown, summary, table
from lth.report.tables import RESULTS

CLAIMS = load_claims("frankle2019")
LEVELS = {0: 1.0, 3: 0.5128, 7: 0.2107, 9: 0.1352, 12: 0.0695, 15: 0.0358, 16: 0.0287}


def rows(seeds=5, schedule="iterative", iterations=15_000, noise=0.0005, gain=0.005, **changes):
    """A made-up reproduction in which tickets gain half a point, stop at half the time, and reinit loses one."""
    chance = random.Random(0)
    made = []
    for seed in range(seeds):
        for level, density in LEVELS.items():
            for arm in ("ticket", "reinit", "shuffle") if level else ("ticket",):
                accuracy = 0.98 + (0 if not level else gain if arm == "ticket" else -0.01) + chance.gauss(0, noise)
                stop = 5000 if not level else 2500 if arm == "ticket" else 7500
                row = dict.fromkeys(RESULTS) | {
                    "experiment": "imp", "setting": f"s-{schedule}", "data": "mnist", "model": "lenet_300_100",
                    "seed": seed, "level": level, "arm": arm, "draw": 0, "status": "done", "density": density,
                    "schedule": schedule, "early_stop_iteration": stop + 100 * chance.randint(-3, 3),
                    "early_stop_censored": False, "early_stop_test_accuracy": accuracy,
                    "final_test_accuracy": accuracy, "iterations": iterations, "run": f"{seed}{level}{arm}",
                }  # fmt: skip
                made.append(row | changes)
    return made


def judged(results):
    return {x.claim.name: x for x in judge(CLAIMS, Evidence({"results": results_of(results, CLAIMS)}))}


def verdicts(results):
    return {name: claim.verdict for name, claim in judged(results).items()}


def test_every_claim_names_an_estimator_a_bound_and_densities():
    assert len(estimators_of(CLAIMS, {})) == len(CLAIMS.claims) == 11
    for claim in CLAIMS.claims:
        assert claim.densities or (claim.densest < 100 and claim.sparsest > 0)
        assert math.isfinite(claim.at_least) or math.isfinite(claim.at_most)


def test_a_claim_that_is_not_reproduced_has_a_likely_reason_and_every_value_its_unit():
    found = judged(rows())
    assert "normalises its inputs" in found["L7b"].notes[-1] and not any("normal" in x for x in found["L5"].notes)
    assert cells(found["L1"])[3] == "38%" and cells(found["L1"])[4].startswith("at 21.1%: +4")
    assert cells(found["L2"])[3] == "0.3 points" and cells(found["L4"])[3] == "2.51 times"
    assert (cells(found["L1"])[2], cells(found["L3"])[2]) == ("direction", "value")
    assert cells(found["L4"])[4].startswith("at 21.1%: 2.98 times (2.6")


def test_what_holds_is_reproduced_and_what_was_not_run_is_not_measured():
    found = verdicts([*rows(), *rows(schedule="one_shot")])
    reproduced = ("L1", "L2", "L4", "L5", "L7a", "L9")
    assert all(found[name] == "reproduced" for name in reproduced)
    assert found["L6"] == found["L8"] == "not measured"  # 15,000 iterations, no level at 1.9%
    assert found["L7b"] == "not reproduced"  # here the ticket is above dense at 2.9%, too


def test_one_level_against_it_decides_a_claim_about_a_range():
    one_shot = rows(schedule="one_shot")
    for row in one_shot:
        if row["level"] == 12 and row["arm"] == "ticket":
            row["early_stop_test_accuracy"] = 0.97
    assert verdicts([*rows(), *one_shot])["L10"] == "not reproduced"


def test_wide_intervals_and_few_seeds_decide_nothing():
    assert verdicts(rows(noise=0.05))["L2"] == "undecided"
    assert set(verdicts(rows(seeds=2)).values()) == {"undecided", "not measured"}


def test_measured_values_are_those_of_the_rows():
    (level,) = judged(rows(noise=0.0))["L2"].measured
    assert level.interval.mean == pytest.approx(0.5) and level.interval.n == 5
    (level,) = judged(rows())["L1"].measured
    interval = level.interval
    assert interval.low < interval.mean < interval.high and interval.mean == pytest.approx(50, abs=5)


def test_a_censored_control_gives_a_lower_bound():
    found = rows()
    for row in found:
        row["early_stop_censored"] = row["arm"] == "reinit"
    notes = "; ".join(judged(found)["L4"].notes)
    assert "5 early stops of reinit are cut off" in notes and "lower bound" in notes and "upper" not in notes


def test_a_censored_ticket_gives_an_upper_bound_and_a_censored_dense_network_a_lower_one():
    found = rows()
    for row in found:
        row["early_stop_censored"] = row["arm"] == "ticket" and row["level"] == 7
    assert "upper bound" in judged(found)["L1"].notes[-1] and "upper bound" in judged(found)["L4"].notes[-1]
    for row in found:
        row["early_stop_censored"] = row["level"] == 0
    bound = "5 early stops of the dense network are cut off by the end of training: the value is a lower bound"
    assert judged(found)["L1"].notes[-1] == bound
    assert not any("cut off" in note for note in judged(found)["L2"].notes)  # a claim about accuracies
    for row in found:
        row["early_stop_censored"] = row["arm"] == "ticket"
    assert "5 early stops of ticket and 5 early stops of the dense network" in judged(found)["L1"].notes[-1]
    assert "may be too low or too high" in judged(found)["L1"].notes[-1]


def test_other_results_and_two_settings_are_errors():
    with pytest.raises(LotteryError, match="no results of lenet_300_100 on mnist"):
        judged(rows(data="digits"))
    with pytest.raises(LotteryError, match="run lth imp paper=frankle2019/lenet"):
        judged(rows(experiment="at_init"))
    with pytest.raises(LotteryError, match=r"2 settings \(other, s-iterative\) for iterative"):
        judged([*rows(), *rows(setting="other")])


def test_the_claims_are_shown_with_interval_n_and_verdict():
    claims = list(judged(rows()).values())
    text = markdown(CLAIMS, claims)
    assert "| L2 |" in text and "n = 5" in text and "reproduced" in text and f"`{CLAIMS.command}`" in text
    assert "not measured" in summary(claims) and table(CLAIMS, claims).row_count == len(claims)
