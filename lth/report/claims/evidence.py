"""What claims are judged on: all tables of all replicates of one experiment, on one data set and with one model."""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from lth.core.errors import LotteryError
from lth.core.tables import Row
from lth.lottery.iterate import WAYS, way_of
from lth.report.claims.files import Claim
from lth.report.claims.trainings import Trainings
from lth.report.claims.values import Estimate, Values, averaged
from lth.report.correct import hits_of
from lth.report.early_stop import censored_seeds, evaluation_step, stop_after
from lth.report.intervals import DENSE
from lth.report.statistics import STOP, densities, measured
from lth.report.units import examples_of

RESULTS, CURVES = "results", "curves"
ITERATE = "iterate"
NOTHING: Mapping[str, Any] = MappingProxyType({})
ON_TEST = ("test_accuracy", "ensemble_accuracy", "disagreement", "disagreement_with_pruned")
"""Columns that end like these are shares of the test set."""


@dataclass(frozen=True)
class Evidence:
    """The rows of every table by its name: `results` for results.csv, and so on.

    Each row has the `seed` of its replicate, and the `setting` and `schedule` where its job has one; the rows of
    `curves` have the `run` of their results instead. A table without a column `level` is about the last level.
    by_run: whether the runs (draws) within a seed are units of their own; else they are averaged.
    density_arm: the arm whose mask gives a level its density. chance: the share of the test set's most frequent class,
    for results that do not hold it. arms: column of another table -> its value -> the arm in the results.

    Trainings that failed are not averaged with others: `rows` and `values` leave them out, `trainings` counts them.

    >>> row = {"seed": 0, "level": 1, "arm": "ticket", "density": 0.8, "status": "done"}
    >>> rows = [{**row, "draw": x, "run": f"r{x}", "final_test_accuracy": 0.97 + 0.02 * x} for x in (0, 1)]
    >>> evidence = Evidence({"results": rows})
    >>> evidence.values("results", "final_test_accuracy", {"arm": "ticket"})
    {1: {(0, 0): 0.98}}
    """

    tables: Mapping[str, Sequence[Row]]
    by_run: bool = False
    density_arm: str = "ticket"
    chance: float | None = None
    arms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def about(self, claim: Claim) -> "Evidence":
        """What `claim` is about: the rows that its `where` selects, by run where it names a unit within a seed.

        Where it does not say what levels rewind, it is about the rewinding of weights.
        A table that lacks a column of `where`, other than the results, stays as it is.
        """
        tables = {
            name: [*self._selected(name, claim.where)] if self._has(name, claim.where) else rows
            for name, rows in self.tables.items()
        }
        if not any(ITERATE in which for which in (claim.where, *claim.sides)):
            tables = {name: [row for row in rows if way_of(row) == WAYS[0]] for name, rows in tables.items()}
        return replace(self, tables=tables, by_run=bool(claim.within))

    def _has(self, table: str, which: Mapping[str, Any]) -> bool:
        rows = self.tables[table]
        return table == RESULTS or not rows or which.keys() <= rows[0].keys()

    def rows(self, table: str, which: Mapping[str, Any], about: Mapping[str, Any] = NOTHING) -> list[Row]:
        """The rows of `table` whose columns have the values of `which`, of trainings that did not fail.

        about: what each row is about besides its columns, such as {"draw": 0}. No rows of a table that was not written.
        Raises LotteryError for a column that the table does not have.
        """
        rows = ({**about, **row} for row in self._selected(table, which))
        return [row for row in rows if not self.trainings.is_of_failed(row)]

    def failed_rows(self, table: str, which: Mapping[str, Any]) -> list[Row]:
        """The rows that `rows` leaves out: of trainings that failed, or of several of which one did."""
        return [row for row in self._selected(table, which) if self.trainings.is_of_failed(row)]

    def _selected(self, table: str, which: Mapping[str, Any]) -> Iterator[Row]:
        self._check(table, which)
        for row in self.tables.get(table, ()):
            if all((way_of(row) if column == ITERATE else row[column]) == value for column, value in which.items()):
                yield row

    def values(
        self,
        table: str,
        column: str,
        which: Mapping[str, Any],
        mean: Callable[[Sequence[float]], float] = statistics.fmean,
    ) -> Values:
        """The finite values of `column` in the rows that `which` selects; `mean` averages draws, where they are.

        A share of the test set has its error; an early stop has the step between evaluations, and is open above where
        it is censored. Two rows of one training count once. Raises LotteryError for a column that is not there, and
        where `which` selects two rows of one draw.
        """
        self._check(table, (column,))
        values: Values = {}
        runs: set[tuple[int, int, str]] = set()
        for row in self.rows(table, which):
            if measured(row[column]):
                place, here = (row["seed"], row.get("draw", 0)), values.setdefault(self.trainings.level_of(row), {})
                if place in here:
                    raise LotteryError(f"{which} selects several rows of one run in the table {table}")
                training = (self.trainings.level_of(row), row["seed"], row.get("run") or f"draw {row.get('draw', 0)}")
                if training not in runs:
                    here[place] = self.estimate(row, column)
                    runs.add(training)
        return values if self.by_run else {level: averaged(here, mean) for level, here in values.items()}

    def estimate(self, row: Row, column: str) -> Estimate:
        """The value of `column` in a row of any table, with what is known of its error, and its trainings.

        An early stop at iteration 0, which has no logarithm, counts as one step between evaluations.
        """
        runs = self.trainings.runs_of(row)
        if column.endswith(ON_TEST):
            return Estimate.of_test_set(row[column], self.examples, hits_of(row, column), runs)
        if column != STOP:
            return Estimate(row[column], runs)
        stop, resolution = stop_after(row[STOP], self.step), self.step / math.sqrt(12)
        return Estimate(stop, runs, resolution=resolution, above=bool(row["early_stop_censored"]))

    def _check(self, table: str, columns: Iterable[str]) -> None:
        rows = self.tables.get(table, ())
        if rows and (unknown := [column for column in columns if column not in rows[0]]):
            raise LotteryError(f"the table {table} has no column {', '.join(unknown)}")

    @cached_property
    def trainings(self) -> Trainings:
        """The trainings that rows of all tables are about."""
        return Trainings(self.tables.get(RESULTS, ()), self.chance, self.arms)

    @cached_property
    def examples(self) -> int | None:
        """How many examples the test set has; None where no accuracy tells."""
        return examples_of(self.tables.get(RESULTS, ()))

    @cached_property
    def step(self) -> int:
        """The iterations from one evaluation to the next, as early stops tell."""
        return evaluation_step(self.tables.get(RESULTS, ()))

    def densities(self) -> dict[int, float]:
        """Level -> density, 0..1."""
        results = self.tables.get(RESULTS, ())
        return densities(results) | densities([row for row in results if row["arm"] == self.density_arm])

    def longest(self) -> int:
        """The iterations of the longest training."""
        return max((row["iterations"] or 0 for row in self.tables.get(RESULTS, ())), default=0)

    def replicate(self, seed: int, level: int) -> frozenset[str]:
        """The trainings whose masks the replicate of `seed` is about at `level`."""
        return self.trainings.runs_of({"seed": seed, "level": level, "arm": self.density_arm})

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
