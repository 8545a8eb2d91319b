"""What the tickets of `lth deploy` are worth over several seeds: a table of every form, a figure, two sentences."""

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
        """What rows of `table` have in common -> those rows, one a seed."""
        found: dict[tuple[object, ...], list[Row]] = {}
        for tables in self.seeds.values():
            for row in tables[table]:
                found.setdefault(tuple(row[key] for key in KEYS[table].key), []).append(row)
        return found

    def means(self, table: str) -> list[Row]:
        """The rows of `table` as means over seeds; of texts the first."""
        return [_mean_row(rows) for rows in self.over_seeds(table).values()]


def compare(gathered: Gathered, bars: Summarize) -> list[Comparison]:
    """What tickets are worth over seeds, a comparison for each setting of their kinds, data and network."""
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
                f"{about}: {' '.join(sentences)} Means over {len(jobs.seeds)} seeds.",
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
    found: dict[frozenset[str], Jobs] = {}
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
        found.setdefault(settings, Jobs(about, settings)).seeds[seed] = tables
    return list(found.values())


def worth_rows(jobs: Jobs, bars: Summarize = t_interval) -> list[Row]:
    """The rows of one question, with the columns WORTH."""
    dense = {seed: _dense_bytes(tables["cost"]) for seed, tables in jobs.seeds.items()}
    searches = jobs.over_seeds("tickets")
    found = []
    for (kind, level, form), rows in jobs.over_seeds("cost").items():
        own = [row | _ratios(row, dense[row["seed"]]) for row in rows if row["test_accuracy"] is not None]
        if not own or (form == "dense" and level):  # it could not be made; dense stands beside every ticket
            continue
        made: Row = jobs.about | {"kind": kind, "level": level, "form": form, "n": len(own)}
        made |= {"density": mean(row["density"] for row in own)}
        for name in MEASURED:
            if values := [row[name] for row in own if row[name] is not None]:
                made |= bounds(name, bars(values))
        taken = searches[kind, level]
        found.append(
            WORTH.row(made) | {column.name: mean(row[column.name] for row in taken) for column in SEARCH_MEANS}
        )
    return found


def worth_sheet(title: str, jobs: Jobs, rows: Sequence[Row]) -> Sheet:
    """A row a ticket for people: HEADS; its accuracy as it is, its smallest file and its fastest form by the means."""
    costs = jobs.means("cost")
    whole = {(row["kind"], row["level"]): row for row in rows if row["form"] in ("masked", "dense")}
    cells = []
    for ticket in jobs.means("tickets"):
        kind, left, _, _, smaller, smallest, faster, fastest, *_ = ticket_cells(ticket, costs)
        row = whole[ticket["kind"], ticket["level"]]
        change = span(row, "test_accuracy_change", 100, signed=True) if ticket["level"] else DASH
        accuracy, took = span(row, "test_accuracy", 100), [DASH] * 3
        if ticket["search_trainings"]:
            took = [f"{row['search_epochs']:.3g}", f"{row['search_flops'] / 1e12:.3g}", f"{row['search_seconds']:,.0f}"]
        best = f"{smaller} {smallest}", f"{faster} {fastest}"
        cells.append([kind, left.removesuffix("%"), str(row["n"]), accuracy, change, *best, *took])
    told = "weights left, test accuracy and its change (%, mean ± half of the interval over seeds), how many times"
    return Sheet(
        f"{title}: {told} smaller and faster (batch 64) in which form; what the search took",
        HEADS,
        cells,
        narrow=HEADS[:NARROW],
    )


def _mean_row(rows: Sequence[Row]) -> Row:
    found: Row = {}
    for key in rows[0]:
        values = [row[key] for row in rows if row[key] is not None]
        same = not values or isinstance(values[0], str) or key in ("level", "bits")
        found[key] = next(iter(values), None) if same else mean(values)
    return found


def _dense_bytes(costs: Iterable[Row]) -> float:
    return float(next(row["bytes"] for row in costs if row["form"] == "dense"))


def _ratios(row: Row, dense_bytes: float) -> Row:
    """How many times smaller a form is, and how many times faster, where it is kept and timed in a way of its own."""
    own = row["runs_as"] == row["form"]
    faster = {f"batch_{size}_speedup": times_faster(row, size) if own else None for size in (1, 64)}
    return {"times_smaller": dense_bytes / row["bytes"] if row["bytes"] else None} | faster
