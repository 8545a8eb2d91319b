"""Gathers the results of many jobs: one row for each training asked for, by setting."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lth.core.errors import LotteryError
from lth.core.shown import brief
from lth.core.tables import Row, Table
from lth.lottery.iterate import WAYS, way_of
from lth.lottery.names import names
from lth.report.correct import attach
from lth.report.criteria import Criteria
from lth.report.reading import (
    ASKED,
    criteria_of,
    folder_of,
    read_correct,
    read_curves,
    read_results,
    results_below,
    written,
)

MACHINE = {"processor": "processor", "torch": "torch", "threads": "threads"}
"""Column of the results -> what of a machine it says: on another one, the last bits of a training differ."""


@dataclass(frozen=True)
class Gathered:
    """The results of many jobs.

    rows: those of `results.csv`, each training asked for once, by setting, seed, level, arm and draw.
    curves: run -> its rows of `curves.csv`, for the runs in `rows` that have one.
    folders: where the results were found, the latest last.
    repeats: rows left out because a later file answers the same.
    changed: those of them that came from another training than the row kept: another machine, version or `seeds.*`.
    criteria: what verdicts on them call matching and fast.
    """

    rows: list[Row]
    curves: dict[str, list[Row]]
    folders: list[Path]
    repeats: int = 0
    changed: int = 0
    criteria: Criteria = field(default_factory=Criteria)

    def settings(self) -> dict[str, list[Row]]:
        """Setting -> its rows. Nothing is ever averaged across settings: they ask different questions."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row["setting"], []).append(row)
        return found


def gather(places: Sequence[Path], criteria: Mapping[str, float] | None = None) -> Gathered:
    """The results in each place and below it: the folder of a job, a sweep, or all outputs, a results.csv, a store.

    Of two files that answer the same the later written counts. criteria: margins of verdicts that take the place of
    those that the jobs were run with, by field of `Criteria`; None: the defaults, whatever the jobs were run with.
    Raises LotteryError for a place that is not there, a file that cannot be read, naming it, and where no place holds
    results.
    """
    files = {os.path.realpath(path): path for place in places for path in results_below(place)}
    ordered = sorted(files.values(), key=lambda path: (written(path), str(path)))
    kept: dict[tuple[Any, ...], Row] = {}
    repeats = changed = 0
    for path in ordered:
        for training, row in _by_training(path).items():
            if training in kept:
                repeats += 1
                changed += not _one_training(kept[training], row)
            kept[training] = row
    if not kept:
        raise LotteryError(f"no results in {', '.join(map(str, places))}")
    rows = sorted(kept.values(), key=partial(_order, list(names())))
    for path in ordered:  # of a run that several files hold the latest counts
        attach(rows, read_correct(path))
    folders = list(dict.fromkeys(map(folder_of, ordered)))
    margins = Criteria() if criteria is None else criteria_of(folders, criteria)
    return Gathered(rows, _curves(ordered, rows), folders, repeats, changed, margins)


def _by_training(path: Path) -> dict[tuple[Any, ...], Row]:
    """The rows of a file by the training asked for; LotteryError where two rows of one differ."""
    rows: dict[tuple[Any, ...], Row] = {}
    for row in read_results(path):
        training = tuple(row[column] for column in ASKED)
        if rows.setdefault(training, row) != row:
            place = ", ".join(f"{column}={brief(row[column])}" for column in ASKED[3:])
            raise LotteryError(f"{path}: two rows for {place} differ: one of them was written by no job")
    return rows


def _one_training(first: Row, second: Row) -> bool:
    """Whether two rows are of one training, as far as they say: of one fingerprint, done on one machine."""
    known = [column for column in MACHINE if first[column] is not None and second[column] is not None]
    return all(first[column] == second[column] for column in ("run", *known))


def machines(rows: Sequence[Row]) -> str:
    """In what the machines differ that the trainings of one setting were done on, in a line; empty where in nothing."""
    differing = []
    for column, name in MACHINE.items():
        values = sorted({str(row[column]) for row in rows if row.get(column) is not None})
        if len(values) > 1:
            differing.append(f"{name} {', '.join(values)}")
    if not differing:
        return ""
    text = f"{rows[0]['setting']} averages over trainings on different machines ({'; '.join(differing)})"
    return f"{text}: that can change accuracies by some tenths of a point."


def unlike(rows: Sequence[Row]) -> list[str]:
    """In what the trainings of one setting differ that should be alike, a line each: their machines, their data."""
    digests: dict[Any, set[str]] = {}
    for row in rows:
        if row.get("data_digest"):
            seeds = (row.get("seed_split"), row.get("seed_noise") or 0)
            digests.setdefault(seeds, set()).add(row["data_digest"])
    mixed = [sorted(values) for values in digests.values() if len(values) > 1]
    lines = [machines(rows)]
    if mixed:
        text = f"{rows[0]['setting']} averages over trainings on different data (data_digest {', '.join(mixed[0])})"
        lines.append(f"{text}: their accuracies do not compare.")
    return [line for line in lines if line]


def tables_of_jobs(gathered: Gathered, tables: Sequence[Table]) -> dict[str, list[Row]]:
    """Name -> the rows of each of `tables` in the folders of the jobs that `gathered` has results of.

    Each row also has the `seed` of its job, and its `setting` and `schedule` if the job has one; `status` is `done`. Of
    two rows of one seed and setting with equal keys the later job's counts, and where keys do not tell a job's rows
    apart its whole table. A job of several seeds does not say which one a row is of, and is left out. Raises
    LotteryError naming a file that cannot be read.
    """
    chosen = {(row["experiment"], row["setting"]) for row in gathered.rows}
    latest: dict[tuple[Any, ...], dict[Any, Row]] = {}
    for folder in gathered.folders:  # the latest last
        if not os.path.lexists(folder / "results.csv"):
            continue
        rows = read_results(folder / "results.csv")
        results = [row for row in rows if (row["experiment"], row["setting"]) in chosen]
        keys = ("seed", "setting", "schedule", "iterate")
        values: dict[str, set[Any]] = {key: {row.get(key) for row in results} for key in keys}
        single = {key: next(iter(several)) for key, several in values.items() if len(several) == 1}
        about = {key: value for key, value in single.items() if value is not None}
        if "seed" not in about:
            continue
        for table in tables:
            if os.path.lexists(table.path(folder)):
                job = (table.name, about["seed"], *sorted(values["setting"]))
                found = [about | {"status": "done"} | row for row in table.read(table.path(folder))]
                by_key = {tuple(row.get(column) for column in ("setting", *table.key)): row for row in found}
                if len(by_key) < len(found):  # the rows do not say which of the job's settings they are of
                    latest[job] = dict(enumerate(found))
                else:
                    latest.setdefault(job, {}).update(by_key)
    by_name: dict[str, list[Row]] = {table.name: [] for table in tables}
    for (name, *_), rows_by_key in latest.items():
        by_name[name] += rows_by_key.values()
    return by_name


def pairs_by_schedule(gathered: Gathered) -> list[tuple[str, str]]:
    """The (iterative, one-shot) settings that differ only in the schedule, as figures put them side by side.

    They agree in experiment, data, model, rewind point and iterations, and in the density of each level. Where they
    have a seed in common, its dense network is one training: that tells apart recipes, which no column names. Settings
    without a common seed are paired only where that leaves no choice.
    """
    settings = gathered.settings()
    pair = "iterative", "one_shot"
    first, second = ([key for key in settings if settings[key][0]["schedule"] == name] for name in pair)
    both = [(x, y) for x in first for y in second if way_of(settings[x][0]) == way_of(settings[y][0])]
    sure = [(x, y) for x, y in both if _match(settings[x], settings[y]) is True]
    open_ones = [(x, y) for x, y in both if _match(settings[x], settings[y]) is None]
    taken = [setting for pair in (*sure, *open_ones) for setting in pair]
    alone = [x for x in open_ones if taken.count(x[0]) == taken.count(x[1]) == 1]
    return sorted([*sure, *alone])


def ways_apart(gathered: Gathered) -> list[list[list[Row]]]:
    """The settings that differ only in what levels rewind, and in the schedule: groups with two ways or more.

    They agree as those of `pairs_by_schedule` do, and share the dense network of a seed. That may also hold for
    settings that differ in how weights are scored: then a group has several of one way and schedule.
    """
    groups: list[list[list[Row]]] = []
    for rows in sorted(gathered.settings().values(), key=lambda rows: WAYS.index(way_of(rows[0]))):
        home = next((group for group in groups if _match(group[0], rows)), None)
        groups.append([rows]) if home is None else home.append(rows)
    return [group for group in groups if len({way_of(rows[0]) for rows in group}) > 1]


def _match(first: Sequence[Row], second: Sequence[Row]) -> bool | None:
    """Whether two settings differ at most in schedule and what levels rewind; None where no common seed tells."""
    dense = [
        {row["seed"]: row for row in rows if row["level"] == 0 and row["arm"] == "ticket"} for rows in (first, second)
    ]
    if not all(dense):
        return False
    about = [
        tuple(next(iter(found.values()))[column] for column in ("experiment", "data", "model", "rewind", "iterations"))
        for found in dense
    ]
    level_counts = [
        {row["level"]: row["weights_left"] for row in rows if row["arm"] == "ticket"} for rows in (first, second)
    ]
    if about[0] != about[1] or any(
        level_counts[0][level] != level_counts[1][level] for level in level_counts[0].keys() & level_counts[1]
    ):
        return False
    common = dense[0].keys() & dense[1].keys()
    return all(dense[0][seed]["run"] == dense[1][seed]["run"] for seed in common) if common else None


def _order(arms: Sequence[str], row: Row) -> tuple[Any, ...]:
    arm = arms.index(row["arm"]) if row["arm"] in arms else len(arms)
    about = (row["experiment"], str(row["data"]), str(row["model"]), numbered(row["schedule"]), WAYS.index(way_of(row)))
    return (*about, row["setting"], row["seed"], row["level"], arm, row["arm"], row["draw"])


def numbered(name: str) -> list[str | int]:
    """A key that sorts names by the numbers in them.

    >>> sorted(["k200", "k50"], key=numbered)
    ['k50', 'k200']
    """
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]


def _curves(files: Sequence[Path], rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Run -> rows of its curve; a run that several files hold is taken from the latest."""
    wanted = {row["run"] for row in rows}
    found: dict[str, list[Row]] = {}
    for path in files:
        found |= {run: points for run, points in read_curves(path).items() if run in wanted}
    return found
