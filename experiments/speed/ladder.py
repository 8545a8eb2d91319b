"""A search of Lenet-300-100 as `lth imp` makes it, each of its trainings in three ways, one after the other."""

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from statistics import fmean

from lth.core.keeping import copied
from lth.core.seeds import Seeds
from lth.data.tensors import Data
from lth.lottery.levels import levels
from lth.models.initialize import initialize
from lth.pruning.resolved import resolve
from lth.pruning.schedule import Pruning
from lth.training.loop import train
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

from .blocks import any_kernels
from .networks import NETWORKS, Images, plan_of
from .usual import Usual, dataset_of, usual_evaluation
from .ways import DENSE, OURS, USUAL, with_kernels

EVALUATE_EVERY = 100
SOME = 8
"""The usual way takes as long at every density: it trains at each eighth level alone."""
FRACTION, OUTPUT = 0.2, 0.1
"""What a pruning takes of a layer, and of the output layer, as in Frankle and Carbin 2019."""
WARM = 20
"""Iterations that each way trains before any is timed."""


@dataclass
class Ladder:
    """What the trainings of a search took: way -> seconds by level. evaluation: the part of it that evaluated."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    evaluation: dict[str, list[float]] = field(default_factory=dict)

    def total(self, way: str) -> float:
        """The seconds of the search; of a way that trained at some levels, as many times their mean."""
        return fmean(self.seconds[way]) * max(len(seconds) for seconds in self.seconds.values())

    def evaluation_share(self, way: str) -> float:
        """Percent of the time of one of our ways that went into evaluation."""
        return 100 * sum(self.evaluation[way]) / sum(self.seconds[way])


def climb(images: Images, count: int, iterations: int, seed: int, done: Callable[[str], None]) -> Ladder:
    """The trainings of a search of `count` levels after the dense one, with `iterations` each.

    Evaluation every 100 iterations on the validation split, and of the early stop and the last weights on the test
    split. Each way trains each level from the same weights under the same mask, in an order that turns around. done:
    called after each with what it was.
    """
    network, data = NETWORKS["lenet_300_100"], images.data()
    model = network.build(data)
    start = initialize(model, "glorot_normal", seed)
    plan = plan_of(network, data, iterations=iterations, evaluate_every=EVALUATE_EVERY)
    spec = RunSpec(model, start, {}, data, plan, Seeds().resolved(seed))
    usual = UsualTraining(images, data)
    ladder = Ladder()

    def fit(level: RunSpec) -> RunResult:
        return _trained(level, ladder, usual, done)

    for way in (OURS, DENSE, USUAL):
        _train(way, replace(spec, plan=replace(plan, stop=WARM, total=WARM)), usual)
    pruning = Pruning(fraction=FRACTION, fractions={"output": OUTPUT})
    for _ in levels(spec, resolve(model, pruning, count), fit):
        pass
    return ladder


def _trained(spec: RunSpec, ladder: Ladder, usual: "UsualTraining", done: Callable[[str], None]) -> RunResult:
    """Trains `spec` in each way, and notes how long each took; the result of our dense training."""
    level = len(ladder.seconds.get(DENSE, []))
    ways = [OURS, DENSE, *([USUAL] if level % SOME == 0 else [])]
    for way in ways[:: -1 if level % 2 else 1]:
        began = time.perf_counter()
        result = _train(way, spec, usual)
        ladder.seconds.setdefault(way, []).append(time.perf_counter() - began)
        if result is not None:
            ladder.evaluation.setdefault(way, []).append(result.evaluation_seconds)
        if way == DENSE:
            dense = result
        done(f"level {level}, {way}")
    assert dense is not None
    return dense


def _train(way: str, spec: RunSpec, usual: "UsualTraining") -> RunResult | None:
    if way == USUAL:
        usual.train(spec)
        return None
    return train(with_kernels(spec, "auto" if way == OURS else "dense"))


class UsualTraining:
    """The usual way to train and evaluate, on the splits of `data`."""

    def __init__(self, images: Images, data: Data) -> None:
        held_out = len(data.validation)
        self.train_set = dataset_of(images, "train", slice(held_out, None))
        self.validation = dataset_of(images, "train", slice(held_out))
        self.test = dataset_of(images, "test")

    def train(self, spec: RunSpec) -> None:
        """Trains `spec`, and evaluates on the validation split when our training does.

        At the end the weights of the lowest validation loss and the last ones are evaluated on the test split.
        """
        usual, plan = Usual(spec, copied(spec.model), self.train_set), spec.plan
        lowest, best = float("inf"), usual.model.state_dict()
        steps = usual.steps()
        with any_kernels():
            for iteration in range(plan.start, plan.stop + 1):
                if plan.evaluates(iteration):
                    loss, _ = usual_evaluation(usual.model, self.validation)
                    if loss < lowest:
                        lowest, best = loss, deepcopy(usual.model.state_dict())
                if iteration < plan.stop:
                    next(steps)
            usual_evaluation(usual.model, self.test)
            usual.model.load_state_dict(best)
            usual_evaluation(usual.model, self.test)
