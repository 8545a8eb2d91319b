"""What is measured of two children: loss and error on the line between them, their distance, their disagreement."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lth.analysis.agreement import disagreement, logits_of
from lth.analysis.connectivity import batch_norms
from lth.analysis.geometry import l2_distance
from lth.analysis.line import barrier, instability, line
from lth.analysis.lines import Lines, Scores, line_rows
from lth.analysis.monitor import Monitor, shifted
from lth.core.tables import Row
from lth.core.weights import digest, masked
from lth.data.tensors import Data
from lth.lottery.arms import Outcome

from .tables import INTERPOLATED, LINES, RECALCULATED, SPLITS, STABILITY

Item = tuple[str, Row]


@dataclass(frozen=True)
class Pairs:
    """Measures pairs of children on `data`.

    points: places on a line; examples: of each split on it, None for all. remember: (run, key, compute) -> the value
    that is kept with the run, else computed and kept.
    """

    data: Data
    points: int
    examples: int | None
    remember: Callable[[str, str, Callable[[], Any]], Any]
    monitor: Monitor

    def rows(self, first: Outcome, second: Outcome, about: Row) -> Iterator[Item]:
        """The row of stability.csv and the rows of lines.csv of two children; about: their setting and schedule."""
        place = {**about, "rewind": first.spec.plan.start, "level": first.level.index, "arm": first.arm}
        place |= {"first": first.draw, "second": second.draw}
        runs = {"run": first.result.run, "other_run": second.result.run}
        row = STABILITY.row(place, **runs, density=first.level.density, total=first.spec.plan.total)
        if {first.result.status, second.result.status} != {"done"}:
            yield STABILITY.name, row
            return
        first.spec.model.to(self.data.test.device)
        scores = self._scores(first, second)
        for statistics, along in scores.items():
            for at in line_rows(along, self.alphas):
                yield LINES.name, LINES.row(place, batch_norm=statistics, **at)
        row |= measures(self.alphas, scores[RECALCULATED], "")
        row |= measures(self.alphas, scores.get(INTERPOLATED, scores[RECALCULATED]), "_interpolated")
        examples = min(self.examples or math.inf, len(self.data.test))
        row["test_instability_error"] = instability_error(self.alphas, scores[RECALCULATED], int(examples))
        key = f"children: distance and agreement on test with {digest(second.result.final)}"
        row |= self.remember(first.result.run, key, partial(self._compared, first, second))
        yield STABILITY.name, row | {"line_examples": self.examples}

    @property
    def alphas(self) -> tuple[float, ...]:
        """The places on a line."""
        return line(0, 1, self.points)

    def _scores(self, first: Outcome, second: Outcome) -> dict[str, Scores]:
        """What BatchNorm's statistics are -> the scores on the line; once for a network without BatchNorm."""
        model, ends = first.spec.model, (first.result.final, second.result.final)
        ways = [RECALCULATED, *([INTERPOLATED] if batch_norms(model) else [])]
        progress = self.monitor(f"level {first.level.index}, {first.arm}, line", self.points * len(ways))
        name, remember = f"from end to {digest(second.result.final)}", partial(self.remember, first.result.run)
        scores = {}
        for number, way in enumerate(ways):
            lines = Lines(self.data, self.examples, self.alphas, way == RECALCULATED)
            further = shifted(progress, self.points * number)
            scores[way] = lines.scores(model, ends, name, remember, progress=further)
        return scores

    def _compared(self, first: Outcome, second: Outcome) -> Row:
        model, ends = first.spec.model, (first.result.final, second.result.final)
        start = masked(first.spec.initial_state, first.spec.mask)
        row: Row = {"distance": l2_distance(model, *ends)}
        row["distance_from_start"] = sum(l2_distance(model, end, start) for end in ends) / 2
        if self.data.task.targets == "classes":
            row["disagreement"] = disagreement(*(logits_of(model, end, self.data.test) for end in ends))
        return row


def measures(alphas: Sequence[float], scores: Scores, ending: str) -> Row:
    """The instability (points of error) and the barrier of the loss (nats) on each split, by column."""
    row: Row = {}
    for split in SPLITS:
        losses = [math.nan if loss is None else loss for loss, _ in scores[split]]
        row[f"{split}_loss_barrier{ending}"] = barrier(alphas, losses)
        if errors := errors_of(scores, split):
            row[f"{split}_instability{ending}"] = instability(alphas, errors)
    return row


def errors_of(scores: Scores, split: str) -> list[float]:
    """The error in percent at each place of a line; none of a task without accuracy."""
    return [100 * (1 - accuracy) for _, accuracy in scores[split] if accuracy is not None]


def instability_error(alphas: Sequence[float], scores: Scores, examples: int) -> float | None:
    """The standard error of the instability that a test set of `examples` leaves, if errors on it were independent.

    Of the highest error, and of the mean of those at the ends: an upper bound, since networks on one line tend to be
    wrong on the same examples.
    """
    errors = errors_of(scores, "test")
    if not errors:
        return None
    variances = [error * (100 - error) / examples for error in errors]
    highest = variances[errors.index(max(errors))]
    return math.sqrt(highest + (variances[0] + variances[-1]) / 4)
