"""Methods of `lth at_init` side by side over several seeds: table, figures and a sentence for each clear comparison."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lth.compression.search_cost import SEARCH
from lth.core.tables import Row
from lth.report.comparison import Across, bounds, span
from lth.report.effects import sentence
from lth.report.export import DASH, Sheet, write_tables
from lth.report.gather import Gathered
from lth.report.intervals import Summarize, over_seeds, paired
from lth.report.methods import ABLATIONS, ACCURACY, by_method, compared
from lth.report.papers.frankle2021 import draw_methods
from lth.report.reading import read_table
from lth.report.search import short
from lth.report.statistics import mean, percent

EXPERIMENT = "at_init"
ABOUT = ["data", "model", "iterations", "method", "setting", "level", "density", "n", "diverged"]
MEASURED = ("test_accuracy", *ABLATIONS)
METHODS_TABLE = [*ABOUT, *(f"{name}_{bound}" for name in MEASURED for bound in ("mean", "low", "high")), *SEARCH]
"""A row a method and level: accuracy at the end of training (0..1) and points that ablations lie above it, paired by
seed, with 95% t intervals over `n` seeds; `diverged` trainings, of ablations too, are left out. Then what the search
took, means over the seeds that a table.csv tells of."""
HEADS = ("method", "left", "n", "accuracy", *ABLATIONS, "epochs", "TFLOPs", "seconds")


def write_methods(folder: Path, gathered: Gathered, bars: Summarize, found: Across) -> None:
    """Writes the table `methods` and its figures into `folder`; what there is to show goes to `found`.

    Methods belong together where data, network and length of training are the same. Nothing is averaged across
    settings: where a method has two of them, none is chosen.
    """
    table, costs = list[Row](), searches(gathered.folders)
    for number, rows in enumerate(comparisons(gathered), 1):
        if len(by_method(rows)) < 2:
            continue
        about = f"{rows[0]['data']}, {rows[0]['model']}, {rows[0]['iterations']:,} iterations"
        if problem := unclear(rows):
            found.notes.append(f"Methods on {about}, are not set side by side: {problem}.")
            continue
        place = folder / "figures" if number == 1 else folder / "figures" / f"methods_{number}"
        found.figures += [replace(x, title=f"{x.title}: {about}") for x in draw_methods(place, rows, bars)]
        found.says.append(f"{about}: {sentence(rows)}")
        here = method_rows(rows, costs)
        table += here
        found.sheets.append(method_sheet(f"Methods on {about}", here))
        found.settings |= {row["setting"] for row in rows}
    if table:
        write_tables(folder, "methods", METHODS_TABLE, table, found.sheets)


def searches(folders: Sequence[Path]) -> dict[tuple[str, int], list[Row]]:
    """(setting, level) -> what the search took, a row a seed, from the jobs' tables; of two of a seed the later."""
    found: dict[tuple[str, int, float], Row] = {}
    for path in (folder / name for folder in folders for name in ("table.csv", "search.csv")):
        asked = ("setting", "seed", "level")
        for row in read_table(path, [*asked, *SEARCH], asked) if _tells(path) else ():
            found[row["setting"], row["level"], row["seed"]] = row
    by_place: dict[tuple[str, int], list[Row]] = {}
    for (setting, level, _), row in found.items():
        by_place.setdefault((setting, level), []).append(row)
    return by_place


def _tells(path: Path) -> bool:
    """Whether there is a table of a search at `path`: other experiments have a table.csv of their own."""
    if not path.exists():
        return False
    with path.open(encoding="utf-8", newline="") as file:
        return set(SEARCH) <= set(next(csv.reader(file), []))


def method_rows(rows: Sequence[Row], costs: Mapping[tuple[str, int], Sequence[Row]]) -> list[Row]:
    """The rows of one comparison, with the columns METHODS_TABLE: the dense network once, then method by method."""
    found = []
    for number, (method, own) in enumerate(by_method(compared(rows)).items()):
        accuracies = over_seeds(own, "ticket", ACCURACY)
        changes = {arm: paired(own, arm, "ticket", ACCURACY) for arm in ABLATIONS}
        for level, (density, accuracy) in accuracies.items():
            if level == 0 and number:
                continue
            here = [row for row in own if row["level"] == level]
            row: Row = {key: here[0][key] for key in ("data", "model", "iterations", "setting")}
            row |= {"method": method if level else "dense", "level": level, "density": density, "n": accuracy.n}
            row |= {"diverged": sum(x["status"] == "diverged" for x in here)} | bounds("test_accuracy", accuracy)
            for arm, by_level in changes.items():
                if level in by_level:
                    row |= bounds(arm, by_level[level][1].map(lambda share: 100 * share))
            taken = costs.get((row["setting"], level), [])
            found.append(dict.fromkeys(METHODS_TABLE) | row | {key: mean(x[key] for x in taken) for key in SEARCH})
    return found


def method_sheet(title: str, rows: Sequence[Row]) -> Sheet:
    """`method_rows` for people: HEADS, intervals as the mean and half of their width."""
    cells = []
    for row in rows:
        measured = [span(row, "test_accuracy", 100), *(span(row, arm, 1, signed=True) for arm in ABLATIONS)]
        count = f"{row['n']}" + (f" ({row['diverged']} diverged)" if row["diverged"] else "")
        took = [DASH] * 3
        if row["search_epochs"] is not None:
            took = [f"{row['search_epochs']:.3g}", f"{row['search_flops'] / 1e12:.3g}", short(row["search_seconds"])]
        cells.append([row["method"], percent(row["density"]), count, *measured, *took])
    told = "weights left and accuracy at the end (%), points above it by ablations (mean ± half of the 95% t interval"
    return Sheet(f"{title}: {told} over seeds), and what finding a mask took", HEADS, cells)


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
