"""The page of a sweep: the answer first, a mean with its interval and n in every cell, nothing from elsewhere."""

import re
from pathlib import Path
from typing import Any

import pytest
from lth.report.pages.seeds import cell, sweep_facts, usual_count, write_sweep_page
from lth.report.papers.frankle2019 import draw_sweep

from lth.core.tables import Row
from lth.report.export import Sheet
from lth.report.figures.drawing import Drawn
from lth.report.gather import Gathered
from lth.report.intervals import Interval, min_max
from lth.report.tables import RESULTS

DASH = "\N{EN DASH}"
VERDICTS = {1: "winning", 2: "undecided"}
SHEET = Sheet("Differences", ["level", "pair", "mean"], [["1", "ticket less <dense>", "+0.10"]])


def result(seed: int, level: int, arm: str = "ticket", schedule: str = "iterative", **values: Any) -> Row:
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
        "run": f"{arm}-{level}-{seed}-{schedule}",
        **values,
    }


def sweep() -> list[Row]:
    """Three seeds of the ticket at three levels, of a control (one seed fewer at the last), of a one-shot ticket."""
    rows = [result(seed, level) for seed in range(3) for level in range(3)]
    rows += [result(seed, level, "reinit") for level in (1, 2) for seed in range(4 - level)]
    return rows + [result(seed, level, schedule="one_shot") for seed in range(3) for level in (0, 2)]


def figures(folder: Path, rows: list[Row]) -> list[Drawn]:
    """The figures of `rows`, drawn into `folder`."""
    return draw_sweep(folder, Gathered(rows, {}, []), min_max)


def page(folder: Path, rows: list[Row], drawn: list[Drawn], **values: Any) -> str:
    """The text of the page of `rows`, with ranges as intervals."""
    path = folder / "report.html"
    write_sweep_page(path, ["Winning at 80%.", "Beyond: <open>."], rows, drawn, bars=min_max, **values)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of a whole page."""
    folder, rows = tmp_path_factory.mktemp("sweep"), sweep()
    drawn = figures(folder / "figures", rows)
    return page(folder, rows, drawn, verdicts=VERDICTS, sheets=[SHEET], asked={"command": "lth report here"})


def cells(table: str) -> list[list[str]]:
    """The rows of a table's body, without tags."""
    body = table.split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in body.split("</tr>")[:-1]]
    return [[re.sub(r"<[^>]+>", " ", cell).strip() for cell in row] for row in rows]


def test_the_answer_comes_first_and_what_was_asked_last(text: str) -> None:
    body = text.split("<body>")[1]
    parts = (
        "3 seeds</h1>",
        "Winning at 80%.",
        "Beyond: &lt;open&gt;.",
        "<img",
        "winning</td>",
        "Differences</summary>",
    )
    order = [body.index(part) for part in (*parts, "lth report here", "hydra-core")]
    assert order == sorted(order)


def test_cells_have_mean_interval_and_n_where_it_differs(text: str) -> None:
    accuracy, stops = (cells(table) for table in text.split("<table>")[1:3])
    spread = "90.10 90.00 to 90.20"
    assert accuracy == [
        ["0", "100", spread, DASH, spread, ""],
        ["1", "80.0", spread, "85.10 85.00 to 85.20", DASH, "winning"],
        ["2", "64.0", spread, "85.05 85.00 to 85.10, n = 2", spread, "undecided"],
    ]
    assert stops[2][2:] == ["2,200 2,100 to 2,300", "≥ 2,150 n = 2", "2,200 2,100 to 2,300"]
    assert "n = 3 where a cell says nothing else" in text
    assert "not corrected for multiple comparisons" in text and "≥: a lower bound, without an interval" in text


def test_nothing_comes_from_elsewhere_and_every_image_has_a_text(text: str) -> None:
    assert "://" not in text and not re.search(r"<script|@import|url\(", text)
    images = re.findall(r"<img [^>]+>", text)
    assert len(images) == 1
    assert all('src="data:image/png;base64,' in image and re.search(r'alt="[^"]{20,}"', image) for image in images)
    assert "ticket less &lt;dense&gt;" in text


def test_without_verdicts_validation_or_figures_there_is_still_a_page(tmp_path: Path) -> None:
    empty = dict.fromkeys(["early_stop_iteration", "early_stop_censored", "early_stop_test_accuracy"])
    content = page(tmp_path, [row | empty for row in sweep()], [])
    assert "No figure" in content and "Final test accuracy (%)" in content
    assert "verdict" not in content and "Early-stop iteration" not in content and "≥" not in content


def test_cells_of_what_is_missing_or_alone() -> None:
    assert cell(None, "final_test_accuracy", 5) == (DASH, "")
    assert cell(Interval(0.9, None, None, 1), "final_test_accuracy", 5) == ("90.00", "n = 1")
    assert cell(Interval(1234.4, 1000, 1500.6, 5), "early_stop_iteration", 5) == ("1,234", "1,000 to 1,501")
    assert cell(Interval(1234.4, None, None, 5, 2), "early_stop_iteration", 5) == ("≥ 1,234", "")


def test_facts_name_seeds_and_settings() -> None:
    rows = sweep()
    told = sweep_facts(rows)
    assert told["seeds"] == "0, 1, 2"
    assert told["setting"] == "id-iterative (iterative), id-one_shot (one_shot)"
    assert told["network"] == "lenet, 43,000 prunable weights"
    assert "seed" not in told
    assert usual_count(rows) == 3
