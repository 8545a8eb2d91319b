"""What a score costs is what torch counts while it is taken."""

from collections.abc import Callable

from torch import nn

from lth.compression.measure import training_flops
from lth.compression.scoring_cost import score_cost
from lth.data.batches import scoring_examples
from lth.data.tensors import Data
from lth.pruning.schedule import Pruning


def test_flops_are_those_of_a_training_iteration_on_the_examples(data: Data, make_network: Callable[[], nn.Module]):
    """SNIP is one pass forward and backward; SynFlow one on a single input, 100 times; GraSP is more than SNIP."""
    model, examples = make_network(), scoring_examples(data.train, 3)
    batch, one = (training_flops(model, examples.images[:n], examples.labels[:n]) for n in (len(examples), 1))
    costs = {
        score: score_cost(Pruning(score=score, score_at="init", schedule="one_shot", examples=3), model, data.train)
        for score in ("snip", "grasp", "synflow", "magnitude")
    }
    assert (costs["snip"].flops, costs["synflow"].flops) == (batch, 100 * one)
    assert costs["grasp"].flops > 1.5 * batch and costs["snip"].seconds > 0
    assert costs["snip"].epochs == len(examples) / len(data.train) and costs["synflow"].epochs == 0
    assert costs["magnitude"] is None
    assert all(x.grad is None and x.requires_grad for x in model.parameters())
