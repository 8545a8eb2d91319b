"""The tables of a report, as CSV with plain numbers for programs, and as Markdown and LaTeX for people.

In the CSV accuracies and densities are 0..1, as in results.csv; in the other two they are percent. Differences are in
points of accuracy, or ratios of early-stop iterations, in all three. Arms have the names of the configuration.

Where an early stop is censored (it lies in the last 5% of training, so that the minimum may come later), what is made
of it is a bound and no estimate: its mean stands after ≥ or ≤, and there is no interval. In the CSV `low` and `high`
are then empty, and a column says so: `early_stop_iteration_censored` counts such seeds, and `bound` of a ratio is
`lower` (the ticket's early stop is censored), `upper` (dense's is) or `neither` (both are: nothing is known).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lth.compression.tables import SEARCH
from lth.core.files import write_csv, write_text
from lth.core.tables import Column, Row, Table
from lth.report.intervals import (
    Interval,
    Summarize,
    against_dense,
    censored_pairs,
    log_ratio_to_dense,
    min_max,
    over_seeds,
    paired,
    t_interval,
)
from lth.report.sheet import DASH, MINUS, Cell, Sheet, latex, markdown
from lth.report.statistics import STOP, accuracy_column, arms_of, densities, mean, percent
from lth.report.verdict import verdicts, worded

BARS: dict[str, Summarize] = {"t": t_interval, "minmax": min_max}
"""What the intervals of a summary are; differences and verdicts always take 95% t intervals."""
MEANING = {"t": "mean [95% t interval] over seeds", "minmax": "mean [lowest, highest] over seeds"}

SETTING = (
    Column("experiment", str, "", "the experiment"),
    Column("data", str, "", "the data set"),
    Column("model", str, "", "the network"),
    Column("schedule", str, "", "how the masks come about"),
    Column("setting", str, "", "the setting that the rows are averaged within"),
)
PLACE = (
    Column("level", int, "", "how often the network was pruned; 0 is dense"),
    Column("density", float, "0..1", "kept / prunable weights"),
)
ABOUT = [column.name for column in SETTING]
BOUNDS = ("mean", "low", "high")
MEANINGS = {"mean": "mean over seeds", "low": "lower bound of the interval", "high": "upper bound of the interval"}
ACCURACIES = ("early_stop_test_accuracy", "final_test_accuracy")
AVERAGED = {
    "early_stop_test_accuracy": ("0..1", "of the test accuracy at the early stop"),
    "final_test_accuracy": ("0..1", "of the test accuracy at the end of training"),
    STOP: ("iterations", "of the early-stop iteration; with a censored seed the mean is a lower bound"),
}
SUMMARY_TABLE = Table(
    "summary",
    (
        *SETTING,
        *PLACE,
        Column("arm", str, "", "what was trained: the ticket or a control"),
        Column("bars", str, "", "what intervals are: `t` (95% t) or `minmax` (lowest to highest)"),
        Column("n", int, "", "seeds with an accuracy"),
        Column("diverged", int, "", "trainings that diverged; they are left out"),
        *(
            Column(f"{name}_{bound}", float, unit, f"{meaning} {what}")
            for name, (unit, what) in AVERAGED.items()
            for bound, meaning in MEANINGS.items()
        ),
        Column(f"{STOP}_censored", int, "", "seeds whose early stop is censored"),
        Column("matching", str, "", "whether the ticket matches the dense network: yes, no or undecided"),
        Column("verdict", str, "", "winning, not winning or undecided"),
        Column("why", str, "", "the conditions that decide against it, or leave it undecided"),
        *(replace(column, kind=float) for column in SEARCH.columns),
    ),
    key=("setting", "level", "arm"),
    meaning="A row for each setting, level and arm: means and intervals over seeds, and the verdict on the ticket.",
)
SUMMARY = SUMMARY_TABLE.names
DIFFERENCES_TABLE = Table(
    "differences",
    (
        *SETTING,
        *PLACE,
        Column("first", str, "", "the arm that is compared: the ticket"),
        Column("second", str, "", "what it is compared with: dense, or a control"),
        Column("column", str, "", "the column of results.csv that is compared"),
        Column("unit", str, "", "`points` of accuracy (first - second), or `ratio` (first / second)"),
        Column("n", int, "", "seeds that have both"),
        Column("mean", float, "as in unit", "mean of the differences within a seed"),
        Column("low", float, "as in unit", "lower bound of its 95% t interval"),
        Column("high", float, "as in unit", "upper bound of its 95% t interval"),
        Column("censored", int, "", "of a ratio: seeds where one of the two early stops is censored"),
        Column("bound", str, "", "of a ratio with censored stops: it is a `lower` or `upper` bound, or `neither`"),
    ),
    key=("setting", "level", "second", "column"),
    meaning="A row for each setting, level and pair of arms: differences paired by seed.",
)
DIFFERENCES = DIFFERENCES_TABLE.names
LOST = "*: some trainings diverged and are left out; summary.csv counts them."
"""What a terminal says of the stars in the column n."""
MARKS = {"lower": "≥ ", "upper": "≤ "}
Searches = Mapping[tuple[str, int], Sequence[Row]]
"""(setting, level) -> what the search of the ticket took, a row with the columns SEARCH a seed."""
WORDS = {True: "yes", False: "no", None: "undecided"}


def summary_rows(rows: Sequence[Row], bars: str = "t", searches: Searches | None = None) -> list[Row]:
    """A row for each level and arm of one setting, with the columns of SUMMARY.

    n: seeds with an accuracy; diverged: trainings left out; `early_stop_iteration_censored`: seeds whose early stop is
    censored, and with any the mean is a lower bound without an interval; matching, verdict and why: of the ticket, as
    what it took to find, means over the seeds that `searches` knows of.
    """
    about = {column: rows[0][column] for column in ABOUT}
    judged, density = verdicts(rows), densities(rows)
    found = []
    for arm in arms_of(rows):
        values = {column: over_seeds(rows, arm, column, BARS[bars]) for column in (*ACCURACIES, STOP)}
        for level in sorted({row["level"] for row in rows if row["arm"] == arm}):
            lost = [row for row in rows if (row["arm"], row["level"], row["status"]) == (arm, level, "diverged")]
            row = {**about, "level": level, "density": density[level], "arm": arm, "bars": bars, "diverged": len(lost)}
            intervals = {column: by_level[level][1] for column, by_level in values.items() if level in by_level}
            row |= {f"{column}_{key}": value for column, x in intervals.items() for key, value in _bounds(x).items()}
            row |= {"n": intervals[accuracy_column(rows)].n if accuracy_column(rows) in intervals else 0}
            row |= {f"{STOP}_censored": intervals[STOP].censored if STOP in intervals else None}
            if arm == "ticket" and level in judged:
                verdict = judged[level]
                row |= {"matching": WORDS[verdict.matching], "verdict": verdict.decision, "why": verdict.why}
            taken = (searches or {}).get((about["setting"], level), []) if arm == "ticket" else []
            row |= {key: mean(found[key] for found in taken) for key in SEARCH}
            found.append(dict.fromkeys(SUMMARY) | row)
    return sorted(found, key=lambda row: row["level"])  # stable: arms stay in order


def difference_rows(rows: Sequence[Row]) -> list[Row]:
    """A row for each level and pair of arms of one setting, with the columns of DIFFERENCES; 95% t intervals by seed.

    The ticket less dense and less each control, in points of test accuracy; the ticket's early stop over dense's, as a
    ratio, with the number of seeds where one of the two is censored, and which bound the ratio then is.
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
        late = {"n": interval.n, "censored": len(ticket | dense), "bound": _bound(ticket, dense)}
        bounded = replace(interval, low=None, high=None) if late["bound"] else interval
        found.append(place | late | _bounds(bounded.map(math.exp)))
    found = [dict.fromkeys(DIFFERENCES) | about | {"first": "ticket"} | row for row in found]
    return sorted(found, key=lambda row: row["level"])


def summary_sheet(title: str, rows: Sequence[Row]) -> Sheet:
    """`summary_rows` of one setting for people: percent; an early stop that is a lower bound has ≥ and no interval."""
    density = Cell("density (%)", short="left (%)")
    heads = ["level", density, "arm", "n", "at early stop (%)", "at the end (%)", "early stop", "verdict"]
    cells = []
    for row in rows:
        accuracies = [_span(row, f"{column}_", 100, 2) for column in ACCURACIES]
        stop = ("≥ " if row[f"{STOP}_censored"] else "") + _span(row, f"{STOP}_", 1, 0)
        cells.append(
            [str(row["level"]), percent(row["density"]), row["arm"], _count(row), *accuracies, stop, _verdict(row)]
        )
    bound = "; ≥: a lower bound, as early stops are censored" if any(row[f"{STOP}_censored"] for row in rows) else ""
    narrow = ("level", "density (%)", "arm", "n", "at early stop (%)", "verdict")
    if all(row["early_stop_test_accuracy_mean"] is None for row in rows):
        narrow = ("level", "density (%)", "arm", "n", "at the end (%)", "verdict")
    return Sheet(f"{title}: {MEANING[rows[0]['bars']]}{bound}", heads, cells, narrow=narrow, texts=("arm", "verdict"))


def difference_sheet(title: str, rows: Sequence[Row]) -> Sheet:
    """`difference_rows` of one setting for people."""
    names = {**dict(zip(ACCURACIES, ("at early stop", "at the end"), strict=True)), STOP: "early stop"}
    cells = []
    for row in rows:
        pair = f"{row['first']} {'/' if row['unit'] == 'ratio' else MINUS} {row['second']}"
        place = [str(row["level"]), percent(row["density"]), pair, f"{names[row['column']]} ({row['unit']})"]
        cells.append([*place, str(row["n"]), _difference(row)])
    heads = ["level", "density (%)", "pair", "of", "n", "mean [95% t interval]"]
    bounds = "; ≥ and ≤: bounds, as early stops are censored" if any(row["bound"] for row in rows) else ""
    return Sheet(f"{title}: differences by seed{bounds}", heads, cells)


def write_tables(folder: Path, name: str, columns: Sequence[str], rows: Sequence[Row], sheets: Sequence[Sheet]) -> None:
    """Writes the table `name` into `folder` as CSV, Markdown and LaTeX."""
    write_csv(folder / f"{name}.csv", columns, rows)
    write_text(folder / f"{name}.md", markdown(sheets))
    write_text(folder / f"{name}.tex", latex(sheets))


def _bounds(interval: Interval) -> dict[str, float | None]:
    return dict(zip(BOUNDS, (interval.mean, interval.low, interval.high), strict=True))


def _count(row: Row) -> str:
    """The number of seeds, and of trainings that diverged; a terminal shows a star for those (LOST)."""
    return Cell(f"{row['n']} ({row['diverged']} diverged)", short=f"{row['n']}*") if row["diverged"] else f"{row['n']}"


def _verdict(row: Row) -> str:
    """The verdict with its reasons; a terminal shows the verdict alone."""
    if not row["verdict"]:
        return ""
    words = worded(row["matching"] == WORDS[True], row["verdict"], row["why"] or "")
    return Cell(words, short=words.split(":")[0])


def _bound(ticket: Collection[int], dense: Collection[int]) -> str | None:
    """What the ratio of early stops is where seeds of `ticket` or `dense` are censored."""
    return "neither" if ticket and dense else "lower" if ticket else "upper" if dense else None


def _difference(row: Row) -> str:
    """Mean and interval of a difference; of a bound the mean alone, and of what is not even a bound nothing."""
    note = f" ({row['censored']} censored)" if row["censored"] else ""
    if row["bound"] == "neither":
        return DASH + note
    return MARKS.get(row["bound"], "") + _span(row, "", 1, 2, signed=row["unit"] == "points") + note


def _span(row: Mapping[str, float | None], prefix: str, factor: float, digits: int, signed: bool = False) -> str:
    """Mean and bounds as text, `factor` times what is in `row`; a dash where nothing was measured."""
    mean, low, high = (row[f"{prefix}{bound}"] for bound in BOUNDS)

    def text(value: float) -> str:
        return f"{factor * value:{'+' if signed else ''},.{digits}f}".replace("-", MINUS)

    if mean is None:
        return DASH
    return text(mean) if low is None or high is None else f"{text(mean)} [{text(low)}, {text(high)}]"
