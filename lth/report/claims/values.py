"""The values that claims bound, with what is known of their error and of the trainings that they come from.

The error of an accuracy over test sets, the step that an early stop is known to, the side that censoring leaves open,
and the trainings: all follow a value through whatever is computed from it.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lth.report.intervals import Interval, t_interval
from lth.report.units import Unit, distinct, shared_error

Place = tuple[int, int]
"""(seed, run within the seed)."""
Values = dict[int, dict[Place, float]]
"""Level -> place -> value; a value of the seed as a whole has run 0."""
Combine = Callable[..., float | None]
"""What is computed from values; None leaves them out."""
STEP = 1e-6
"""The step of a numeric derivative, as a share of the value."""


class Estimate(float):
    """A value and what is known of it. Its own arithmetic gives plain floats: `derived` keeps what is known.

    runs: the trainings that it comes from. error: its standard error over test sets, which all seeds share; an upper
    bound, unless `effects` are known, those of each test example on it, (examples,). resolution: its standard error
    from the step that it is known to, which seeds do not share. above, below: whether the true value may lie anywhere
    above it, below it.

    >>> share = Estimate.of_test_set(0.9, 10_000)
    >>> float(share), round(share.error, 6)
    (0.9, 0.003)
    """

    runs: frozenset[str]
    error: float
    effects: NDArray[np.float64] | None
    resolution: float
    above: bool
    below: bool

    def __new__(
        cls,
        value: float,
        runs: frozenset[str] = frozenset(),
        *,
        error: float = 0.0,
        effects: NDArray[np.float64] | None = None,
        resolution: float = 0.0,
        above: bool = False,
        below: bool = False,
    ) -> Self:
        estimate = super().__new__(cls, value)
        estimate.runs, estimate.error, estimate.effects = runs, error, effects
        estimate.resolution, estimate.above, estimate.below = resolution, above, below
        return estimate

    def __getnewargs_ex__(self) -> tuple[tuple[float], dict[str, Any]]:
        return (float(self),), vars(self)

    @classmethod
    def of_test_set(
        cls,
        share: float,
        examples: int | None,
        hits: NDArray[np.bool_] | None = None,
        runs: frozenset[str] = frozenset(),
    ) -> Self:
        """A share (0..1) of test examples; hits: which ones, where that is known. None examples: nothing is known."""
        error = math.sqrt(max(share * (1 - share), 0.0) / examples) if examples else 0.0
        return cls(share, runs, error=error, effects=None if hits is None else hits - hits.mean())

    @property
    def uncertain(self) -> bool:
        """Whether anything but the spread over seeds is known of its error."""
        return bool(self.error or self.resolution or self.effects is not None or self.above or self.below)

    def of_runs(self, runs: frozenset[str]) -> Self:
        """The same, as the value of other trainings."""
        return type(self)(self, **vars(self) | {"runs": runs})

    @property
    def unit(self) -> Unit:
        """The value as a unit of statistics."""
        effects = None if self.effects is None else self.effects.astype(np.float32)
        return Unit(float(self), self.runs, effects, self.error**2)


def estimate(value: float) -> Estimate:
    """`value` as an Estimate; nothing is known of a plain number."""
    return value if isinstance(value, Estimate) else Estimate(value)


def derived(combine: Combine, *inputs: float) -> Estimate | None:
    """`combine` of `inputs`, with all that is known carried over (the delta method); None where it gives None.

    Without the effects of single examples the inputs' errors are taken as independent: an upper bound for comparisons,
    since networks tend to be wrong on the same examples.
    """
    return _derived(combine, inputs, lambda errors: math.hypot(*errors))


def mean_of(values: Sequence[float], mean: Callable[[Sequence[float]], float] = statistics.fmean) -> Estimate:
    """`mean` of values that share a test set, so that their errors do not average out."""
    average = _derived(lambda *draws: mean(draws), values, math.fsum)
    assert average is not None
    return average


def _derived(combine: Combine, inputs: Sequence[float], add: Callable[[Sequence[float]], float]) -> Estimate | None:
    value = combine(*inputs)
    if value is None:
        return None
    known = [estimate(x) for x in inputs]
    slopes = [_slope(combine, known, place, value) if x.uncertain else 0.0 for place, x in enumerate(known)]
    moved = [(x, slope) for x, slope in zip(known, slopes, strict=True) if slope]
    sides = [(x.above, x.below) if slope > 0 else (x.below, x.above) for x, slope in moved]
    return Estimate(
        value,
        frozenset[str]().union(*(x.runs for x in known)),
        error=add([abs(slope) * x.error for x, slope in moved]),
        effects=_effects(moved),
        resolution=math.hypot(*(slope * x.resolution for x, slope in moved)),
        above=any(above for above, _ in sides),
        below=any(below for _, below in sides),
    )


def _slope(combine: Combine, inputs: Sequence[Estimate], place: int, value: float) -> float:
    """The derivative of `combine` by the input at `place`; 0 where it has none."""
    step = STEP * (abs(inputs[place]) or 1.0)
    moved = combine(*inputs[:place], float(inputs[place]) + step, *inputs[place + 1 :])
    return (moved - value) / step if moved is not None and math.isfinite(moved - value) else 0.0


def _effects(moved: Sequence[tuple[Estimate, float]]) -> NDArray[np.float64] | None:
    """The effects of test examples on what has such a slope by each of these; None unless known of all of them."""
    shares = [(x, slope) for x, slope in moved if x.error or x.effects is not None]
    effects = [slope * x.effects for x, slope in shares if x.effects is not None]
    if not effects or len(effects) < len(shares) or len({len(effect) for effect in effects}) > 1:
        return None
    total: NDArray[np.float64] = np.sum(effects, axis=0, dtype=np.float64)
    return total


def interval_of(estimates: Sequence[Estimate]) -> Interval:
    """The 95% interval of the mean over distinct trainings, one side open where a value is a bound.

    Values that share a training are one unit. No interval is narrower than the test set leaves the mean, or the step to
    which values are known.
    """
    units = distinct(value.unit for value in estimates)
    resolution = statistics.fmean(value.resolution**2 for value in estimates) / len(units)
    interval = t_interval([unit.value for unit in units], floor=math.hypot(shared_error(units), math.sqrt(resolution)))
    low = None if any(value.below for value in estimates) else interval.low
    high = None if any(value.above for value in estimates) else interval.high
    return replace(interval, low=low, high=high)


def paired(first: Values, second: Values, combine: Combine) -> Values:
    """`combine` of the values that both have of a level and place; a pair that it gives None for is left out."""
    values: Values = {}
    for level, here in first.items():
        for place in here.keys() & second.get(level, {}).keys():
            combined = derived(combine, here[place], second[level][place])
            if combined is not None:
                values.setdefault(level, {})[place] = combined
    return values


def scaled(values: Values, factor: float) -> Values:
    """The values times `factor`."""
    return {level: {place: _times(x, factor) for place, x in here.items()} for level, here in values.items()}


def _times(value: float, factor: float) -> float:
    product = derived(lambda x: factor * x, value)
    assert product is not None
    return product


def averaged(places: Mapping[Place, float], mean: Callable[[Sequence[float]], float]) -> dict[Place, float]:
    """The values at `places` averaged by `mean` within each seed, as run 0."""
    by_seed: dict[int, list[float]] = {}
    for (seed, _), value in sorted(places.items()):
        by_seed.setdefault(seed, []).append(value)
    return {(seed, 0): mean_of(values, mean) for seed, values in by_seed.items()}


def geometric_mean(values: Sequence[float]) -> float:
    """The geometric mean of ratios or other positive quantities; 0 where one is 0, NaN where one is negative.

    >>> geometric_mean([1.0, 4.0]), geometric_mean([0.0, 4.0])
    (2.0, 0.0)
    """
    if min(values) <= 0:
        return 0.0 if min(values) == 0 else math.nan
    return statistics.geometric_mean(values)
