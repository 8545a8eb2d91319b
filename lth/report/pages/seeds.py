"""The page of a sweep: what several seeds show together, in one HTML file that opens offline, the answer first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lth.core.files import write_text
from lth.core.tables import Row
from lth.report.export import Sheet
from lth.report.figures.captions import about_seeds, meanings, seeds_in
from lth.report.figures.drawing import Drawn
from lth.report.intervals import Interval, Summarize, over_seeds, t_interval
from lth.report.pages.replicate import NONE, facts, inline, render, versions
from lth.report.papers.lines import Line, lines_of
from lth.report.statistics import STOP, accuracy_column, arms_of, densities, percent

Cell = tuple[str, str]
"""The mean as text, and a note: the interval, and n where it is another than usual."""


def write_sweep_page(
    path: Path,
    says: Sequence[str],
    rows: Sequence[Row],
    figures: Sequence[Drawn],
    *,
    verdicts: Mapping[int, str] | None = None,
    sheets: Sequence[Sheet] = (),
    asked: Mapping[str, str] | None = None,
    bars: Summarize = t_interval,
) -> None:
    """Writes the page of one setting's seeds as the file `path`; it needs no other file and asks the network nothing.

    says: the answer, a sentence each; rows: of one setting, or of an iterative one and its one-shot counterpart;
    figures: what was drawn, the main one first; verdicts: level -> what is decided there; sheets: further tables, as
    the differences; asked: facts beyond those that the rows tell, as the command; bars: the intervals of the table.
    """
    lines = all_lines(rows)
    column = accuracy_column(rows)
    early = column.startswith("early_stop")
    columns = [column, STOP] if early else [column]
    content = render(
        "seeds.html.jinja",
        first=rows[0],
        seeds=counted(len({row["seed"] for row in rows}), "seed"),
        says=says,
        figures=[(figure, *inline(figure.path)) for figure in figures],
        groups=["Test accuracy at early stop (%)", "Early-stop iteration"] if early else ["Final test accuracy (%)"],
        lines=lines,
        levels=level_rows(rows, lines, columns, bars),
        verdicts={level: (verdicts or {}).get(level, "") for level in densities(rows)} if verdicts else {},
        spread=f"{about_seeds(rows, bars).replace('error bars', 'below them')}{about_usual(rows)}",
        early=early,
        censored=any(row["early_stop_censored"] for row in rows),
        meanings=meanings(lines),
        sheets=sheets,
        facts=sweep_facts(rows) | dict(asked or {}),
        versions=versions(),
    )
    write_text(path, content)


def counted(count: int, word: str) -> str:
    """`1 seed`, `5 seeds`."""
    return f"{count} {word}" + ("" if count == 1 else "s")


def all_lines(rows: Sequence[Row]) -> list[Line]:
    """A line for every arm of every schedule in `rows`: the columns of the table."""
    once = [row for row in rows if row["schedule"] == "one_shot"]
    return lines_of(rows, arms_of([row for row in rows if row["schedule"] != "one_shot"]), arms_of(once))


def usual_count(rows: Sequence[Row]) -> int:
    """The number of seeds that most arms at most levels have."""
    seeds: dict[tuple[str, str, int], set[int]] = {}
    for row in rows:
        seeds.setdefault((row["schedule"], row["arm"], row["level"]), set()).add(row["seed"])
    [(count, _)] = Counter(len(found) for found in seeds.values()).most_common(1)
    return count


def about_usual(rows: Sequence[Row]) -> str:
    """What is said of n where it is not the same everywhere."""
    return "" if " to " not in seeds_in(rows) else f"n = {usual_count(rows)} where a cell says nothing else. "


def level_rows(
    rows: Sequence[Row], lines: Sequence[Line], columns: Sequence[str], bars: Summarize
) -> list[dict[str, Any]]:
    """The rows of the table: level, density and, for each of `columns`, a cell a line."""
    usual = usual_count(rows)
    groups = [(column, [over_seeds(line.rows, line.arm, column, bars) for line in lines]) for column in columns]
    return [
        {
            "level": level,
            "density": percent(density),
            "groups": [
                [cell(by_level.get(level, (density, None))[1], column, usual) for by_level in found]
                for column, found in groups
            ],
        }
        for level, density in sorted(densities(rows).items())
    ]


def cell(seen: Interval | None, column: str, usual: int) -> Cell:
    """The text of one cell; accuracies in percent, a lower bound after ≥."""
    if seen is None:
        return NONE, ""
    stops = column == STOP

    def text(value: float) -> str:
        return f"{value:,.0f}" if stops else f"{100 * value:.2f}"

    notes = [] if seen.low is None or seen.high is None else [f"{text(seen.low)} to {text(seen.high)}"]
    if seen.n != usual:
        notes.append(f"n = {seen.n}")
    return ("≥ " if seen.censored else "") + text(seen.mean), ", ".join(notes)


def sweep_facts(rows: Sequence[Row]) -> dict[str, str]:
    """What was asked, as far as the rows tell."""
    dense = [row for row in rows if row["level"] == 0] or list(rows)
    told = facts([*dense[:1], *rows], {})
    told.pop("seed")
    draws = 1 + max(row["draw"] for row in rows)
    seeds = ", ".join(str(seed) for seed in sorted({row["seed"] for row in rows}))
    settings = dict.fromkeys(f"{row['setting']} ({row['schedule']})" for row in rows)
    return told | {
        "seeds": seeds + (f"; up to {draws} draws of each random control" if draws > 1 else ""),
        "setting": ", ".join(settings),
    }
