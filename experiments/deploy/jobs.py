"""The jobs of `lth deploy`, gathered by setting: their tables by seed, and which of their trainings failed."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lth.core.tables import Row
from lth.report.failures import Failures, failed, failures, in_no_mean
from lth.report.gather import Gathered
from lth.report.statistics import mean, percent
from lth.report.units import examples_of

from .tables import COST, GRID, TICKETS

KEYS = {table.name: table for table in (TICKETS, COST, GRID)}
"""The tables that are averaged over seeds."""


@dataclass
class Jobs:
    """The jobs of one setting: data and model, the settings of their kinds; seed -> its tables by name.

    examples: how many the test set has. failures: kind and density of a ticket -> how many of its trainings failed.
    """

    about: Row
    settings: frozenset[str]
    examples: int | None = None
    failures: dict[str, Failures] = field(default_factory=dict)
    seeds: dict[int, dict[str, list[Row]]] = field(default_factory=dict)

    def over_seeds(self, table: str) -> dict[tuple[object, ...], list[Row]]:
        """Key of `table` -> its rows, one for each seed whose training and dense network did not fail."""
        by_key: dict[tuple[object, ...], list[Row]] = {}
        for tables in self.seeds.values():
            for row in tables[table]:
                if row["failed"]:
                    continue
                by_key.setdefault(tuple(row[key] for key in KEYS[table].key), []).append(row)
        return by_key

    def lost(self) -> list[str]:
        """Which tickets have trainings that failed, in words; they are in no mean."""
        return in_no_mean(self.failures)

    def means(self, table: str) -> list[Row]:
        """The rows of `table` as means over seeds; texts are those of the first seed."""
        return [_mean_row(rows) for rows in self.over_seeds(table).values()]


def jobs_by_setting(gathered: Gathered) -> list[Jobs]:
    """The jobs of `lth deploy` whose kinds all have the same settings; of two jobs of a seed the later."""
    by_run = {row["run"]: row for row in gathered.rows if row["experiment"] == "deploy"}
    by_settings: dict[frozenset[str], Jobs] = {}
    for folder in gathered.folders:
        if not by_run or not all(os.path.lexists(folder / name) for name in ("tickets.csv", "cost.csv")):
            continue
        tables = {name: table.read(table.path(folder)) for name, table in KEYS.items()}
        rows = [by_run[row["run"]] for row in tables["tickets"] if row["run"] in by_run and row["level"]]
        if not rows:
            continue
        settings = frozenset(row["setting"] for row in rows)
        about = {key: rows[0][key] for key in ("data", "model")}
        seed = rows[0]["seed"]
        runs = {row["kind"]: row["run"] for row in tables["tickets"]}
        lost = {run for run, row in by_run.items() if failed(row)}
        tables = {
            name: [row | {"seed": seed, "failed": bool({row["run"], runs.get("dense")} & lost)} for row in table]
            for name, table in tables.items()
        }
        examples = examples_of(by_run.values())
        by_settings.setdefault(settings, Jobs(about, settings, examples)).seeds[seed] = tables
    for jobs in by_settings.values():
        jobs.failures = _failures(jobs, by_run)
    return list(by_settings.values())


def _failures(jobs: Jobs, by_run: Mapping[str, Row]) -> dict[str, Failures]:
    trainings: dict[str, list[Row]] = {}
    for tables in jobs.seeds.values():
        for row in tables["tickets"]:
            if row["run"] in by_run:
                name = f"{row['kind']} at {percent(row['density'])}%" if row["level"] else row["kind"]
                trainings.setdefault(name, []).append(by_run[row["run"]])
    return {name: failures(rows) for name, rows in trainings.items()}


def _mean_row(rows: Sequence[Row]) -> Row:
    means: Row = {}
    for key in rows[0]:
        values = [row[key] for row in rows if row[key] is not None]
        same = not values or isinstance(values[0], str) or key in ("level", "bits")
        means[key] = next(iter(values), None) if same else mean(values)
    return means
