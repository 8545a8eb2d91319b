"""Claims are judged by intervals over seeds, from rows alone; what was not run is said to be not measured."""

import random

import pytest

from lth.core.errors import LotteryError, SettingError
from lth.report.claims import ESTIMATORS, judge, load_claims, papers
from lth.report.claims.show import cells, markdown, summary, table
from lth.report.tables import RESULTS

LADDER = {0: 1.0, 3: 0.5128, 7: 0.2107, 9: 0.1352, 12: 0.0695, 15: 0.0358, 16: 0.0287}


def rows(seeds=5, schedule="iterative", iterations=15_000, noise=0.0005, gain=0.005, **changes):
    """A made-up reproduction in which tickets gain half a point, stop at half the time, and reinit loses one."""
    chance = random.Random(0)
    made = []
    for seed in range(seeds):
        for level, density in LADDER.items():
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


def verdicts(found):
    return {claim.name: claim.verdict for claim in judge("frankle2019", found)}


def test_every_claim_names_an_estimator_and_a_bound():
    assert papers() == ["evci2022", "frankle2019", "frankle2021"]
    for claim in load_claims("frankle2019")["claim"]:
        assert claim["estimator"] in ESTIMATORS and {"at_least", "at_most"} & claim.keys()
        assert "densities" in claim or {"from", "to"} <= claim.keys()


def test_a_claim_that_is_not_reproduced_has_a_likely_reason_and_every_value_its_unit():
    found = {claim.name: claim for claim in judge("frankle2019", rows())}
    assert "normalises its inputs" in found["L7b"].note and "normalises" not in found["L5"].note
    assert cells(found["L1"])[2] == "38%" and cells(found["L1"])[3].startswith("at 21.1%: +4")
    assert cells(found["L2"])[2] == "0.3 points" and cells(found["L4"])[2] == "2.51 times"
    assert cells(found["L4"])[3].startswith("at 21.1%: 2.98 times (2.6")


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
    (claim,) = [claim for claim in judge("frankle2019", rows(noise=0.0)) if claim.name == "L2"]
    (interval,) = claim.measured.values()
    assert interval.mean == pytest.approx(0.5) and interval.n == 5
    (speed,) = [claim for claim in judge("frankle2019", rows()) if claim.name == "L1"]
    (interval,) = speed.measured.values()
    assert interval.low < interval.mean < interval.high and interval.mean == pytest.approx(50, abs=5)


def test_a_censored_control_gives_a_lower_bound():
    found = rows()
    for row in found:
        row["early_stop_censored"] = row["arm"] == "reinit"
    (claim,) = [claim for claim in judge("frankle2019", found) if claim.name == "L4"]
    assert "5 early stops of reinit are cut off" in claim.note and "lower bound" in claim.note


def test_other_results_and_two_settings_are_errors():
    with pytest.raises(LotteryError, match="no results of lenet_300_100 on mnist"):
        judge("frankle2019", rows(data="digits"))
    with pytest.raises(LotteryError, match="2 settings"):
        judge("frankle2019", [*rows(), *rows(setting="other")])
    with pytest.raises(SettingError, match="paper=nobody2020"):
        judge("nobody2020", rows())


def test_the_claims_are_shown_with_interval_n_and_verdict():
    claims = judge("frankle2019", rows())
    text = markdown("Title", claims, "lth claims frankle2019")
    assert "| L2 |" in text and "n = 5" in text and "reproduced" in text and "`lth claims frankle2019`" in text
    assert "not measured" in summary(claims) and table("Title", claims).row_count == len(claims)
