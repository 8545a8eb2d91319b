"""Is it a winning ticket? A verdict for each density, from paired 95% intervals over distinct trainings.

A ticket is winning if it *trains* (no seed's ticket failed), is *matching* (its test accuracy is at most `margin`
points below that of the dense network of the same seed), *fast* (its early stop comes before `slower` times the dense
network's) and more accurate than its controls, reinit and shuffle. Where another metric than accuracy is compared, its
direction says what better is, and a margin of no share of examples is in percent of the dense networks' mean.

Each condition is decided if the entire interval lies on one side of its bound. The ticket is winning if all conditions
hold, not winning if one fails, and undecided otherwise. Fewer than 3 distinct trainings decide nothing.

Every density has its own verdict. For a statement about all of them, such as the smallest density with a winning
ticket, p-values are adjusted by Holm's method (1979): it holds whatever the correlation between levels, and unlike a
fixed sequence from dense downwards it does not end at the first density that the seeds leave undecided or where no
control was run. The p of a verdict is the largest of its conditions' (an intersection-union test).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lth.core.tables import Row
from lth.report.compared import advantage_at, compared_column, margin_in, metric_in
from lth.report.conditions import NO_CONTROL, SEEDS, Answer, Part, above, better, compared, fast, trains
from lth.report.criteria import Criteria
from lth.report.early_stop import log_ratio_to_dense
from lth.report.failures import Failures, failed, failures
from lth.report.holm import ALPHA, holm
from lth.report.intervals import DENSE, against_dense, paired
from lth.report.statistics import densities
from lth.tasks.metrics import ACCURACY, Metric

CONTROLS = ("reinit", "shuffle")

Decision = Literal["winning", "not winning", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """The verdict on the tickets of one level.

    parts: its conditions on intervals: matching, fast, better than each control. n: how many distinct pairs of ticket
    and dense network are compared. failures: of the tickets whose dense network trained. p, p_matching: of the verdict
    and of `matching`; p_adjusted, p_matching_adjusted: over all levels judged. metric: what is compared.
    margin: that of `criteria`, in the unit of its differences.
    """

    level: int
    density: float
    n: int
    decision: Decision
    parts: tuple[Part, ...]
    failures: Failures
    criteria: Criteria
    metric: Metric = ACCURACY
    margin: float = 0.0
    p_adjusted: float = 1.0
    p_matching_adjusted: float = 1.0

    @property
    def conditions(self) -> tuple[Part, ...]:
        """All conditions: `parts`, and that the ticket trains."""
        return (*self.parts, trains(self.failures))

    @property
    def part(self) -> Mapping[str, Part]:
        """Name -> condition."""
        return {part.name: part for part in self.conditions}

    @property
    def matching(self) -> bool | None:
        """Whether the ticket is as good as the dense network within the margin; None if undecided."""
        trains, matching = self.part["trains"], self.part["matching"]
        return matching.holds if trains.holds or matching.holds is False else trains.holds

    @property
    def p_matching(self) -> float:
        """The p of matching; 1 where a ticket failed."""
        return max(self.part["trains"].p, self.part["matching"].p)

    @property
    def p(self) -> float:
        """The p of a winning ticket: the largest of the conditions'."""
        return max(part.p for part in self.conditions)

    @property
    def answer(self) -> Answer:
        """How the ticket's metric compares with the dense network's."""
        interval = self.part["matching"].interval
        return "undecided" if interval is None else compared(interval, self.margin)

    @property
    def why(self) -> str:
        """The conditions that fail, or else those that are undecided; empty for a winning ticket."""
        if self.n < SEEDS and self.part["trains"].holds:
            return f"{self.n} of at least {SEEDS} distinct trainings"
        wanted = False if self.decision == "not winning" else None
        open_parts = [_say(part) for part in self.conditions if part.holds is wanted and part.note != NO_CONTROL]
        absent = [part.name.removeprefix("better than ") for part in self.parts if part.note == NO_CONTROL]
        missing = [f"no {' and '.join(absent)} to compare"] if absent and wanted is None else []
        return "; ".join([*open_parts, *missing])

    @property
    def short(self) -> str:
        """The decision; a matching ticket that is not a winning one is called matching."""
        return shortened(self.matching, self.decision)

    @property
    def words(self) -> str:
        """The decision with its margins, and why."""
        return worded(self.matching, self.decision, self.criteria.of(self.metric.is_share), self.why)


def shortened(matching: bool | None, decision: str) -> str:
    """A verdict in a few words: `matching; undecided`."""
    return f"{'matching; ' if matching and decision != 'winning' else ''}{decision}"


def worded(matching: bool | None, decision: str, criteria: str, why: str) -> str:
    """A verdict in words: `matching; undecided (within 0.2 points, 1.1 times): fast?`."""
    return f"{shortened(matching, decision)} ({criteria}){': ' if why else ''}{why}"


def verdicts(rows: Sequence[Row], criteria: Criteria | None = None) -> dict[int, Verdict]:
    """Level -> verdict on its tickets, for each pruned level in `rows`, which are of one setting.

    The metric is that at the early stop, or at the end where there is no validation split (then nothing says how fast
    a ticket is, and none is winning).
    """
    criteria = criteria or Criteria()
    column, metric = compared_column(rows), metric_in(rows)
    margin = margin_in(rows, criteria.margin)
    dense, speed = against_dense(rows, "ticket", column), log_ratio_to_dense(rows, "ticket")
    controls = {arm: paired(rows, "ticket", arm, column) for arm in CONTROLS}
    judged = {}
    for level in sorted({row["level"] for row in rows if row["arm"] == "ticket" and row["level"] != DENSE}):
        here = [row for row in rows if row["level"] == level]
        tickets = _whose_dense_trained(rows, level)
        parts = (
            above("matching", advantage_at(metric, dense, level), -margin),
            fast(rows, level, speed, criteria.slower),
            *(better(arm, here, advantage_at(metric, by_level, level)) for arm, by_level in controls.items()),
        )
        n = parts[0].interval.n if parts[0].interval else 0
        decision = _decide([*parts, trains(tickets)])
        judged[level] = Verdict(level, densities(rows)[level], n, decision, parts, tickets, criteria, metric, margin)
    return _adjusted(judged)


def _whose_dense_trained(rows: Sequence[Row], level: int) -> Failures:
    dense = {row["seed"] for row in rows if row["level"] == DENSE and row["arm"] == "ticket" and not failed(row)}
    return failures(row for row in rows if row["level"] == level and row["arm"] == "ticket" and row["seed"] in dense)


def _decide(parts: Sequence[Part]) -> Decision:
    if any(part.holds is False for part in parts):
        return "not winning"
    return "winning" if all(part.holds for part in parts) else "undecided"


def _adjusted(judged: Mapping[int, Verdict]) -> dict[int, Verdict]:
    """The verdicts with p-values adjusted over all levels; for winning, over those with every control."""
    controlled = [level for level, verdict in judged.items() if all(part.note != NO_CONTROL for part in verdict.parts)]
    winning = dict(zip(controlled, holm([judged[level].p for level in controlled]), strict=True))
    matching = dict(zip(judged, holm([verdict.p_matching for verdict in judged.values()]), strict=True))
    return {
        level: replace(verdict, p_adjusted=winning.get(level, 1.0), p_matching_adjusted=matching[level])
        for level, verdict in judged.items()
    }


def smallest(judged: Mapping[int, Verdict]) -> Iterator[tuple[str, float | None]]:
    """`matching` and `winning`, each with the smallest density whose ticket is so after adjustment; None for none."""
    matching = [x.density for x in judged.values() if x.matching and x.p_matching_adjusted <= ALPHA]
    winning = [x.density for x in judged.values() if x.decision == "winning" and x.p_adjusted <= ALPHA]
    yield "matching", min(matching, default=None)
    yield "winning", min(winning, default=None)


def _say(part: Part) -> str:
    """A part that does not hold or is undecided, with what stands in its way, in words."""
    name = f"not {part.name}" if part.holds is False else f"{part.name}?"
    return f"{name} ({part.note})" if part.note else name
