"""Gathers the results of many jobs from their folders: one row for each training asked for, by setting."""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lth.core.errors import LotteryError
from lth.pruning.schedule import SCHEDULES
from lth.report.tables import CURVES, RESULTS, Row
from lth.tickets.arms import ARMS

MERGED = "summary.csv"
"""Lies beside a results.csv that a report has merged from others, and beside no job's."""

CLOSED = ("store", "wandb", "reference")
"""Folders that are not searched: what jobs keep for themselves, and published copies. A place may be one of them."""

ASKED = ("experiment", "setting", "schedule", "seed", "level", "arm", "draw")
"""The columns that say what was asked; rows that agree in them answer the same."""

NEEDED = (*ASKED, "status", "density")


def boolean(text: str) -> bool:
    """`True` or `False` as Python writes them; ValueError for anything else."""
    if text not in ("True", "False"):
        raise ValueError(f"{text!r} is neither True nor False")
    return text == "True"


TEXTS = ("experiment", "setting", "data", "model", "arm", "status", "schedule", "run")
COUNTS = ("seed", "level", "draw", "weights_left", "rewind", "early_stop_iteration", "iterations", "iteration")
READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys([*RESULTS, *CURVES], float),
    **dict.fromkeys(TEXTS, str),
    **dict.fromkeys(COUNTS, int),
    "early_stop_censored": boolean,
}
"""Column -> what its text is read with; an empty cell is None."""


@dataclass(frozen=True)
class Gathered:
    """The results of many jobs.

    rows: those of `results.csv`, each training asked for once, by setting, seed, level, arm and draw.
    curves: run -> its rows of `curves.csv`, for the runs in `rows` that have one.
    folders: where the results were found, the latest last.
    repeats: rows left out because a later file answers the same.
    changed: those of them that came from another training than the row kept: another machine, version or `seeds.*`.
    """

    rows: list[Row]
    curves: dict[str, list[Row]]
    folders: list[Path]
    repeats: int = 0
    changed: int = 0

    def settings(self) -> dict[str, list[Row]]:
        """Setting -> its rows. Nothing is ever averaged across settings: they ask different questions."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row["setting"], []).append(row)
        return found


def gather(places: Sequence[Path]) -> Gathered:
    """The results in each place and below it: a job's folder, a sweep's, a whole outputs folder, or a results.csv.

    Of two files that answer the same the later written counts. Raises LotteryError for a place that is not there, a
    file that cannot be read, naming it, and where no place holds results.
    """
    files = {path.resolve(): path for place in places for path in results_below(place)}
    ordered = sorted(files.values(), key=lambda path: (path.stat().st_mtime_ns, str(path)))
    kept: dict[tuple[Any, ...], Row] = {}
    repeats = changed = 0
    for path in ordered:
        for row in read_table(path, RESULTS, NEEDED):
            asked = tuple(row[column] for column in ASKED)
            if asked in kept:
                repeats += 1
                changed += kept[asked]["run"] != row["run"]
            kept[asked] = row
    if not kept:
        raise LotteryError(f"no results.csv with results in {', '.join(map(str, places))}")
    rows = sorted(kept.values(), key=_order)
    return Gathered(rows, _curves(ordered, rows), [path.parent for path in ordered], repeats, changed)


def results_below(place: Path) -> list[Path]:
    """Every results.csv in `place` and below it, by path; one that a report merged only where there is no other."""
    if not place.exists():
        raise LotteryError(f"{place}: there is no such folder")
    if place.is_file():
        return [place]
    found = sorted(_walk(place))
    return [path for path in found if not path.with_name(MERGED).exists()] or found


def read_table(path: Path, columns: Sequence[str], needed: Sequence[str]) -> list[Row]:
    """The rows of the CSV file `path`: `columns` as numbers, truth values, texts, or None where the cell is empty.

    Raises LotteryError naming the file where it cannot be read, lacks a column, or has an empty cell in one `needed`.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise LotteryError(f"{path}: has no column {', '.join(missing)}")
            return [_read_row(f"{path}, line {reader.line_num}", row, columns, needed) for row in reader]
    except OSError as error:
        raise LotteryError(f"{path}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise LotteryError(f"{path}: is not a CSV table ({error})") from error


def pairs_by_schedule(gathered: Gathered) -> list[tuple[str, str]]:
    """The (iterative, one-shot) settings that differ only in the schedule, as figures put them side by side.

    They agree in experiment, data, model, rewind point and iterations, and in the density of each level. Where they
    have a seed in common, its dense network is one training: that tells apart recipes, which no column names. Settings
    without a common seed are paired only where that leaves no choice.
    """
    settings = gathered.settings()
    first, second = ([key for key in settings if settings[key][0]["schedule"] == name] for name in SCHEDULES)
    sure = [(x, y) for x in first for y in second if _match(settings[x], settings[y]) is True]
    open_ones = [(x, y) for x in first for y in second if _match(settings[x], settings[y]) is None]
    taken = [setting for pair in (*sure, *open_ones) for setting in pair]
    alone = [pair for pair in open_ones if taken.count(pair[0]) == taken.count(pair[1]) == 1]
    return sorted([*sure, *alone])


def _match(first: Sequence[Row], second: Sequence[Row]) -> bool | None:
    """Whether two settings differ only in the schedule; None where no common seed tells."""
    dense = [
        {row["seed"]: row for row in rows if row["level"] == 0 and row["arm"] == "ticket"} for rows in (first, second)
    ]
    if not all(dense):
        return False
    about = [
        tuple(next(iter(found.values()))[column] for column in ("experiment", "data", "model", "rewind", "iterations"))
        for found in dense
    ]
    ladders = [
        {row["level"]: row["weights_left"] for row in rows if row["arm"] == "ticket"} for rows in (first, second)
    ]
    if about[0] != about[1] or any(ladders[0][level] != ladders[1][level] for level in ladders[0].keys() & ladders[1]):
        return False
    common = dense[0].keys() & dense[1].keys()
    return all(dense[0][seed]["run"] == dense[1][seed]["run"] for seed in common) if common else None


def _walk(place: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(place):
        below[:] = [name for name in below if name not in CLOSED and not name.startswith(".")]
        if "results.csv" in files:
            yield Path(folder) / "results.csv"


def _read_row(where: str, cells: dict[Any, Any], columns: Sequence[str], needed: Sequence[str]) -> Row:
    if None in cells or None in cells.values():
        raise LotteryError(f"{where}: has not as many cells as the head of the table")
    row: Row = {}
    for column in columns:
        try:
            row[column] = READERS[column](cells[column]) if cells[column] else None
        except ValueError as error:
            raise LotteryError(f"{where}: {column}: {error}") from error
    empty = [column for column in needed if row[column] is None]
    if empty:
        raise LotteryError(f"{where}: {', '.join(empty)} is empty")
    return row


def _order(row: Row) -> tuple[Any, ...]:
    arms = list(ARMS)
    arm = arms.index(row["arm"]) if row["arm"] in arms else len(arms)
    about = (row["experiment"], str(row["data"]), str(row["model"]), row["schedule"], row["setting"])
    return (*about, row["seed"], row["level"], arm, row["arm"], row["draw"])


def _curves(files: Sequence[Path], rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Run -> rows of the curves.csv beside the results; a run that several files hold is taken from the latest."""
    wanted = {row["run"] for row in rows}
    found: dict[str, list[Row]] = {}
    for path in (file.with_name("curves.csv") for file in files):
        by_run: dict[str, list[Row]] = {}
        for row in read_table(path, CURVES, ("run", "iteration")) if path.exists() else ():
            by_run.setdefault(row["run"], []).append(row)
        found |= {run: points for run, points in by_run.items() if run in wanted}
    return found
