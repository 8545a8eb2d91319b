"""What it costs to take a score that asks the network, by taking it."""

import time

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lth.compression.search_cost import Scoring
from lth.core.rng import rng
from lth.core.weights import clone
from lth.data.tensors import Split
from lth.lottery.scoring import scoring_examples
from lth.pruning.mask import dense, prunable
from lth.pruning.schedule import Pruning
from lth.pruning.scores import score_of, steps_of
from lth.pruning.scores.inputs import Network, ScoreInputs


def scoring_of(pruning: Pruning, model: nn.Module, train: Split) -> Scoring | None:
    """What one pruning by the score of `pruning` costs on the examples of `train` that it looks at.

    The score is taken twice, at the weights of `model`: its products are counted, then it is timed, and both times how
    often one pruning takes it. Which weights are pruned makes no difference to dense kernels. None for a score of the
    weights alone, which multiplies nothing.
    """
    score, often = score_of(pruning), steps_of(pruning)
    if not score.needs & {"network", "examples"}:
        return None
    chosen, state = scoring_examples(train, pruning.examples), clone(model.state_dict())
    layers = prunable(model, pruning.exclude, pruning.output)
    network = Network(model, state, chosen.images, chosen.labels)
    inputs = ScoreInputs({x.name: state[x.name] for x in layers}, dense(layers), rng(0, "score"), state, network)
    with FlopCounterMode(display=False) as counter:
        score(inputs)
    began = time.perf_counter()
    score(inputs)
    seconds = time.perf_counter() - began
    epochs = len(chosen) / len(train) if "examples" in score.needs else 0.0
    return Scoring(often * epochs, often * int(counter.get_total_flops()), often * seconds)
