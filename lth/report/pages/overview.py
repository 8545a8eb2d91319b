"""The page above the pages of several questions: what each shows, where it lies, and the figures across them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lth.core.files import write_text
from lth.report.export import Sheet
from lth.report.figures.drawing import Drawn
from lth.report.gather import Gathered
from lth.report.pages.replicate import inline, render, versions
from lth.report.pages.seeds import counted
from lth.report.statistics import densities, percent

HEADS = ("question", "schedule", "iterations", "seeds", "levels", "sparsest (%)", "setting")


def write_overview(
    path: Path,
    says: Sequence[str],
    questions: Mapping[str, Gathered],
    figures: Sequence[Drawn],
    notes: Sequence[str] = (),
    sheets: Sequence[Sheet] = (),
) -> None:
    """Writes the page of several questions as the file `path`; it needs no other file and asks the network nothing.

    says: the answers, a sentence each; questions: the address of each one's own page, from `path`, and its results;
    figures, sheets: those across questions; notes: what is to be said of them, as which settings they leave out.
    """
    content = render(
        "overview.html.jinja",
        title=f"{counted(len(questions), 'question')}: {networks_by_data(questions.values())}",
        says=says,
        heads=HEADS,
        questions=[(address, about(question)) for address, question in questions.items()],
        figures=[(figure, *inline(figure.path)) for figure in figures],
        notes=notes,
        sheets=sheets,
        versions=versions(),
    )
    write_text(path, content)


def networks_by_data(questions: Iterable[Gathered]) -> str:
    """What several questions are about: `conv2, conv4 on cifar10; lenet_300_100 on mnist`."""
    found: dict[str, dict[str, None]] = {}
    for question in questions:
        found.setdefault(str(question.rows[0]["data"]), {})[str(question.rows[0]["model"])] = None
    return "; ".join(f"{', '.join(models)} on {data}" for data, models in found.items())


def about(question: Gathered) -> list[str]:
    """The row of a question in the table, a text for each of HEADS."""
    rows = question.rows
    levels = densities(rows)
    return [
        f"{rows[0]['model']} on {rows[0]['data']}",
        " and ".join(dict.fromkeys(row["schedule"] for row in rows)),
        f"{max(row['iterations'] or 0 for row in rows):,}",
        str(len({row["seed"] for row in rows})),
        str(len(levels)),
        percent(min(levels.values())),
        ", ".join(dict.fromkeys(row["setting"] for row in rows)),
    ]
