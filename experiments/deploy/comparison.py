"""The tickets of `lth deploy` over several seeds: a table of every form, figures, and two sentences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lth.compression.tables import SEARCH
from lth.core.tables import Column, Row, Table
from lth.report.comparison import NARROW, Comparison, bounds, span
from lth.report.cost import times_faster
from lth.report.gather import Gathered
from lth.report.intervals import Summarize, t_interval
from lth.report.results import Results
from lth.report.sheet import DASH, Sheet
from lth.report.statistics import mean

from .answer import best_forms
from .figures import SEED_FIGURES
from .sheets import ticket_cells
from .tables import COST, GRID, TICKETS

WHAT = {
    "test_accuracy": ("0..1", "of the test accuracy"),
    "test_accuracy_change": ("0..1", "of its difference from the dense network's of the same seed"),
    "times_smaller": ("", "of how many times smaller than dense the file is"),
    "batch_1_speedup": ("", "of how many times faster than dense a batch of 1 is"),
    "batch_64_speedup": ("", "of how many times faster than dense a batch of 64 is"),
}
BOUNDS = {"mean": "mean over seeds", "low": "lower bound of the interval", "high": "upper bound of the interval"}
MEASURED = tuple(WHAT)
SEARCH_MEANS = tuple(column for column in SEARCH.columns if column.kind is float)
WORTH = Table(
    "worth",
    (
        Column("data", str, "", "the data set"),
        Column("model", str, "", "the network"),
        Column("kind", str, "", "the kind of ticket: `weights`, `channels`, N:M, or `dense`"),
        Column("level", int, "", "how often the network was pruned"),
        Column("density", float, "0..1", "kept / all weights of Linear layers and convolutions"),
        Column("form", str, "", "the form that the ticket is kept and run in"),
        Column("n", int, "", "the number of seeds"),
        *(
            Column(f"{name}_{bound}", float, unit, f"{meaning} {what}")
            for name, (unit, what) in WHAT.items()
            for bound, meaning in BOUNDS.items()
        ),
        *SEARCH_MEANS,
    ),
    key=("kind", "level", "form"),
    meaning="A row for each kind of ticket, level and form: accuracy (0..1), its change from that of the dense"
    " network of the same seed, and how many times smaller and faster than dense it is, with intervals over seeds."
    " Then what the search took, means.",
)
HEADS = ("ticket", "left", "n", "accuracy", "change", "smaller", "faster", "epochs", "TFLOPs", "seconds")
KEYS = {table.name: table for table in (TICKETS, COST, GRID)}
"""The tables that are averaged over seeds."""


@dataclass
class Jobs:
    """The jobs of one setting: data and model, the settings of their kinds; seed -> its tables by name."""

    about: Row
    settings: frozenset[str]
    seeds: dict[int, dict[str, list[Row]]] = field(default_factory=dict)

    def over_seeds(self, table: str) -> dict[tuple[object, ...], list[Row]]:
        """Key of `table` -> its rows, one for each seed."""
        by_key: dict[tuple[object, ...], list[Row]] = {}
        for tables in self.seeds.values():
            for row in tables[table]:
                by_key.setdefault(tuple(row[key] for key in KEYS[table].key), []).append(row)
        return by_key

    def means(self, table: str) -> list[Row]:
        """The rows of `table` as means over seeds; texts are those of the first seed."""
        return [_mean_row(rows) for rows in self.over_seeds(table).values()]


def compare(gathered: Gathered, bars: Summarize) -> list[Comparison]:
    """The tickets over seeds, a comparison for each setting of their kinds, data and network."""
    comparisons = []
    for jobs in jobs_by_setting(gathered):
        about = f"{jobs.about['model']} on {jobs.about['data']}"
        costs, grid = jobs.means("cost"), jobs.means("grid")
        _, _, sentences = best_forms(costs)
        rows = worth_rows(jobs, bars)
        comparisons.append(
            Comparison(
                "worth",
                about,
                [f"{about}, means over {len(jobs.seeds)} seeds:", *sentences],
                WORTH,
                rows,
                worth_sheet(f"Tickets of {about}", jobs, rows),
                SEED_FIGURES,
                Results({"cost": costs, "grid": grid}, bars=bars),
                jobs.settings,
            )
        )
    return comparisons


def jobs_by_setting(gathered: Gathered) -> list[Jobs]:
    """The jobs of `lth deploy` whose kinds all have the same settings; of two jobs of a seed the later."""
    by_run = {row["run"]: row for row in gathered.rows if row["experiment"] == "deploy"}
    by_settings: dict[frozenset[str], Jobs] = {}
    for folder in gathered.folders:
        if not by_run or not (folder / "tickets.csv").exists() or not (folder / "cost.csv").exists():
            continue
        tables = {name: table.read(table.path(folder)) for name, table in KEYS.items()}
        rows = [by_run[row["run"]] for row in tables["tickets"] if row["run"] in by_run and row["level"]]
        if not rows:
            continue
        settings = frozenset(row["setting"] for row in rows)
        about = {key: rows[0][key] for key in ("data", "model")}
        seed = rows[0]["seed"]
        tables = {name: [row | {"seed": seed} for row in table] for name, table in tables.items()}
        by_settings.setdefault(settings, Jobs(about, settings)).seeds[seed] = tables
    return list(by_settings.values())


def worth_rows(jobs: Jobs, bars: Summarize = t_interval) -> list[Row]:
    """The rows of the table `worth` for the jobs of one setting."""
    dense = {seed: _dense_bytes(tables["cost"]) for seed, tables in jobs.seeds.items()}
    searches = jobs.over_seeds("tickets")
    worth = []
    for (kind, level, form), rows in jobs.over_seeds("cost").items():
        made = [row | _ratios(row, dense[row["seed"]]) for row in rows if row["test_accuracy"] is not None]
        if not made or (form == "dense" and level):  # it could not be made; dense stands beside every ticket
            continue
        values: Row = jobs.about | {"kind": kind, "level": level, "form": form, "n": len(made)}
        values |= {"density": mean(row["density"] for row in made)}
        for name in MEASURED:
            if measured := [row[name] for row in made if row[name] is not None]:
                values |= bounds(name, bars(measured))
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


def _mean_row(rows: Sequence[Row]) -> Row:
    means: Row = {}
    for key in rows[0]:
        values = [row[key] for row in rows if row[key] is not None]
        same = not values or isinstance(values[0], str) or key in ("level", "bits")
        means[key] = next(iter(values), None) if same else mean(values)
    return means


def _dense_bytes(costs: Iterable[Row]) -> float:
    return float(next(row["bytes"] for row in costs if row["form"] == "dense"))


def _ratios(row: Row, dense_bytes: float) -> Row:
    """How many times smaller a form is, and how many times faster; None where it has no file, or runs as another."""
    timed = row["runs_as"] == row["form"]
    faster = {f"batch_{size}_speedup": times_faster(row, size) if timed else None for size in (1, 64)}
    return {"times_smaller": dense_bytes / row["bytes"] if row["bytes"] else None} | faster
