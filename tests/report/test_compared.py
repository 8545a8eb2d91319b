"""Networks are compared by the task's metric: which way is better changes words and signs, and no verdict."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lth.core.tables import Row
from lth.report.claims.estimators import improvement
from lth.report.claims.evidence import Evidence
from lth.report.compared import in_words, text_of
from lth.report.criteria import Criteria
from lth.report.differences import difference_rows, difference_sheet, differences_table
from lth.report.figures.series import ACCURACY_END, EARLY_STOP, of_task
from lth.report.headline import sentence
from lth.report.intervals import t_interval
from lth.report.power import Interest, power_rows
from lth.report.study import legend, results_sheet
from lth.report.summary import summary_rows, summary_sheet, summary_table
from lth.report.tables import RESULTS
from lth.report.verdict import Verdict, verdicts
from lth.report.wandb.levels import LevelMetrics
from lth.tasks.metrics import ACCURACY, CLASSIFICATION, Measures, Metric

ARMS = ("ticket", "reinit", "shuffle")
ABOUT = {"experiment": "imp", "setting": "s", "data": "d", "model": "m", "schedule": "iterative", "status": "done"}
MSE = Measures("regression", (Metric("mse", "lower", "m"), Metric("r2")))


def table(measures: Measures, value: Callable[[int, int, str], float], seeds: int = 4) -> list[Row]:
    """Rows of results whose first metric is `value` of seed, level and arm, at the early stop and at the end."""
    rows = []
    for seed in range(seeds):
        for level, arm in [(0, "ticket"), *((1, arm) for arm in ARMS)]:
            place = {"seed": seed, "level": level, "arm": arm, "draw": 0, "run": f"{seed}{level}{arm}"}
            stop = {"early_stop_iteration": 100 + seed, "early_stop_censored": False, "iterations": 1000}
            measured = {
                f"{at}_{metric.name}": value(seed, level, arm)
                for at in ("early_stop_test", "final_test")
                for metric in measures.metrics
            }
            rows.append(
                dict.fromkeys(RESULTS)
                | ABOUT
                | place
                | {"density": 0.8**level}
                | (stop | {"early_stop_val_loss": 1.0})
                | measured
                | measures.cells()
            )
    return rows


def said(verdict: Verdict) -> list[Any]:
    """All that a verdict says, without its metric."""
    return [
        verdict.decision,
        verdict.matching,
        verdict.answer,
        verdict.p,
        verdict.p_adjusted,
        verdict.parts,
        verdict.why,
    ]


VALUES = st.lists(st.floats(0.5, 2.0).map(lambda x: round(x, 3)), min_size=16, max_size=16)


@settings(max_examples=30)
@given(VALUES, st.sampled_from([0.0, 1.0, 20.0]))
def test_negative_values_of_the_other_direction_give_the_same_verdicts(values: list[float], margin: float) -> None:
    judged = []
    for better, sign in (("higher", 1), ("lower", -1)):
        measures = Measures("custom", (Metric("score", better),))
        rows = table(
            measures, lambda seed, level, arm, sign=sign: sign * values[4 * seed + level + level * ARMS.index(arm)]
        )
        judged.append(verdicts(rows, Criteria(margin=margin)))
        answers = [row["answer"] for row in difference_rows(rows, Criteria(margin=margin))]
        judged[-1]["answers"] = answers  # type: ignore[index]  # beside the verdicts
    assert said(judged[0][1]) == said(judged[1][1])
    assert judged[0]["answers"] == judged[1]["answers"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("ticket", "decision", "answer"),
    [(0.9, "winning", "better"), (1.05, "undecided", "worse"), (1.5, "not winning", "worse")],
)
def test_a_lower_error_wins_within_percent_of_dense(ticket: float, decision: str, answer: str) -> None:
    by_arm = {"ticket": ticket, "reinit": 1.2, "shuffle": 1.3}
    rows = table(MSE, lambda seed, level, arm: (by_arm[arm] if level else 1.0) + seed / 1000)
    (verdict,) = verdicts(rows, Criteria(margin=4.0)).values()
    assert (verdict.answer, verdict.margin) == (answer, pytest.approx(0.04006))
    assert verdict.decision == ("not winning" if decision == "undecided" else decision)
    assert verdicts(rows, Criteria(margin=6.0))[1].matching is (ticket < 1.06)


def test_tables_of_another_metric_name_it_and_its_direction() -> None:
    rows = table(MSE, lambda seed, level, arm: 1.0 - 0.1 * level + seed / 1000)
    summary, differences = summary_rows(rows), difference_rows(rows)
    assert {"final_test_mse_mean", "final_test_r2_low", "metrics"} <= set(summary_table(summary).names)
    assert all(set(row) == set(summary_table(summary).names) for row in summary)
    assert all(set(row) == set(differences_table(differences).names) for row in differences)
    against_dense = next(row for row in differences if row["second"] == "dense" and row["column"] == "final_test_mse")
    assert against_dense["mean"] == pytest.approx(-0.1) and against_dense["unit"] == "m"
    sheets = (
        summary_sheet("x", summary),
        difference_sheet("x", differences),
        results_sheet(rows, rows, t_interval),
    )
    late = "at the end (m, lower is better)"
    assert late in sheets[0].heads and late in [cells[3] for cells in sheets[1].cells]
    assert ("Test mse at early stop (m, lower is better)", 3) in sheets[2].groups
    assert "at most 0.2% above the dense" in sheets[2].note and "within 0.2%, 1.1 times" in sentence(rows)
    assert power_rows(rows, Interest(accuracy=5.0))[0]["unit"] == "m"


def test_claims_know_which_way_is_better() -> None:
    evidence = Evidence({"results": table(MSE, lambda seed, level, arm: 1.0 - 0.1 * (arm == "ticket" and level))})
    sides = {"of": {"arm": "ticket"}, "than": {"arm": "reinit"}}
    assert [*improvement.compute(evidence, **sides)[1].values()] == pytest.approx([10.0] * 4)
    r2 = improvement.compute(evidence, **sides, column="final_test_r2")
    assert [*r2[1].values()] == pytest.approx([-10.0] * 4)


def test_axes_and_charts_are_of_the_metric() -> None:
    rows = table(MSE, lambda seed, level, arm: 0.5)
    measure = of_task(ACCURACY_END, rows)
    assert (measure.column, measure.label) == ("final_test_mse", "test mse at the end (m, lower is better)")
    assert of_task(EARLY_STOP, rows) is EARLY_STOP and of_task(ACCURACY_END, []) is ACCURACY_END
    logged = LevelMetrics().row([row for row in rows if row["level"] == 1])
    assert logged["compared/ticket"] == logged["reinit/final_test_r2"] == 0.5 and "accuracy/ticket" not in logged


def test_words_of_accuracy_stay_and_others_take_their_place() -> None:
    text = "Test accuracy at the evaluation with the lowest validation loss."
    assert in_words(text, CLASSIFICATION) == text
    decided = Measures("regression", MSE.metrics, "val_r2")
    assert in_words(text, decided) == "Test mse at the evaluation with the highest validation r2."
    assert legend(Criteria())["matching"].endswith("at most 0.2 points below the dense network's")
    assert (text_of(ACCURACY, 97.126), text_of(MSE.primary, 0.0012345), text_of(MSE.primary, 1234.5)) == (
        "97.13",
        "0.001234",
        "1,234",
    )
