"""The tables of a report, as CSV with plain numbers for programs, and as Markdown and LaTeX for people.

In the CSV accuracies and densities are 0..1, as in results.csv; in the other two they are percent. Differences are in
points of accuracy, or ratios of early-stop iterations, in all three.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lth.core.files import write_csv, write_text
from lth.report.intervals import (
    STOP,
    Interval,
    Summarize,
    against_dense,
    censored_pairs,
    censored_seeds,
    log_ratio_to_dense,
    min_max,
    over_seeds,
    paired,
    t_interval,
)
from lth.report.statistics import accuracy_column, arms_of, densities
from lth.report.tables import Row
from lth.report.verdict import verdicts

BARS: dict[str, Summarize] = {"t": t_interval, "minmax": min_max}
"""What the intervals of a summary are; differences and verdicts always take 95% t intervals."""
MEANING = {"t": "mean [95% t interval] over seeds", "minmax": "mean [lowest, highest] over seeds"}

ABOUT = ["experiment", "data", "model", "schedule", "setting"]
BOUNDS = ("mean", "low", "high")
ACCURACIES = ("early_stop_test_accuracy", "final_test_accuracy")
SUMMARY = [
    *[*ABOUT, "level", "density", "arm", "bars", "n", "diverged"],
    *(f"{column}_{bound}" for column in (*ACCURACIES, STOP) for bound in BOUNDS),
    *[f"{STOP}_censored", "matching", "verdict", "why"],
]
DIFFERENCES = [*ABOUT, "level", "density", "first", "second", "column", "unit", "n", *BOUNDS, "censored"]
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
WORDS = {True: "yes", False: "no", None: "undecided"}

LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"≥": r"$\geq$", MINUS: "$-$", DASH: "--", "<": r"$<$", ">": r"$>$"},
}


@dataclass(frozen=True)
class Sheet:
    """A table for people: its title, the heads of its columns, and the text of its cells."""

    title: str
    heads: Sequence[str]
    cells: Sequence[Sequence[str]]


def summary_rows(rows: Sequence[Row], bars: str = "t") -> list[Row]:
    """A row for each level and arm of one setting, with the columns of SUMMARY.

    n: seeds with an accuracy; diverged: trainings left out; `early_stop_iteration_censored`: seeds whose early stop is
    censored, and with any the mean is a lower bound; matching, verdict and why: of the ticket.
    """
    about = {column: rows[0][column] for column in ABOUT}
    censored, judged, density = censored_seeds(rows), verdicts(rows), densities(rows)
    found = []
    for arm in arms_of(rows):
        values = {column: over_seeds(rows, arm, column, BARS[bars]) for column in (*ACCURACIES, STOP)}
        for level in sorted({row["level"] for row in rows if row["arm"] == arm}):
            lost = [row for row in rows if (row["arm"], row["level"], row["status"]) == (arm, level, "diverged")]
            row = {**about, "level": level, "density": density[level], "arm": arm, "bars": bars, "diverged": len(lost)}
            intervals = {column: by_level[level][1] for column, by_level in values.items() if level in by_level}
            row |= {f"{column}_{key}": value for column, x in intervals.items() for key, value in _bounds(x).items()}
            row |= {"n": intervals[accuracy_column(rows)].n if accuracy_column(rows) in intervals else 0}
            row |= {f"{STOP}_censored": censored.get((level, arm)) if STOP in intervals else None}
            if arm == "ticket" and level in judged:
                verdict = judged[level]
                row |= {"matching": WORDS[verdict.matching], "verdict": verdict.decision, "why": verdict.why}
            found.append(dict.fromkeys(SUMMARY) | row)
    return sorted(found, key=lambda row: row["level"])  # stable: arms stay in order


def difference_rows(rows: Sequence[Row]) -> list[Row]:
    """A row for each level and pair of arms of one setting, with the columns of DIFFERENCES; 95% t intervals by seed.

    The ticket less dense and less each control, in points of test accuracy; the ticket's early stop over dense's, as a
    ratio, with the number of seeds where one of the two is censored.
    """
    about = {column: rows[0][column] for column in ABOUT}
    found = []
    for second in ("dense", *(arm for arm in arms_of(rows) if arm != "ticket")):
        for column in ACCURACIES:
            pair = (
                against_dense(rows, "ticket", column) if second == "dense" else paired(rows, "ticket", second, column)
            )
            for level, (density, interval) in pair.items():
                place = {"level": level, "density": density, "second": second, "column": column, "unit": "points"}
                found.append(place | {"n": interval.n} | _bounds(interval.map(lambda share: 100 * share)))
    for level, (density, interval) in log_ratio_to_dense(rows, "ticket").items():
        place = {"level": level, "density": density, "second": "dense", "column": STOP, "unit": "ratio"}
        ticket, dense = censored_pairs(rows, level)
        found.append(place | {"n": interval.n, "censored": len(ticket | dense)} | _bounds(interval.map(math.exp)))
    found = [dict.fromkeys(DIFFERENCES) | about | {"first": "ticket"} | row for row in found]
    return sorted(found, key=lambda row: row["level"])


def summary_sheet(title: str, rows: Sequence[Row]) -> Sheet:
    """`summary_rows` of one setting for people: percent, and ≥ before an early stop that is a lower bound."""
    heads = ["level", "density (%)", "arm", "n", "at early stop (%)", "at the end (%)", "early stop", "verdict"]
    cells = []
    for row in rows:
        accuracies = [_span(row, f"{column}_", 100, 2) for column in ACCURACIES]
        stop = ("≥ " if row[f"{STOP}_censored"] else "") + _span(row, f"{STOP}_", 1, 0)
        count = f"{row['n']}" + (f" ({row['diverged']} diverged)" if row["diverged"] else "")
        cells.append([str(row["level"]), _percent(row), row["arm"], count, *accuracies, stop, _verdict(row)])
    return Sheet(f"{title}: {MEANING[rows[0]['bars']]}", heads, cells)


def difference_sheet(title: str, rows: Sequence[Row]) -> Sheet:
    """`difference_rows` of one setting for people."""
    names = {**dict(zip(ACCURACIES, ("at early stop", "at the end"), strict=True)), STOP: "early stop"}
    cells = []
    for row in rows:
        pair = f"{row['first']} {'/' if row['unit'] == 'ratio' else MINUS} {row['second']}"
        note = f" ({row['censored']} censored)" if row["censored"] else ""
        place = [str(row["level"]), _percent(row), pair, f"{names[row['column']]} ({row['unit']})"]
        cells.append([*place, str(row["n"]), _span(row, "", 1, 2, signed=row["unit"] == "points") + note])
    heads = ["level", "density (%)", "pair", "of", "n", "mean [95% t interval]"]
    return Sheet(f"{title}: differences by seed", heads, cells)


def markdown(sheets: Iterable[Sheet]) -> str:
    """The sheets as Markdown tables under headings."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("\\", "\\\\").replace("|", r"\|") for cell in cells) + " |"

    parts = []
    for sheet in sheets:
        rule = "| " + " | ".join("---" for _ in sheet.heads) + " |"
        parts.append("\n".join([f"## {sheet.title}", "", line(sheet.heads), rule, *map(line, sheet.cells)]))
    return "\n\n".join(parts) + "\n"


def latex(sheets: Iterable[Sheet]) -> str:
    """The sheets as LaTeX tabulars, to be put into tables; they need the package booktabs."""

    def line(cells: Sequence[str]) -> str:
        return "  " + " & ".join(map(escape, cells)) + r" \\"

    parts = ["% needs \\usepackage{booktabs}"]
    for sheet in sheets:
        body = [r"  \toprule", line(sheet.heads), r"  \midrule", *map(line, sheet.cells), r"  \bottomrule"]
        begin = f"\\begin{{tabular}}{{{'l' * len(sheet.heads)}}}"
        parts.append("\n".join([f"% {sheet.title}", begin, *body, r"\end{tabular}"]))
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """`text` as LaTeX shows it."""
    return "".join(LATEX.get(character, character) for character in text)


def write_tables(folder: Path, name: str, columns: Sequence[str], rows: Sequence[Row], sheets: Sequence[Sheet]) -> None:
    """Writes the table `name` into `folder` as CSV, Markdown and LaTeX."""
    write_csv(folder / f"{name}.csv", columns, rows)
    write_text(folder / f"{name}.md", markdown(sheets))
    write_text(folder / f"{name}.tex", latex(sheets))


def _bounds(interval: Interval) -> dict[str, float | None]:
    return dict(zip(BOUNDS, (interval.mean, interval.low, interval.high), strict=True))


def _verdict(row: Row) -> str:
    """What is decided about the ticket, and why; a matching ticket that is not a winning one is called matching."""
    matching = "matching; " if row["matching"] == WORDS[True] and row["verdict"] != "winning" else ""
    return f"{matching}{row['verdict']}{': ' if row['why'] else ''}{row['why']}" if row["verdict"] else ""


def _percent(row: Row) -> str:
    return f"{100 * row['density']:.3g}"


def _span(row: Mapping[str, float | None], prefix: str, factor: float, digits: int, signed: bool = False) -> str:
    """Mean and bounds as text, `factor` times what is in `row`; a dash where nothing was measured."""
    mean, low, high = (row[f"{prefix}{bound}"] for bound in BOUNDS)

    def text(value: float) -> str:
        return f"{factor * value:{'+' if signed else ''},.{digits}f}".replace("-", MINUS)

    if mean is None:
        return DASH
    return text(mean) if low is None or high is None else f"{text(mean)} [{text(low)}, {text(high)}]"
