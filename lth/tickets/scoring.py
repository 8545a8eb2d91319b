"""What a score of a network looks at and takes, and when a gradual pruning happens in a training."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lth.core.errors import SettingError
from lth.core.rng import rng
from lth.core.weights import State
from lth.data.tensors import Split
from lth.pruning.gradual import GradualLadder
from lth.pruning.mask import Layer, dense
from lth.pruning.schedule import Pruning
from lth.pruning.scores import OF_DATA, OF_NETWORK, SCORES, steps_of
from lth.pruning.scores.basis import Basis, Network
from lth.pruning.select import selection_of
from lth.training.job import Job
from lth.training.recipe import iterations_of


def scoring_examples(split: Split, per_class: int) -> Split:
    """The first `per_class` examples of each class in a fixed order, the same for every network and seed.

    In order of that draw; of a class with fewer, all. `split` is to be the training split.
    """
    order = torch.randperm(len(split), generator=rng(0, "score"))
    labels = split.labels.cpu()[order]
    chosen = torch.zeros(len(split), dtype=torch.bool)
    for label in labels.unique():
        chosen[(labels == label).nonzero().flatten()[:per_class]] = True
    places = order[chosen].to(split.labels.device)
    return Split(split.images[places], split.labels[places])


def network_of(job: Job, state: State, pruning: Pruning) -> Network | None:
    """The network of `job` at `state`, with examples of its training split; None for a score that asks for none."""
    if pruning.score not in OF_NETWORK:
        return None
    return _scored(job.model, state, job.data.train, pruning)


def _scored(model: nn.Module, state: State, train: Split, pruning: Pruning) -> Network:
    chosen = scoring_examples(train, pruning.examples)
    return Network(model, state, chosen.images, chosen.labels)


@dataclass(frozen=True)
class ScoreCost:
    """What the score of one mask takes: the training examples that it looks at, and FLOPs, with dense kernels."""

    examples: int
    flops: int


def score_cost(model: nn.Module, state: State, train: Split, layers: Sequence[Layer], pruning: Pruning) -> ScoreCost:
    """What `pruning` takes to score `layers` of `model` at `state` for one mask, all its steps together.

    FLOPs are those of matrix products and convolutions, forward and backward, as the score itself is taken under
    `torch.utils.flop_counter`; a score of weights alone has none. The seconds are measured where masks are made.
    """
    if pruning.score not in OF_NETWORK:
        return ScoreCost(0, 0)
    network, whole = _scored(model, state, train, pruning), dense(layers)
    weights = {name: state[name] for name in whole}
    with FlopCounterMode(display=False) as counter:
        SCORES[pruning.score](Basis(weights, whole, rng(0, "score"), None, network))
    examples, steps = len(network.images) if pruning.score in OF_DATA else 0, steps_of(pruning)
    return ScoreCost(steps * examples, steps * int(counter.get_total_flops()))


def gradual_of(job: Job, layers: Sequence[Layer], pruning: Pruning, keep: dict[str, int]) -> GradualLadder:
    """How `job` is pruned in its training to `keep`; SettingError where the times do not fit into it.

    By default from a quarter of what is trained up to the last turn within three quarters.
    """
    plan, asked = job.plan, pruning.gradual
    per_epoch = len(job.data.train) // plan.batch_size
    every = iterations_of(asked.every, per_epoch, "pruning.gradual.every")
    if every < 1:
        raise SettingError("pruning.gradual.every", asked.every, "must be at least one iteration")
    length = plan.total - plan.start
    begin, last = plan.start + length // 4, plan.start + length * 3 // 4
    if asked.begin is not None:
        begin = iterations_of(asked.begin, per_epoch, "pruning.gradual.begin")
    end = begin + max(0, last - begin) // every * every
    if asked.end is not None:
        end = iterations_of(asked.end, per_epoch, "pruning.gradual.end")
    update = GradualLadder(pruning.score, selection_of(pruning, layers), keep, begin, end, every)
    update.check({layer.name: torch.ones(()) for layer in layers}, plan.start, plan.total)
    return update
