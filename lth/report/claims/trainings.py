"""The trainings that results.csv holds, found again from a row of any table: their runs, and which of them failed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from lth.core.tables import Row
from lth.report.failures import Failures, failed, failures


@dataclass(frozen=True)
class Trainings:
    """The trainings of the rows `results`, all of them.

    chance: the share of the test set's most frequent class, for results that do not hold it. arms: column of another
    table -> its value -> the arm in the results. A row without a level is about the last one.
    """

    results: Sequence[Row]
    chance: float | None = None
    arms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def last_level(self) -> int:
        """The sparsest level of the results; 0 where there are none."""
        return max((row["level"] for row in self.results), default=0)

    def level_of(self, row: Row) -> int:
        """The level that `row` is about."""
        level = row.get("level")
        return self.last_level if level is None else int(level)

    def arm_of(self, row: Mapping[str, Any]) -> str | None:
        """The arm in the results that a row of any table, or a selection of rows, is about; None where it names none.

        >>> Trainings((), arms={"init": {"lottery": "ticket"}}).arm_of({"init": "lottery", "draw": 0})
        'ticket'
        """
        names = [arms[row[column]] for column, arms in self.arms.items() if row.get(column) in arms]
        return row.get("arm") or next(iter(names), None)

    def of(self, row: Row) -> Sequence[Row]:
        """The results of the trainings that a row of any table is about: of one draw, or without one of all draws."""
        which = (row.get("schedule"), row.get("iterate"))
        place = (*which, row.get("seed"), self.level_of(row), self.arm_of(row), row.get("draw"))
        return self._by_place.get(place, ())

    @cached_property
    def _by_place(self) -> dict[tuple[Any, ...], list[Row]]:
        """(schedule, iterate, seed, level, arm, draw) -> the results there; None is any schedule, way or draw."""
        places: dict[tuple[Any, ...], list[Row]] = {}
        for row in self.results:
            ways = dict.fromkeys((row.get("iterate"), None))
            for schedule, way, draw in product((row["schedule"], None), ways, (row["draw"], None)):
                places.setdefault((schedule, way, row["seed"], row["level"], row["arm"], draw), []).append(row)
        return places

    def runs_of(self, row: Row) -> frozenset[str]:
        """The fingerprints of the trainings that a row of any table is about; none where it names no arm."""
        if run := row.get("run"):
            return frozenset((run,))
        return frozenset(training["run"] for training in self.of(row) if training["run"])

    def is_of_failed(self, row: Row) -> bool:
        """Whether `row`, of any table, is about a training that failed, or about several of which one did."""
        if "status" in row and "final_test_accuracy" in row:
            return failed(row, self.chance)
        return any(failed(training, self.chance) for training in self.of(row))

    def trained(self, row: Row) -> int:
        """How many of the trainings that a row of any table is about did not fail."""
        return sum(not failed(training, self.chance) for training in self.of(row))

    def failures(self, which: Mapping[str, Any], levels: Iterable[int]) -> Failures:
        """How many of the trainings failed that a selection of rows of any table is about, at `levels` or its own."""
        names = ("schedule", "iterate", "level")
        keys = {key: which[key] for key in names if key in which} | {"arm": self.arm_of(which)}
        rows = (row for row in self.results if all(row.get(key) == value for key, value in keys.items()))
        return failures((row for row in rows if "level" in which or row["level"] in levels), self.chance)
