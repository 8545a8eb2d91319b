"""Methods of `lth at_init` side by side over several seeds: figures and a sentence for each clear comparison."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lth.report.effects import sentence
from lth.report.figures.replicate import Drawn
from lth.report.methods import by_method
from lth.report.papers.frankle2021 import draw_methods
from lth.report.seeds.gather import Gathered
from lth.report.seeds.intervals import Summarize
from lth.report.tables import Row

EXPERIMENT = "at_init"


def draw_across(folder: Path, gathered: Gathered, bars: Summarize) -> tuple[list[Drawn], list[str], list[str]]:
    """Figures across methods in `folder`, what they say, a sentence each, and what to note of what is left out.

    Methods belong together where data, network and length of training are the same. Nothing is averaged across
    settings: where a method has two of them, none is chosen.
    """
    drawn: list[Drawn] = []
    says, notes = [], []
    for number, rows in enumerate(comparisons(gathered), 1):
        if len(by_method(rows)) < 2:
            continue
        about = f"{rows[0]['data']}, {rows[0]['model']}, {rows[0]['iterations']:,} iterations"
        if problem := unclear(rows):
            notes.append(f"Methods on {about}, are not set side by side: {problem}.")
            continue
        place = folder if number == 1 else folder / f"methods_{number}"
        drawn += [replace(each, title=f"{each.title}: {about}") for each in draw_methods(place, rows, bars)]
        says.append(f"{about}: {sentence(rows)}")
    return drawn, says, notes


def comparisons(gathered: Gathered) -> list[list[Row]]:
    """The rows of each comparison: those of one data set, network and length of training."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in gathered.rows:
        if row["experiment"] == EXPERIMENT:
            found.setdefault((row["data"], row["model"], row["iterations"]), []).append(row)
    return list(found.values())


def unclear(rows: Sequence[Row]) -> str:
    """Why methods cannot be set side by side, in words; empty where they can."""
    for method, own in by_method(rows).items():
        settings = sorted({row["setting"] for row in own})
        if len(settings) > 1:
            return f"{method} has the settings {', '.join(settings)}; name one's folder"
    dense: dict[tuple[int, int], set[str]] = {}
    for row in rows:
        if row["level"] == 0:
            dense.setdefault((row["seed"], row["rewind"]), set()).add(row["run"])
    if any(len(runs) > 1 for runs in dense.values()):
        return "their dense networks are different trainings, so they have other recipes"
    return ""
