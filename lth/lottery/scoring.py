"""The network that a score is computed on, and the gradual pruning of a training."""

from collections.abc import Mapping

import torch

from lth.core.weights import State
from lth.data.batches import scoring_examples
from lth.pruning.gradual import GradualCounts
from lth.pruning.resolved import ResolvedPruning
from lth.pruning.scores import score_of
from lth.pruning.scores.inputs import Network
from lth.training.run_spec import RunSpec


def scored_network(spec: RunSpec, state: State, pruning: ResolvedPruning) -> Network | None:
    """The network of `spec` at `state`, with examples of its training split; None where the score needs neither."""
    if not score_of(pruning.settings).needs & {"network", "examples"}:
        return None
    chosen = scoring_examples(spec.data.train, pruning.settings.examples)
    return Network(spec.model, state, chosen.images, chosen.labels, chosen.task)


def gradual_of(spec: RunSpec, pruning: ResolvedPruning, keep: Mapping[str, int]) -> GradualCounts:
    """How the training `spec` prunes to `keep` as it goes; SettingError where the durations do not fit into it.

    By default from a quarter of the training on, up to the last pruning within three quarters of it.
    """
    plan = spec.plan
    per_epoch = len(spec.data.train) // plan.batch_size
    times = pruning.settings.gradual.in_iterations(per_epoch, plan.start, plan.total)
    update = GradualCounts(pruning.settings.score, pruning.selection, dict(keep), *times)
    update.check({layer.name: torch.ones(()) for layer in pruning.layers}, plan.start, plan.total)
    return update
