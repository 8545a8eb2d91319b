"""What a score of a spec's network looks at, and when a gradual pruning happens in its training."""

from collections.abc import Sequence

import torch

from lth.core.errors import SettingError
from lth.core.rng import rng
from lth.core.weights import State
from lth.data.tensors import Split
from lth.pruning.gradual import GradualCounts
from lth.pruning.mask import Layer
from lth.pruning.schedule import Pruning
from lth.pruning.scores import OF_NETWORK
from lth.pruning.scores.inputs import Network
from lth.pruning.select import selection_of
from lth.training.recipe import iterations_of
from lth.training.run_spec import RunSpec


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


def network_of(spec: RunSpec, state: State, pruning: Pruning) -> Network | None:
    """The network of `spec` at `state`, with examples of its training split; None for a score that asks for none."""
    if pruning.score not in OF_NETWORK:
        return None
    chosen = scoring_examples(spec.data.train, pruning.examples)
    return Network(spec.model, state, chosen.images, chosen.labels)


def gradual_of(spec: RunSpec, layers: Sequence[Layer], pruning: Pruning, keep: dict[str, int]) -> GradualCounts:
    """How `spec` is pruned in its training to `keep`; SettingError where the times do not fit into it.

    By default from a quarter of what is trained up to the last turn within three quarters.
    """
    plan, asked = spec.plan, pruning.gradual
    per_epoch = len(spec.data.train) // plan.batch_size
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
    update = GradualCounts(pruning.score, selection_of(pruning, layers), keep, begin, end, every)
    update.check({layer.name: torch.ones(()) for layer in layers}, plan.start, plan.total)
    return update
