"""One setting over its seeds: a mean with its interval and n in every cell, the verdict, and what was run."""

from lth.report.gather import Gathered
from lth.report.intervals import Interval, min_max
from lth.report.sheet import DASH
from lth.report.study import (
    OVERVIEW_HEADS,
    interval_cell,
    networks_by_data,
    overview_sheet,
    results_sheet,
    studies,
    study_facts,
    study_sheets,
)
from lth.report.tables import RESULTS


def result(seed, level, arm="ticket", schedule="iterative", **values):
    """One row of results, made up: each seed a tenth of a point better than the one before."""
    return {
        **dict.fromkeys(RESULTS),
        "experiment": "imp",
        "setting": f"id-{schedule}",
        "data": "small",
        "model": "lenet",
        "seed": seed,
        "level": level,
        "arm": arm,
        "draw": 0,
        "status": "done",
        "density": 0.8**level,
        "sparsity": 1 - 0.8**level,
        "weights_left": round(43000 * 0.8**level),
        "rewind": 0,
        "schedule": schedule,
        "early_stop_iteration": 1000 * level + 100 * seed + 100,
        "early_stop_censored": arm == "reinit" and (seed, level) == (1, 2),
        "early_stop_test_accuracy": (0.9 if arm == "ticket" else 0.85) + 0.001 * seed,
        "final_train_accuracy": 0.99,
        "final_test_accuracy": 0.9,
        "iterations": 3000,
        "test_examples": 10**8,
        "run": f"{arm}-{level}-{seed}-{schedule if level else 'dense'}",
        **values,
    }


def sweep(**values):
    """Three seeds of the ticket at three levels, of a control (one seed fewer at the last), of a one-shot ticket."""
    rows = [result(seed, level, **values) for seed in range(3) for level in range(3)]
    rows += [result(seed, level, "reinit", **values) for level in (1, 2) for seed in range(4 - level)]
    return rows + [result(seed, level, schedule="one_shot", **values) for seed in range(3) for level in (0, 2)]


def main_rows(rows):
    return [row for row in rows if row["schedule"] == "iterative"]


def test_a_study_is_a_setting_with_its_one_shot_counterpart():
    other = [row | {"setting": "rate", "run": f"{row['run']} other"} for row in main_rows(sweep())]
    first, second = studies(Gathered([*sweep(), *other], {}, []))
    assert [{row["setting"] for row in study.rows} for study in (first, second)] == [
        {"id-iterative", "id-one_shot"},
        {"rate"},
    ]


def test_cells_have_mean_interval_and_n_where_it_differs():
    sheet = results_sheet(sweep(), main_rows(sweep()), min_max)
    assert sheet.heads == ["level", "density (%)", "verdict", *(["ticket", "reinit", "ticket, one-shot"] * 2)]
    spread = ("90.10", "90.00 to 90.20")
    shown = [[(cell, getattr(cell, "note", "")) for cell in row] for row in sheet.cells]
    assert [row[:2] for row in shown] == [
        [("0", ""), ("100", "")],
        [("1", ""), ("80.0", "")],
        [("2", ""), ("64.0", "")],
    ]
    assert [row[3:6] for row in shown] == [
        [spread, (DASH, ""), spread],
        [spread, ("85.10", "85.00 to 85.20"), (DASH, "")],
        [spread, ("85.05", "85.00 to 85.10, n = 2"), spread],
    ]
    assert shown[2][6:] == [("2,200", "2,100 to 2,300"), ("≥ 2,150", "n = 2"), ("2,200", "2,100 to 2,300")]
    assert sum(count for _, count in sheet.groups) == len(sheet.heads) and set(sheet.legend) == {"ticket", "reinit"}
    assert "n = 3 where a cell says nothing else" in sheet.note and "from the lowest to the highest seed" in sheet.note
    assert (
        "corrected for the number of densities (Holm" in sheet.note and "≥ marks a lower bound, without" in sheet.note
    )


def test_a_verdict_has_its_reasons_below_it():
    verdicts = [row[2] for row in results_sheet(sweep(), main_rows(sweep()), min_max).cells]
    assert verdicts[0] == "" and verdicts[1].startswith("matching; ") and verdicts[1].note


def test_without_verdicts_or_a_validation_split_the_table_says_less():
    early = dict.fromkeys(["early_stop_iteration", "early_stop_censored", "early_stop_test_accuracy"])
    rows = sweep(**early)
    sheet = results_sheet(rows, main_rows(rows), min_max)
    assert [title for title, _ in sheet.groups] == ["", "Final test accuracy (%)"]
    assert "≥" not in sheet.note and "The early stop is" not in sheet.note
    dense = [row for row in main_rows(rows) if row["level"] == 0]
    alone = results_sheet(dense, dense, min_max)
    assert "verdict" not in alone.heads and "erdict" not in alone.note


def test_cells_of_what_is_missing_or_alone():
    def cell(interval, column):
        made = interval_cell(interval, column, 5)
        return made, made.note

    assert cell(None, "final_test_accuracy") == (DASH, "")
    assert cell(Interval(0.9, None, None, 1), "final_test_accuracy") == ("90.00", "n = 1")
    assert cell(Interval(1234.4, 1000, 1500.6, 5), "early_stop_iteration") == ("1,234", "1,000 to 1,501")
    assert cell(Interval(1234.4, None, None, 5, 2), "early_stop_iteration") == ("≥ 1,234", "")


def test_differences_are_folded_behind_the_results():
    first, *others = study_sheets(Gathered(sweep(), {}, []), "t")
    assert first.title == "Results" and not first.folded
    assert [sheet.title.split(":")[0] for sheet in others] == [
        "small, lenet, iterative (id-iterative)",
        "small, lenet, one_shot (id-one_shot)",
    ]
    assert all(sheet.folded for sheet in others)


def test_facts_name_seeds_and_settings():
    rows = sweep()
    facts = study_facts(rows)
    assert facts["seeds"] == "0, 1, 2"
    assert facts["setting"] == "id-iterative (iterative), id-one_shot (one_shot)"
    assert facts["network"] == "lenet, 43,000 prunable weights"
    assert "seed" not in facts
    assert study_facts([*rows, result(0, 1, "reinit", draw=2)])["seeds"].endswith(
        "up to 3 draws of each random control"
    )


def test_a_study_is_a_row_with_a_link():
    conv = Gathered(sweep(model="conv2", data="cifar10"), {}, [])
    pages = {"id-iterative/report.html": Gathered(sweep(), {}, []), "conv2/report.html": conv}
    sheet = overview_sheet(pages)
    assert sheet.cells[0] == [
        "lenet on small",
        "iterative and one_shot",
        "3,000",
        "3",
        "3",
        "64.0",
        "id-iterative, id-one_shot",
    ]
    assert [row[0].link for row in sheet.cells] == list(pages)
    assert all(len(row) == len(OVERVIEW_HEADS) for row in sheet.cells)
    assert networks_by_data(list(pages.values())) == "lenet on small; conv2 on cifar10"
    four = Gathered(sweep(model="conv4", data="cifar10"), {}, [])
    assert networks_by_data([conv, four]) == "conv2, conv4 on cifar10"
