"""What it costs to compute a pruning score from the network, measured by computing it."""

import time

from torch import nn

from lth.compression.operators import count_flops
from lth.compression.products import plain_kernels
from lth.compression.search_cost import ScoreCost
from lth.core.rng import rng
from lth.core.weights import clone
from lth.data.batches import scoring_examples
from lth.data.tensors import Split
from lth.pruning.mask import dense, prunable
from lth.pruning.schedule import Pruning
from lth.pruning.scores import score_of, steps_of
from lth.pruning.scores.inputs import Network, ScoreInputs


def score_cost(pruning: Pruning, model: nn.Module, train: Split) -> ScoreCost | None:
    """What one pruning by the score of `pruning` costs, with the examples of `train` that the score takes.

    The score is computed twice at the weights of `model`, once to count its FLOPs and once to time it; both are then
    multiplied by how often one pruning computes it. Dense kernels make the mask irrelevant. None for a score of the
    weights alone, which needs no matrix products.
    """
    score, steps = score_of(pruning), steps_of(pruning)
    if not score.needs & {"network", "examples"}:
        return None
    examples, state = scoring_examples(train, pruning.examples), clone(model.state_dict())
    layers = prunable(model, pruning.exclude, pruning.output, include=pruning.include)
    network = Network(model, state, examples.images, examples.labels, examples.task)
    inputs = ScoreInputs({x.name: state[x.name] for x in layers}, dense(layers), rng(0, "score"), state, network)
    with plain_kernels():
        flops = count_flops(lambda: score(inputs))
    began = time.perf_counter()
    score(inputs)
    seconds = time.perf_counter() - began
    epochs = len(examples) / len(train) if "examples" in score.needs else 0.0
    return ScoreCost(steps * epochs, steps * flops, steps * seconds)
