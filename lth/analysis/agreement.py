"""How similar networks are as functions: on how many examples their predictions differ, and what an ensemble gains.

Evci et al. 2022, section 3: tickets of one mask learn nearly the same function, so an ensemble of them gains little.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn

from lth.analysis.geometry import Tensors, check_fit
from lth.core.errors import LotteryError
from lth.core.keeping import kept
from lth.core.trees import call
from lth.core.weights import clone, load, modes_kept
from lth.data.tensors import Split
from lth.training.evaluate import CHUNK, predicted


@contextmanager
def holding(model: nn.Module, state: Tensors, mask: Tensors | None = None) -> Iterator[None]:
    """Within, `model` has the weights of `state` (on any device), pruned ones at zero; afterwards it is as before.

    Every bit of it, `.grad` and what it keeps beside its state dict, too. Raises LotteryError naming the tensor where
    state or mask do not fit the model.
    """
    check_fit(model, [state], mask)
    before = clone(dict(model.named_parameters()) | dict(model.named_buffers()))
    try:
        with modes_kept(model), kept(model):
            load(model, state, mask)
            yield
    finally:
        with torch.no_grad():
            for name, tensor in (*model.named_parameters(), *model.named_buffers()):
                tensor.copy_(before[name])


@torch.no_grad()
def logits_of(model: nn.Module, state: Tensors, split: Split, mask: Tensors | None = None) -> Tensor:
    """The logits (N, classes) of the network of `state` for every example of `split`, on the split's device.

    In evaluation mode, in batches of 1,000, with pruned weights at zero. `model` gives the architecture, lies where
    `split` does, and is unchanged.
    """
    with holding(model, state, mask):
        model.eval()
        return torch.cat([call(model, inputs) for inputs, _ in split.chunks(CHUNK)])


def predictions(outputs: Tensor) -> Tensor:
    """The predicted classes int64 (N,) of logits (N, classes); predictions (N,) are returned as they are."""
    return predicted(outputs) if outputs.ndim == 2 else outputs


def disagreement(first: Tensor, second: Tensor) -> float:
    """The fraction, 0..1, of examples that two networks classify differently, right or wrong.

    first, second: logits (N, classes) or predictions (N,) (Fort et al. 2019; the table of ensembles of Evci et al.
    2022). Raises LotteryError where the numbers of examples differ.

    >>> disagreement(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 2, 2, 2]))
    0.25
    """
    first, second = predictions(first).cpu(), predictions(second).cpu()
    if first.shape != second.shape:
        raise LotteryError(f"{len(first):,} and {len(second):,} examples: networks are compared on the same ones")
    return (first != second).double().mean().item()


def symmetric_kl(first: Tensor, second: Tensor) -> float:
    """(KL(p || q) + KL(q || p)) / 2 of two networks' class probabilities, in nats, averaged over the examples.

    From logits (N, classes), in float64. Half of the divergence of Kullback & Leibler 1951, so it is on the scale of a
    single KL divergence: 0 for equal probabilities, unbounded above.
    """
    p, q = (logits.cpu().double().log_softmax(1) for logits in (first, second))
    return ((p.exp() - q.exp()) * (p - q)).sum(1).mean().item() / 2


def ensemble_accuracy(logits: Sequence[Tensor], labels: Tensor) -> float:
    """The accuracy, 0..1, of an ensemble that averages the networks' probabilities (Lakshminarayanan et al. 2017).

    logits: (N, classes) of each network; labels: (N,). Softmax and mean are computed in float64.
    """
    mean = torch.stack([one.cpu().double().softmax(1) for one in logits]).mean(0)
    return (predicted(mean) == labels.cpu()).double().mean().item()


@dataclass(frozen=True)
class Spread:
    """The mean of `count` values, and their sample standard deviation (None for fewer than two)."""

    mean: float
    std: float | None
    count: int


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    mean = math.fsum(values) / len(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return Spread(mean, math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Agreement:
    """n networks on one split, as in the table of Evci et al. 2022; accuracies and disagreements 0..1, KL in nats.

    disagreement, kl: over the n (n - 1) / 2 pairs, which are not independent; None for one network. with_reference:
    each network's disagreement with a given one; None where none was given.
    """

    accuracy: Spread
    ensemble: float
    disagreement: Spread | None
    kl: Spread | None
    with_reference: Spread | None


def agreement(logits: Sequence[Tensor], labels: Tensor, reference: Tensor | None = None) -> Agreement:
    """How similar the predictions of networks are, to each other and to those of `reference`.

    logits: (N, classes) of each network on one split; labels: (N,). Raises LotteryError without any network.
    """
    if not logits:
        raise LotteryError("no network: there is nothing to compare")
    pairs = list(combinations(logits, 2))
    return Agreement(
        accuracy=spread([1 - disagreement(one, labels) for one in logits]),
        ensemble=ensemble_accuracy(logits, labels),
        disagreement=spread([disagreement(*pair) for pair in pairs]) if pairs else None,
        kl=spread([symmetric_kl(*pair) for pair in pairs]) if pairs else None,
        with_reference=spread([disagreement(one, reference) for one in logits]) if reference is not None else None,
    )
