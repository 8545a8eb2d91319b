"""differences.csv: a row for each setting, level and pair of arms, with the difference, its interval and its p."""

import math
from collections.abc import Collection, Iterable, Sequence

from lth.core.tables import Column, Row, Table
from lth.report.compared import (
    advantage,
    digits,
    in_units,
    margin_in,
    measures_in,
    metric_columns,
    metric_in,
    shown,
    when,
)
from lth.report.conditions import compared
from lth.report.criteria import Criteria
from lth.report.early_stop import censored_pairs, log_ratio_to_dense
from lth.report.export import ABOUT, PLACE, SETTING, bounds_of, span
from lth.report.failures import failures
from lth.report.holm import holm
from lth.report.intervals import DENSE, Interval, intervals_of, less_dense, pairs_of
from lth.report.sheet import DASH, MINUS, Sheet
from lth.report.statistics import STOP, arms_of, percent
from lth.report.tables import TASK_COLUMNS
from lth.report.units import Unit, mcnemar, units_of

DIFFERENCES_TABLE = Table(
    "differences",
    (
        *SETTING,
        *PLACE,
        Column("first", str, "", "the arm that is compared: the ticket"),
        Column("second", str, "", "what it is compared with: dense, or a control"),
        Column("column", str, "", "the column of results.csv that is compared"),
        Column("unit", str, "", "`points` of a share, or the metric's (first - second), or `ratio` (first / second)"),
        Column(
            "n", int, "", "distinct pairs: seeds that have both; those that share a training count once", at_least=0
        ),
        Column("mean", float, "as in unit", "mean of the differences within a seed"),
        Column("low", float, "as in unit", "lower bound of its 95% interval"),
        Column("high", float, "as in unit", "upper bound of its 95% interval"),
        Column(
            "test_error",
            float,
            "as in unit",
            "the standard error that the test set leaves in the mean; the interval"
            " reaches at least 1.96 times as far on each side",
        ),
        Column("answer", str, "", "of metrics: better, equivalent, no worse or worse by the margin, or undecided"),
        Column("margin", float, "as in unit", "the margin of these answers"),
        Column(
            "p",
            float,
            "0..1",
            "two-sided p of no difference; of one pair that of McNemar's exact test, which is"
            " about these two networks alone",
        ),
        Column("p_adjusted", float, "0..1", "the same, adjusted over the levels (Holm)"),
        Column(
            "first_failed",
            int,
            "",
            "trainings of the first arm that failed; those that diverged are in no pair",
            at_least=0,
        ),
        Column("second_failed", int, "", "trainings of the second arm that failed", at_least=0),
        Column("censored", int, "", "of a ratio: seeds where one of the two early stops is censored", at_least=0),
        Column("bound", str, "", "of a ratio with censored stops: it is a `lower` or `upper` bound, or `neither`"),
    ),
    key=("setting", "level", "second", "column"),
    meaning="A row for each setting, level and pair of arms: differences paired by seed.",
)
DIFFERENCES = DIFFERENCES_TABLE.names


def differences_table(rows: Iterable[Row]) -> Table:
    """The table of `difference_rows`, with the columns of the tasks in them that are no plain classification."""
    names = {name for row in rows for name in row}
    return DIFFERENCES_TABLE.plus(*(column for column in TASK_COLUMNS if column.name in names))


MARKS = {"lower": "≥ ", "upper": "≤ "}


def difference_rows(rows: Sequence[Row], criteria: Criteria | None = None) -> list[Row]:
    """A row for each level and pair of arms of one setting, with the columns of DIFFERENCES; 95% intervals by seed.

    The ticket less dense and less each control in the test metric, accuracy in points; the ticket's early stop over
    dense's, as a ratio, with the number of seeds where one of the two is censored, and which bound the ratio then is.
    """
    about = {column: rows[0][column] for column in ABOUT} | measures_in(rows).cells()
    table: list[Row] = []
    for second in ("dense", *(arm for arm in arms_of(rows) if arm != "ticket")):
        for column in metric_columns(rows):
            table += _adjusted(_metrics(rows, second, column, criteria or Criteria()))
    table += _adjusted(_stops(rows))
    table.sort(key=lambda row: row["level"])  # stable: pairs stay in order
    return [dict.fromkeys(DIFFERENCES) | about | {"first": "ticket"} | row for row in table]


def _metrics(rows: Sequence[Row], second: str, column: str, criteria: Criteria) -> list[Row]:
    """The ticket's metric less that of `second`, at each level that a seed has both at."""
    metric, margin = metric_in(rows), margin_in(rows, criteria.margin)
    if second == "dense":
        tickets = units_of(rows, "ticket", column)
        units = less_dense(tickets, tickets)
    else:
        units = pairs_of(rows, "ticket", second, column)
    table = []
    for level, (density, interval) in intervals_of(rows, units).items():
        points = shown(metric, interval)
        unit = metric.difference_unit
        place = {"level": level, "density": density, "second": second, "column": column, "unit": unit}
        measures = {"n": points.n, **bounds_of(points), "test_error": points.floor or None}
        answers = {"answer": compared(advantage(metric, interval), margin), "margin": margin}
        p = {"p": _p(points, units[level])}
        table.append(place | measures | answers | p | _failed(rows, level, second))
    return table


def _stops(rows: Sequence[Row]) -> list[Row]:
    """The ticket's early stop over that of dense, at each level that a seed has both at."""
    table = []
    for level, (density, interval) in log_ratio_to_dense(rows, "ticket").items():
        ticket, dense = censored_pairs(rows, level)
        place = {"level": level, "density": density, "second": "dense", "column": STOP, "unit": "ratio"}
        measures = {"n": interval.n, **bounds_of(interval.map(math.exp)), "p": _p(interval, ())}
        late = {"censored": len(ticket | dense), "bound": _bound(ticket, dense)}
        table.append(place | measures | late | _failed(rows, level, "dense"))
    return table


def _p(interval: Interval, units: Sequence[Unit]) -> float | None:
    """The two-sided p of no difference; of one pair McNemar's, where its correct examples are known; else None."""
    if interval.n > 1 and interval.low is None and interval.high is None:
        return None
    if interval.n > 1:
        return interval.p_zero
    return mcnemar(units[0]) if units else None


def _failed(rows: Sequence[Row], level: int, second: str) -> Row:
    """How many trainings of each side failed."""
    places = {"first": (level, "ticket"), "second": (DENSE, "ticket") if second == "dense" else (level, second)}
    return {
        f"{side}_failed": failures(row for row in rows if (row["level"], row["arm"]) == place).failed
        for side, place in places.items()
    }


def _adjusted(rows: Sequence[Row]) -> list[Row]:
    """`rows` of one comparison with p adjusted over their levels."""
    known = [row for row in rows if row["p"] is not None]
    adjusted = dict(zip((row["level"] for row in known), holm([row["p"] for row in known]), strict=True))
    return [row | {"p_adjusted": adjusted.get(row["level"])} for row in rows]


def _bound(ticket: Collection[int], dense: Collection[int]) -> str | None:
    """What the ratio of early stops is where seeds of `ticket` or `dense` are censored."""
    return "neither" if ticket and dense else "lower" if ticket else "upper" if dense else None


def difference_sheet(title: str, rows: Sequence[Row]) -> Sheet:
    """`difference_rows` of one setting for people."""
    metric, cells = metric_in(rows), []
    for row in rows:
        is_ratio = row["column"] == STOP
        pair = f"{row['first']} {'/' if is_ratio else MINUS} {row['second']}"
        what = f"early stop ({row['unit']})" if is_ratio else f"{when(row['column'])} ({in_units(metric)})"
        place = [str(row["level"]), percent(row["density"]), pair, what]
        answer = "" if row["answer"] in (None, "undecided") else row["answer"]
        cells.append([*place, str(row["n"]), _difference(row), p_text(row["p"]), p_text(row["p_adjusted"]), answer])
    heads = ["level", "density (%)", "pair", "of", "n", "mean [95% interval]", "p", "p (Holm)", "answer"]
    bounds = "; ≥ and ≤: bounds, as early stops are censored" if any(row["bound"] for row in rows) else ""
    margin = next((f"; answers by a margin of {row['margin']:.4g} {row['unit']}" for row in rows if row["margin"]), "")
    return Sheet(f"{title}: differences by seed{bounds}{margin}", heads, cells, texts=("answer",))


def p_text(p: float | None) -> str:
    """A p-value as text: `0.031`, `< 0.001`; a dash where there is none."""
    return DASH if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _difference(row: Row) -> str:
    """Mean and interval of a difference; of a bound what bounds it, and of what is not even a bound nothing."""
    note = f" ({row['censored']} censored)" if row["censored"] else ""
    if row["bound"] == "neither":
        return DASH + note
    is_ratio, metric = row["column"] == STOP, metric_in([row])
    after = 2 if is_ratio else digits(metric, row["mean"])
    return MARKS.get(row["bound"], "") + span(row, "", 1, after, signed=not is_ratio) + note
