"""What the tickets of `lth deploy` are worth over several seeds: a table of every form, a figure, two sentences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lth.core.tables import Row
from lth.flow.worth import COST, GRID, TICKETS
from lth.report.comparison import Across, bounds, span
from lth.report.cost import times_faster
from lth.report.deploy import best_forms
from lth.report.export import write_tables
from lth.report.figures.deploy import sketch_grid
from lth.report.figures.drawing import drawing, write_sketch
from lth.report.figures.worth import sketch_worth
from lth.report.gather import Gathered
from lth.report.intervals import Summarize, t_interval
from lth.report.pages.deploy import ticket_cells
from lth.report.reading import read_table
from lth.report.sheet import DASH, Sheet
from lth.report.statistics import mean

MEASURED = ("test_accuracy", "test_accuracy_change", "times_smaller", "batch_1_speedup", "batch_64_speedup")
SEARCH = ("search_epochs", "search_flops", "search_seconds")
WORTH = [
    *("data", "model", "kind", "level", "density", "form", "n"),
    *(f"{name}_{bound}" for name in MEASURED for bound in ("mean", "low", "high")),
    *SEARCH,
]
"""A row a kind of ticket, level and form: accuracy (0..1), its change from that of the dense network of the same seed,
and how many times smaller and faster than dense, with intervals over `n` seeds. Then what the search took, means."""
HEADS = ("ticket", "left", "n", "accuracy", "change", "smaller", "faster", "epochs", "TFLOPs", "seconds")
TABLES = {"tickets": TICKETS, "cost": COST, "grid": GRID}
KEYS = {"tickets": ("kind", "level"), "cost": ("kind", "level", "form"), "grid": ("kind", "level", "bits")}
"""Of each table, what its rows of different seeds have in common."""


@dataclass
class Asked:
    """The jobs that ask one question: data and model, the settings of their kinds; seed -> its tables by name."""

    about: Row
    settings: frozenset[str]
    seeds: dict[int, dict[str, list[Row]]] = field(default_factory=dict)

    def over_seeds(self, table: str) -> dict[tuple[object, ...], list[Row]]:
        """What rows of `table` have in common -> those rows, one a seed."""
        found: dict[tuple[object, ...], list[Row]] = {}
        for tables in self.seeds.values():
            for row in tables[table]:
                found.setdefault(tuple(row[key] for key in KEYS[table]), []).append(row)
        return found

    def means(self, table: str) -> list[Row]:
        """The rows of `table` as means over seeds; of texts the first."""
        return [_mean_row(rows) for rows in self.over_seeds(table).values()]


def write_worth(folder: Path, gathered: Gathered, bars: Summarize, found: Across) -> None:
    """Writes the table `worth` and its figures into `folder`; what there is to show goes to `found`."""
    table, sheets = list[Row](), list[Sheet]()
    for number, asked in enumerate(questions(gathered), 1):
        about = f"{asked.about['model']} on {asked.about['data']}"
        place = folder / "figures" if number == 1 else folder / "figures" / f"worth_{number}"
        costs, grid = asked.means("cost"), asked.means("grid")
        with drawing():
            sketches = [sketch_worth(costs, None), sketch_grid(grid)]
            drawn = [write_sketch(place, sketch) for sketch in sketches if sketch]
        found.figures += [replace(x, title=f"{x.title}: {about}") for x in drawn]
        _, _, said = best_forms(costs)
        found.says.append(f"{about}: {' '.join(said)} Means over {len(asked.seeds)} seeds.")
        rows = worth_rows(asked, bars)
        table += rows
        sheets.append(worth_sheet(f"Tickets of {about}", asked, rows))
        found.settings |= asked.settings
    if table:
        write_tables(folder, "worth", WORTH, table, sheets)
    found.sheets += sheets


def questions(gathered: Gathered) -> list[Asked]:
    """What the jobs of `lth deploy` ask: the same where all kinds have the same settings; of a seed the later job."""
    by_run = {row["run"]: row for row in gathered.rows if row["experiment"] == "deploy"}
    found: dict[frozenset[str], Asked] = {}
    for folder in gathered.folders:
        if not by_run or not (folder / "tickets.csv").exists() or not (folder / "cost.csv").exists():
            continue
        tables = {name: read_table(folder / f"{name}.csv", columns, KEYS[name]) for name, columns in TABLES.items()}
        rows = [by_run[row["run"]] for row in tables["tickets"] if row["run"] in by_run and row["level"]]
        if not rows:
            continue
        settings = frozenset(row["setting"] for row in rows)
        about = {key: rows[0][key] for key in ("data", "model")}
        seed = rows[0]["seed"]
        tables = {name: [row | {"seed": seed} for row in table] for name, table in tables.items()}
        found.setdefault(settings, Asked(about, settings)).seeds[seed] = tables
    return list(found.values())


def worth_rows(asked: Asked, bars: Summarize = t_interval) -> list[Row]:
    """The rows of one question, with the columns WORTH."""
    dense = {seed: _dense_bytes(tables["cost"]) for seed, tables in asked.seeds.items()}
    searches = asked.over_seeds("tickets")
    found = []
    for (kind, level, form), rows in asked.over_seeds("cost").items():
        own = [row | _ratios(row, dense[row["seed"]]) for row in rows if row["test_accuracy"] is not None]
        if not own or (form == "dense" and level):  # it could not be made; dense stands beside every ticket
            continue
        made: Row = asked.about | {"kind": kind, "level": level, "form": form, "n": len(own)}
        made |= {"density": mean(row["density"] for row in own)}
        for name in MEASURED:
            if values := [row[name] for row in own if row[name] is not None]:
                made |= bounds(name, bars(values))
        taken = searches[kind, level]
        found.append(dict.fromkeys(WORTH) | made | {key: mean(row[key] for row in taken) for key in SEARCH})
    return found


def worth_sheet(title: str, asked: Asked, rows: Sequence[Row]) -> Sheet:
    """A row a ticket for people: HEADS; its accuracy as it is, its smallest file and its fastest form by the means."""
    costs = asked.means("cost")
    whole = {(row["kind"], row["level"]): row for row in rows if row["form"] in ("masked", "dense")}
    cells = []
    for ticket in asked.means("tickets"):
        kind, left, _, _, smaller, smallest, faster, fastest, *_ = ticket_cells(ticket, costs)
        row = whole[ticket["kind"], ticket["level"]]
        change = span(row, "test_accuracy_change", 100, signed=True) if ticket["level"] else DASH
        accuracy, took = span(row, "test_accuracy", 100), [DASH] * 3
        if ticket["search_trainings"]:
            took = [f"{row['search_epochs']:.3g}", f"{row['search_flops'] / 1e12:.3g}", f"{row['search_seconds']:,.0f}"]
        best = f"{smaller} {smallest}", f"{faster} {fastest}"
        cells.append([kind, left.removesuffix("%"), str(row["n"]), accuracy, change, *best, *took])
    told = "weights left, test accuracy and its change (%, mean ± half of the interval over seeds), how many times"
    return Sheet(f"{title}: {told} smaller and faster (batch 64) in which form; what the search took", HEADS, cells)


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
