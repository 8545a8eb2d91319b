"""The page above several questions: a row and a link each, the figures across them, and what these leave out."""

import re
from pathlib import Path
from typing import Any

from lth.report.pages.overview import HEADS, about, write_overview
from lth.report.papers.networks import draw_networks

from lth.core.tables import Row
from lth.report.gather import Gathered
from lth.report.tables import RESULTS


def result(model: str, seed: int, level: int, **values: Any) -> Row:
    """One row of results, made up."""
    about = {"experiment": "imp", "setting": f"id-{model}", "data": "<cifar10>", "model": model, "seed": seed}
    place = {"level": level, "arm": "ticket", "draw": 0, "status": "done", "density": 0.8**level, "rewind": 0}
    told = {"early_stop_iteration": 900 - 100 * level, "early_stop_censored": False, "iterations": 20_000}
    accuracy = {"early_stop_test_accuracy": 0.7 + 0.01 * level + 0.001 * seed}
    return dict.fromkeys(RESULTS) | about | place | told | accuracy | {"schedule": "iterative"} | values


def question(model: str, **values: Any) -> Gathered:
    """The results of two seeds at three levels."""
    return Gathered([result(model, seed, level, **values) for seed in (0, 1) for level in range(3)], {}, [])


def test_every_question_is_linked_and_figures_and_notes_come_after(tmp_path: Path) -> None:
    asked = {f"id-{model}/report.html": question(model) for model in ("conv2", "conv4")}
    rows = [row for each in asked.values() for row in each.rows]
    figures, _ = draw_networks(tmp_path / "figures", Gathered(rows, {}, []))
    write_overview(tmp_path / "report.html", ["Nothing: <yet>."], asked, figures, ["conv6 is left out."])
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    body = text.split("<body>")[1]
    parts = (
        "2 questions: conv2, conv4 on &lt;cifar10&gt;</h1>",
        "Nothing: &lt;yet&gt;.",
        "<table>",
        "<img",
        "left out",
        "<dl>",
    )
    assert [body.index(part) for part in parts] == sorted(body.index(part) for part in parts)
    assert re.findall(r'<a href="([^"]+)"', body) == list(asked)
    assert re.search(r'<img [^>]*alt="[^"]{20,}"', body) and "://" not in text and "<script" not in text


def test_a_question_is_told_in_a_row() -> None:
    both = question("conv2").rows + [
        row | {"schedule": "one_shot", "setting": "shot"} for row in question("conv2").rows
    ]
    cells = about(Gathered(both, {}, []))
    assert cells == ["conv2 on <cifar10>", "iterative and one_shot", "20,000", "2", "3", "64.0", "id-conv2, shot"]
    assert len(cells) == len(HEADS)


def test_without_figures_there_is_still_a_page(tmp_path: Path) -> None:
    write_overview(tmp_path / "report.html", [], {"a/report.html": question("lenet")}, [])
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<img" not in text and "1 question: lenet" in text
