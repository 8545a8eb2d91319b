"""What claims are judged on: all tables of all replicates of one experiment, on one data set and with one model."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lth.core.errors import LotteryError
from lth.core.tables import Row, Table
from lth.report.claims.files import Claim, Claims
from lth.report.early_stop import censored_seeds
from lth.report.gather import gather, tables_of_jobs
from lth.report.intervals import DENSE
from lth.report.statistics import densities, measured

Values = dict[int, dict[tuple[int, int], float]]
"""Level -> (seed, run within the seed) -> value; a value of the seed as a whole has run 0."""
RESULTS, CURVES = "results", "curves"


@dataclass(frozen=True)
class Evidence:
    """The rows of every table by its name: `results` for results.csv, and so on.

    Each row has the `seed` of its replicate, and the `setting` and `schedule` where its job has one; the rows of
    `curves` have the `run` of their results instead. A table without a column `level` is about the last level.
    by_run: whether the runs (draws) within a seed are units of their own; else they are averaged.
    density_arm: the arm whose mask gives a level its density.

    >>> row = {"seed": 0, "level": 1, "arm": "ticket", "density": 0.8, "final_test_accuracy": 0.97}
    >>> evidence = Evidence({"results": [{**row, "draw": 0}, {**row, "draw": 1, "final_test_accuracy": 0.99}]})
    >>> evidence.values("results", "final_test_accuracy", {"arm": "ticket"})
    {1: {(0, 0): 0.98}}
    """

    tables: Mapping[str, Sequence[Row]]
    by_run: bool = False
    density_arm: str = "ticket"

    def about(self, claim: Claim) -> "Evidence":
        """What `claim` is about: the rows that its `where` selects, by run where it names a unit within a seed.

        A table that lacks a column of `where`, other than the results, stays as it is.
        """
        unfiltered = [
            name
            for name, rows in self.tables.items()
            if name != RESULTS and rows and not claim.where.keys() <= rows[0].keys()
        ]
        tables = {
            name: rows if name in unfiltered else self.rows(name, claim.where) for name, rows in self.tables.items()
        }
        return replace(self, tables=tables, by_run=bool(claim.within))

    def rows(self, table: str, which: Mapping[str, Any]) -> list[Row]:
        """The rows of `table` whose columns have the values of `which`; none of a table that was not written.

        Raises LotteryError for a column that the table does not have.
        """
        rows = self.tables.get(table, ())
        self._check(table, which)
        return [row for row in rows if all(row[column] == value for column, value in which.items())]

    def values(
        self,
        table: str,
        column: str,
        which: Mapping[str, Any],
        mean: Callable[[Sequence[float]], float] = statistics.fmean,
    ) -> Values:
        """The finite values of `column` in the rows that `which` selects; `mean` averages draws, where they are.

        Raises LotteryError for a column that is not there, and where `which` selects two rows of one draw.
        """
        self._check(table, (column,))
        values: Values = {}
        for row in self.rows(table, which):
            if measured(row[column]):
                unit, units = (row["seed"], row.get("draw", 0)), values.setdefault(self.level_of(row), {})
                if unit in units:
                    raise LotteryError(f"{which} selects several rows of one run in the table {table}")
                units[unit] = float(row[column])
        return values if self.by_run else {level: averaged(units, mean) for level, units in values.items()}

    def _check(self, table: str, columns: Iterable[str]) -> None:
        rows = self.tables.get(table, ())
        if rows and (unknown := [column for column in columns if column not in rows[0]]):
            raise LotteryError(f"the table {table} has no column {', '.join(unknown)}")

    def level_of(self, row: Row) -> int:
        """The level that `row` is about."""
        level = row.get("level")
        return self.last_level if level is None else int(level)

    @cached_property
    def last_level(self) -> int:
        """The sparsest level of the results; 0 where there are none."""
        return max((row["level"] for row in self.rows(RESULTS, {})), default=0)

    def densities(self) -> dict[int, float]:
        """Level -> density, 0..1."""
        return densities(self.rows(RESULTS, {})) | densities(self.rows(RESULTS, {"arm": self.density_arm}))

    def longest(self) -> int:
        """The iterations of the longest training."""
        return max((row["iterations"] for row in self.rows(RESULTS, {})), default=0)

    def censored(self, which: Mapping[str, Any], levels: Iterable[int]) -> dict[str, int]:
        """Arm -> how many of its seeds have a censored early stop, at that of `levels` where most have.

        Of the results that `which` selects; where it names a level, at that one. The ticket at level 0 is "the dense
        network".
        """
        counts: dict[str, int] = {}
        for (level, arm), count in censored_seeds(self.rows(RESULTS, which)).items():
            if count and (level in levels or "level" in which):
                name = "the dense network" if (level, arm) == (DENSE, "ticket") else arm
                counts[name] = max(count, counts.get(name, 0))
        return counts


def averaged(
    units: Mapping[tuple[int, int], float], mean: Callable[[Sequence[float]], float]
) -> dict[tuple[int, int], float]:
    """The values of `units` (seed, run) averaged by `mean` within each seed, as run 0."""
    by_seed: dict[int, list[float]] = {}
    for (seed, _), value in sorted(units.items()):
        by_seed.setdefault(seed, []).append(value)
    return {(seed, 0): mean(values) for seed, values in by_seed.items()}


def read_evidence(
    places: Sequence[Path], claims: Claims, tables: Iterable[str] = (), declared: Mapping[str, Table] | None = None
) -> Evidence:
    """What the jobs in and below `places` have measured of the experiment, data and model of `claims`.

    tables: the names of the tables to read besides results.csv; where a seed was run twice the later table counts.
    declared: the experiment's tables by name, as it declares them. Raises LotteryError as `results_of` does, and for a
    file that cannot be read.
    """
    gathered = gather(places)
    results = results_of(gathered.rows, claims)
    names = [name for name in dict.fromkeys(tables) if name not in (RESULTS, CURVES)]
    if undeclared := [name for name in names if name not in (declared or {})]:
        raise LotteryError(f"{claims.path}: lth {claims.experiment} declares no table {', '.join(undeclared)}")
    others = tables_of_jobs(replace(gathered, rows=results), [(declared or {})[name] for name in names])
    curves = [row for rows in gathered.curves.values() for row in rows] if CURVES in tables else []
    return Evidence({CURVES: curves, **others, RESULTS: results}, density_arm=claims.density_arm)


def results_of(rows: Iterable[Row], claims: Claims) -> list[Row]:
    """Those of the `rows` of results.csv that `claims` are about.

    Raises LotteryError where there are none, and where one schedule has two settings: they are never averaged.
    """
    results = _about(rows, claims)
    if not results:
        raise LotteryError(f"no results of {claims.model} on {claims.data}; run {claims.command}")
    settings: dict[str, set[str]] = {}
    for row in results:
        settings.setdefault(row["schedule"], set()).add(row["setting"])
    for schedule, names in settings.items():
        if len(names) > 1:
            several = f"{len(names)} settings ({', '.join(sorted(names))})"
            raise LotteryError(f"results of {several} for {schedule}: name the folder of one")
    return results


def _about(rows: Iterable[Row], claims: Claims) -> list[Row]:
    keys = ("experiment", "data", "model")
    return [row for row in rows if all(row[key] == getattr(claims, key) for key in keys)]
