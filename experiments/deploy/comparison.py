"""The tickets of `lth deploy` over several seeds: a table of every form, figures, and two sentences."""

import math
from collections.abc import Iterable, Sequence

from lth.compression.tables import SEARCH
from lth.core.tables import Column, Row, Table
from lth.report.comparison import NARROW, Comparison, bounds, span
from lth.report.cost import times_faster
from lth.report.export import interval_columns
from lth.report.gather import Gathered
from lth.report.intervals import Interval, Summarize, t_interval
from lth.report.results import Results
from lth.report.sheet import DASH, Sheet
from lth.report.statistics import mean
from lth.report.units import Unit, distinct, shared_error

from .answer import best_forms
from .figures import SEED_FIGURES
from .jobs import Jobs, jobs_by_setting
from .sheets import ticket_cells

WHAT = {
    "test_accuracy": ("0..1", "of the test accuracy"),
    "test_accuracy_change": ("-1..1", "of its difference from the dense network's of the same seed"),
    "times_smaller": ("", "of how many times smaller than dense the file is"),
    "batch_1_speedup": ("", "of how many times faster than dense a batch of 1 is"),
    "batch_64_speedup": ("", "of how many times faster than dense a batch of 64 is"),
}
MEASURED = tuple(WHAT)
SEARCH_MEANS = tuple(column for column in SEARCH.columns if column.kind is float)
WORTH = Table(
    "worth",
    (
        Column("data", str, "", "the data set"),
        Column("model", str, "", "the network"),
        Column("kind", str, "", "the kind of ticket: `weights`, `channels`, N:M, or `dense`"),
        Column("level", int, "", "how often the network was pruned", at_least=0),
        Column("density", float, "0..1", "kept / all weights of Linear layers and convolutions"),
        Column("form", str, "", "the form that the ticket is kept and run in"),
        Column("n", int, "", "the number of distinct trainings", at_least=0),
        *interval_columns(WHAT),
        *SEARCH_MEANS,
    ),
    key=("kind", "level", "form"),
    meaning="A row for each kind of ticket, level and form: accuracy (0..1), its change from that of the dense"
    " network of the same seed, and how many times smaller and faster than dense it is, with intervals over seeds."
    " Then what the search took, means.",
)
HEADS = ("ticket", "left", "n", "accuracy", "change", "smaller", "faster", "epochs", "TFLOPs", "seconds")
RATIOS = ("times_smaller", "batch_1_speedup", "batch_64_speedup")
"""Ratios of positive quantities, which are averaged as logarithms."""


def compare(gathered: Gathered, bars: Summarize) -> list[Comparison]:
    """The tickets over seeds, a comparison for each setting of their kinds, data and network."""
    comparisons = []
    for jobs in jobs_by_setting(gathered):
        about = f"{jobs.about['model']} on {jobs.about['data']}"
        costs, grid = jobs.means("cost"), jobs.means("grid")
        if not any(row["form"] == "dense" for row in costs):
            comparisons.append(Comparison("worth", about, table=WORTH, notes=tuple(jobs.lost())))
            continue
        _, _, sentences = best_forms(costs, gathered.criteria.margin)
        rows = worth_rows(jobs, bars)
        comparisons.append(
            Comparison(
                "worth",
                about,
                [f"{about}, means over {len(jobs.seeds)} seeds:", *sentences, *jobs.lost()],
                WORTH,
                rows,
                worth_sheet(f"Tickets of {about}", jobs, rows),
                SEED_FIGURES,
                Results({"cost": costs, "grid": grid}, bars=bars),
                jobs.settings,
            )
        )
    return comparisons


def worth_rows(jobs: Jobs, bars: Summarize = t_interval) -> list[Row]:
    """The rows of the table `worth` for the jobs of one setting."""
    dense = {seed: _dense(tables["cost"]) for seed, tables in jobs.seeds.items()}
    searches = jobs.over_seeds("tickets")
    worth = []
    for (kind, level, form), rows in jobs.over_seeds("cost").items():
        made = [_against(dense[row["seed"]], row) for row in rows if row["test_accuracy"] is not None]
        if not made or (form == "dense" and level):  # it could not be made; dense stands beside every ticket
            continue
        values: Row = jobs.about | {"kind": kind, "level": level, "form": form}
        values |= {"density": mean(row["density"] for row in made)}
        for name in MEASURED:
            if units := _units(name, made, jobs.examples):
                values |= bounds(name, _interval(name, units, bars))
        values |= {"n": len(_units("test_accuracy", made, None))}
        search = searches[kind, level]
        values |= {column.name: mean(row[column.name] for row in search) for column in SEARCH_MEANS}
        worth.append(WORTH.row(values))
    return worth


def worth_sheet(title: str, jobs: Jobs, rows: Sequence[Row]) -> Sheet:
    """For people, a row for each ticket: its accuracy, and by the means its smallest file and its fastest form."""
    costs = jobs.means("cost")
    unchanged = {(row["kind"], row["level"]): row for row in rows if row["form"] in ("masked", "dense")}
    cells = []
    for ticket in jobs.means("tickets"):
        kind, left, _, _, smaller, smallest, faster, fastest, *_ = ticket_cells(ticket, costs)
        row = unchanged[ticket["kind"], ticket["level"]]
        change = span(row, "test_accuracy_change", 100, signed=True) if ticket["level"] else DASH
        accuracy, search = span(row, "test_accuracy", 100), [DASH] * 3
        if ticket["search_trainings"]:
            search = [
                f"{row['search_epochs']:.3g}",
                f"{row['search_flops'] / 1e12:.3g}",
                f"{row['search_seconds']:,.0f}",
            ]
        best = f"{smaller} {smallest}", f"{faster} {fastest}"
        cells.append([kind, left.removesuffix("%"), str(row["n"]), accuracy, change, *best, *search])
    what = "weights left, test accuracy and its change (%, mean ± half of the interval over seeds), how many times"
    return Sheet(
        f"{title}: {what} smaller and faster (batch 64) in which form; what the search took",
        HEADS,
        cells,
        narrow=HEADS[:NARROW],
    )


def _dense(costs: Iterable[Row]) -> Row:
    return next(row for row in costs if row["form"] == "dense")


def _against(dense: Row, row: Row) -> Row:
    """`row` with how many times smaller and faster than `dense` it is.

    None of a form without a file, and of one that runs as another.
    """
    timed = row["runs_as"] == row["form"]
    faster = {f"batch_{size}_speedup": times_faster(row, size) if timed else None for size in (1, 64)}
    smaller = {"times_smaller": dense["bytes"] / row["bytes"] if row["bytes"] else None}
    return row | smaller | faster | {"dense_run": dense["run"], "dense_accuracy": dense["test_accuracy"]}


def _units(name: str, rows: Iterable[Row], examples: int | None) -> list[Unit]:
    """The values of a column as units: those of one training are one, ratios are logarithms.

    The forms of the dense network are one network, of which the test set is no two samples.
    """
    units = []
    for row in rows:
        if (value := row[name]) is not None:
            runs = {run for run in (row["run"], row["dense_run"]) if run}
            shares = [row["test_accuracy"], row["dense_accuracy"]]
            change = examples and name == "test_accuracy_change" and None not in shares and row["kind"] != "dense"
            variance = sum(share * (1 - share) for share in shares) / examples if change else None
            units.append(Unit(math.log(value) if name in RATIOS else value, frozenset(runs), variance=variance))
    return distinct(units)


def _interval(name: str, units: Sequence[Unit], bars: Summarize) -> Interval:
    """The interval of a column; a t interval of a change of accuracy is no narrower than the test set's error."""
    values = [unit.value for unit in units]
    interval = t_interval(values, floor=shared_error(units)) if bars is t_interval else bars(values)
    return interval.map(math.exp) if name in RATIOS else interval
