"""Linear mode connectivity: the loss on the straight line between two networks, and the barrier on it.

Evci et al. 2022, section 3: between a trained ticket and the pruned solution there is no barrier; between a network
that was trained from scratch and the pruned solution there is one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn

from lth.analysis.agreement import holding
from lth.analysis.geometry import Tensors, check_fit
from lth.core.errors import LotteryError
from lth.core.weights import State, beside, masked, modes_kept, with_beside
from lth.data.tensors import Data, Split
from lth.training.evaluate import CHUNK, Score, evaluate
from lth.training.run_spec import Progress


def line(first: float = -0.2, last: float = 1.2, points: int = 29) -> tuple[float, ...]:
    """`points` evenly spaced places from `first` to `last`: -0.2, -0.15, ..., 1.2 in the code of Evci et al. 2022.

    Rounded to 12 digits, so that 0 and 1 are exactly the two networks.

    >>> line(0, 1, 5)
    (0.0, 0.25, 0.5, 0.75, 1.0)
    """
    steps = max(points - 1, 1)
    return tuple(round(first + (last - first) * number / steps, 12) + 0.0 for number in range(points))


def barrier(alphas: Sequence[float], values: Sequence[float]) -> float:
    """The largest rise of `values` above the line between those at the two ends, for alpha in [0, 1]; at least 0.

    max over alpha of value(alpha) - ((1 - alpha) value(0) + alpha value(1)), in the values' unit (Entezari et al.
    2022). Frankle et al. 2020, section 2, subtract the mean of the ends instead, which is the same where the ends are
    equal. As a maximum over `alphas` alone it is a lower bound. NaN where a value is NaN. Raises LotteryError where 0
    or 1 is missing.

    >>> barrier([0.0, 0.5, 1.0], [0.2, 0.9, 0.4])
    0.6
    """
    at = dict(zip(alphas, values, strict=True))
    if not {0.0, 1.0} <= set(at):
        raise LotteryError("a barrier needs the values of the two networks: alpha = 0 and alpha = 1")
    inside = [value - ((1 - alpha) * at[0.0] + alpha * at[1.0]) for alpha, value in at.items() if 0 <= alpha <= 1]
    return torch.tensor(inside, dtype=torch.float64).clamp(min=0).max().item()


@dataclass(frozen=True)
class Line:
    """The scores of (1 - alpha) * start + alpha * end at each of `alphas`, by split."""

    alphas: tuple[float, ...]
    scores: dict[str, tuple[Score, ...]]

    def barrier(self, split: str) -> float:
        """The barrier of the mean loss, in nats."""
        return barrier(self.alphas, [score.loss for score in self.scores[split]])

    def error_barrier(self, split: str) -> float:
        """The barrier of the error (1 - accuracy), 0..1."""
        return barrier(self.alphas, [1 - score.accuracy for score in self.scores[split]])


def interpolate(
    model: nn.Module,
    start: Tensors,
    end: Tensors,
    data: Data,
    mask: Tensors | None = None,
    alphas: Sequence[float] = line(),
    splits: Sequence[str] = ("train", "test"),
    progress: Progress | None = None,
) -> Line:
    """Loss and accuracy along the straight line from `start` to `end` (Evci et al. 2022, section 3), on `splits`.

    Both ends are first masked by `mask` (None: left as they are; the authors use the mask of the start). Parameters and
    float buffers are interpolated; other buffers are those of the nearer end. BatchNorm's statistics are recomputed on
    `data.train`, at the ends too, since those of an interpolated network are not interpolated. `model` gives the
    architecture, lies where `data` does, and is unchanged. `progress` is called with the number of places done. Raises
    LotteryError naming the tensor where the two networks differ in shape.
    """
    check_fit(model, [start, end], mask)
    ends = masked(start, mask or {}), masked(end, mask or {})
    scores: dict[str, list[Score]] = {split: [] for split in splits}
    for done, alpha in enumerate(alphas, 1):
        with holding(model, mixed(*ends, alpha)), batch_norm_on(model, data.train):
            for split, along in scores.items():
                along.append(evaluate(model, getattr(data, split)))
        if progress:
            progress(done)
    return Line(tuple(alphas), {split: tuple(along) for split, along in scores.items()})


def mixed(start: Tensors, end: Tensors, alpha: float) -> State:
    """(1 - alpha) * start + alpha * end, exactly `start` at 0 and `end` at 1; integer tensors from the nearer end.

    So is what the network keeps beside them.
    """

    def between(first: Tensor, second: Tensor) -> Tensor:
        if alpha in (0, 1) or not first.is_floating_point():
            return second if alpha >= 0.5 else first
        return (1 - alpha) * first + alpha * second

    tensors = {name: between(first, end[name].to(first.device)) for name, first in start.items()}
    return with_beside(tensors, beside(end if alpha >= 0.5 else start))


@contextmanager
def batch_norm_on(model: nn.Module, split: Split) -> Iterator[None]:
    """Within, BatchNorm's running statistics are those of `split`. Afterwards momenta, not statistics, are as before.

    They are the means, over batches of nearly equal size and at most 1,000 examples, of each batch's mean and variance,
    with dropout off and the layers before normalising by the batch. A network without running statistics is unchanged.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    norms = [module for module in norms if module.running_mean is not None]
    momenta = [module.momentum for module in norms]
    try:
        if norms:
            with torch.no_grad(), modes_kept(model):
                model.eval()
                for module in norms:
                    module.reset_running_stats()
                    module.momentum = None  # torch: then the plain mean over the batches
                    module.train()
                for images in split.images.tensor_split(ceil(len(split) / CHUNK)):
                    model(images)
        yield
    finally:
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum
