"""summary.csv: a row for each setting, level and arm, with means, failures and the verdict on the ticket."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from lth.compression.tables import SEARCH
from lth.core.tables import Column, Row, Table
from lth.report.compared import (
    WHERE,
    all_metric_columns,
    bracket,
    compared_column,
    digits,
    measures_in,
    metric_columns,
    metric_in,
    when,
)
from lth.report.criteria import Criteria
from lth.report.early_stop import means
from lth.report.export import ABOUT, BARS, BOUNDS, PLACE, SETTING, bounds_of, interval_columns, span
from lth.report.failures import Failures, failures
from lth.report.sheet import Cell, Sheet
from lth.report.statistics import STOP, arms_of, densities, mean, percent
from lth.report.tables import TASK_COLUMNS
from lth.report.verdict import Verdict, shortened, verdicts, worded
from lth.tasks.metrics import ACCURACY, measures_of

MEANING = {"t": "mean [95% t interval] over seeds", "minmax": "mean [lowest, highest] over seeds"}
AVERAGED = {
    "early_stop_test_accuracy": ("0..1", "of the test accuracy at the early stop"),
    "final_test_accuracy": ("0..1", "of the test accuracy at the end of training"),
    STOP: ("iterations", "of the early-stop iteration; with a censored seed the mean is a lower bound"),
}
FAILURES = (
    Column("diverged", int, "", "trainings that diverged; they are in no mean", at_least=0),
    Column("trainings", int, "", "distinct trainings, draws included", at_least=0),
    Column("failed", int, "", "how many of these diverged, or ended no better than predicting one class", at_least=0),
    Column("failure_rate_low", float, "0..1", "lower bound of the exact 95% interval of the failure rate"),
    Column("failure_rate_high", float, "0..1", "upper bound of the exact 95% interval of the failure rate"),
)
VERDICT = (
    Column(
        "margin",
        float,
        "points",
        "a matching ticket is at most so much worse than dense; percent of dense where the metric is no share",
        at_least=0,
    ),
    Column("slower", float, "", "a fast ticket stops before so many times the dense network's early stop", at_least=0),
    Column("against_dense", str, "", "the ticket's test metric: better, equivalent, no worse, worse or undecided"),
    Column("matching", str, "", "whether the ticket matches the dense network: yes, no or undecided"),
    Column("verdict", str, "", "winning, not winning or undecided"),
    Column("why", str, "", "the conditions that decide against it, or leave it undecided"),
    Column("p_matching", float, "0..1", "two-sided p of the matching ticket"),
    Column("p_matching_adjusted", float, "0..1", "the same, adjusted over all levels (Holm)"),
    Column("p_winning", float, "0..1", "two-sided p of the winning ticket, the largest of its conditions'"),
    Column("p_winning_adjusted", float, "0..1", "the same, adjusted over the levels with every control (Holm)"),
)
SUMMARY_TABLE = Table(
    "summary",
    (
        *SETTING,
        *PLACE,
        Column("parameter_density", float, "0..1", "nonzero parameters / all parameters of the network"),
        Column("arm", str, "", "what was trained: the ticket or a control"),
        Column("bars", str, "", "what intervals are: `t` (95% t) or `minmax` (lowest to highest)"),
        Column("n", int, "", "distinct trainings with a test metric: seeds that share one count once", at_least=0),
        *FAILURES,
        *interval_columns(AVERAGED),
        Column(f"{STOP}_censored", int, "", "seeds whose early stop is censored", at_least=0),
        *VERDICT,
        *(replace(column, kind=float) for column in SEARCH.columns),
    ),
    key=("setting", "level", "arm"),
    meaning="A row for each setting, level and arm: means and intervals over seeds, and the verdict on the ticket.",
)
SUMMARY = SUMMARY_TABLE.names
LOST = "*: some trainings failed; summary.csv has the failure rates. Those that diverged are in no mean."
"""What a terminal says of the stars in the column n."""
Searches = Mapping[tuple[str, int], Sequence[Row]]
"""(setting, level) -> what the search of the ticket took, a row with the columns SEARCH a seed."""
WORDS = {True: "yes", False: "no", None: "undecided"}


def summary_table(rows: Iterable[Row]) -> Table:
    """The table of `summary_rows`, with the columns of the tasks in them that are no plain classification."""
    metrics = {metric.name: metric for row in rows for metric in measures_of(row).metrics}
    names = dict.fromkeys(name for row in rows for name in row)
    averaged = {
        f"{place}_{metric.name}": (metric.unit, f"of the test {metric.words} {WHERE[place]}")
        for metric in metrics.values()
        for place in WHERE
        if f"{place}_{metric.name}_mean" in names and f"{place}_{metric.name}" not in AVERAGED
    }
    task = [column for column in TASK_COLUMNS if column.name in names]
    return SUMMARY_TABLE.plus(*task, *interval_columns(averaged))


def summary_rows(
    rows: Sequence[Row], bars: str = "t", searches: Searches | None = None, criteria: Criteria | None = None
) -> list[Row]:
    """A row for each level and arm of one setting, with the columns of SUMMARY.

    `early_stop_iteration_censored`: seeds whose early stop is censored, and with any the mean is a lower bound without
    an interval. The verdict is that on the ticket, by `criteria`; so is what it took to find, means over the seeds that
    `searches` knows of.
    """
    about: Row = {column: rows[0].get(column) for column in ABOUT}
    about |= measures_in(rows).cells()
    judged, density = verdicts(rows, criteria), densities(rows)
    compared, columns = compared_column(rows), [*all_metric_columns(rows), STOP]
    measured = [f"{column}_{bound}" for column in columns for bound in BOUNDS]
    summary = []
    for arm in arms_of(rows):
        values = {column: means(rows, arm, column, BARS[bars]) for column in columns}
        for level in sorted({row["level"] for row in rows if row["arm"] == arm}):
            here = [row for row in rows if (row["arm"], row["level"]) == (arm, level)]
            row = {**about, "level": level, "density": density[level], "arm": arm, "bars": bars, **_trainings(here)}
            intervals = {column: by_level[level][1] for column, by_level in values.items() if level in by_level}
            row |= {f"{column}_{key}": value for column, x in intervals.items() for key, value in bounds_of(x).items()}
            row |= {"n": intervals[compared].n if compared in intervals else 0}
            row |= {f"{STOP}_censored": intervals[STOP].censored if STOP in intervals else None}
            if arm == "ticket" and level in judged:
                row |= _judged(judged[level])
            taken = (searches or {}).get((about["setting"], level), []) if arm == "ticket" else []
            row |= {key: mean(search[key] for search in taken) for key in SEARCH}
            summary.append(dict.fromkeys([*SUMMARY, *measured]) | row)
    return sorted(summary, key=lambda row: row["level"])  # stable: arms stay in order


def _trainings(rows: Sequence[Row]) -> Row:
    """How many trainings of an arm at a level there are, and how many failed."""
    lost = failures(rows)
    low, high = lost.interval()
    return {
        "parameter_density": mean(row.get("parameter_density") for row in rows),
        "diverged": sum(row["status"] == "diverged" for row in rows),
        "trainings": lost.n,
        "failed": lost.failed,
        "failure_rate_low": low,
        "failure_rate_high": high,
    }


def _judged(verdict: Verdict) -> Row:
    return {
        "margin": verdict.criteria.margin,
        "slower": verdict.criteria.slower,
        "against_dense": verdict.answer,
        "matching": WORDS[verdict.matching],
        "verdict": verdict.decision,
        "why": verdict.why,
        "p_matching": verdict.p_matching,
        "p_matching_adjusted": verdict.p_matching_adjusted,
        "p_winning": verdict.p,
        "p_winning_adjusted": verdict.p_adjusted,
    }


def summary_sheet(title: str, rows: Sequence[Row]) -> Sheet:
    """`summary_rows` of one setting for people: percent; an early stop that is a lower bound has ≥ and no interval."""
    density = Cell("density (%)", short="left (%)")
    metric, columns = metric_in(rows), metric_columns(rows)
    places = [f"{when(column)}{bracket(metric)}" for column in columns]
    if metric != ACCURACY:
        title += f": {metric.words}"
    heads = ["level", density, "arm", "n", *places, "early stop", "verdict"]
    cells = []
    for row in rows:
        accuracies = [
            span(row, f"{column}_", metric.factor, digits(metric, row[f"{column}_mean"])) for column in columns
        ]
        stop = ("≥ " if row[f"{STOP}_censored"] else "") + span(row, f"{STOP}_", 1, 0)
        cells.append(
            [str(row["level"]), percent(row["density"]), row["arm"], _count(row), *accuracies, stop, _verdict(row)]
        )
    bound = "; ≥: a lower bound, as early stops are censored" if any(row[f"{STOP}_censored"] for row in rows) else ""
    late = all(row[f"{columns[0]}_mean"] is None for row in rows)
    narrow = ("level", "density (%)", "arm", "n", places[late], "verdict")
    return Sheet(f"{title}: {MEANING[rows[0]['bars']]}{bound}", heads, cells, narrow=narrow, texts=("arm", "verdict"))


def _count(row: Row) -> str:
    """The number of distinct trainings, and how many failed; a terminal shows a star for those (LOST)."""
    if not row["failed"]:
        return f"{row['n']}"
    return Cell(f"{row['n']} ({Failures(row['failed'], row['trainings'])})", short=f"{row['n']}*")


def _verdict(row: Row) -> str:
    """The verdict with its reasons; a terminal shows the verdict alone."""
    if not row["verdict"]:
        return ""
    matching = row["matching"] == WORDS[True]
    criteria = Criteria(row["margin"], row["slower"]).of(metric_in([row]).is_share)
    words = worded(matching, row["verdict"], criteria, row["why"] or "")
    return Cell(words, short=shortened(matching, row["verdict"]))
