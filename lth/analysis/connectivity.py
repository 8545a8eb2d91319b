"""Linear mode connectivity: the loss on the straight line between two networks, and the barrier on it.

Evci et al. 2022, section 3: between a trained ticket and the pruned solution there is no barrier; between a network
that was trained from scratch and the pruned solution there is one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn

from lth.analysis.agreement import holding
from lth.analysis.geometry import Tensors, check_fit
from lth.analysis.line import barrier, line
from lth.core.errors import LotteryError
from lth.core.trees import call, parts
from lth.core.weights import State, beside, masked, modes_kept, with_beside
from lth.data.tensors import Data, Split
from lth.training.evaluate import CHUNK, Score, evaluate
from lth.training.run_spec import Progress


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
    recalculate: bool = True,
) -> Line:
    """Loss and accuracy along the straight line from `start` to `end` (Evci et al. 2022, section 3), on `splits`.

    Both ends are first masked by `mask` (None: left as they are; the authors use the mask of the start). Parameters and
    float buffers are interpolated; other buffers are those of the nearer end. BatchNorm's statistics are recomputed on
    `data.train`, at the ends too, since those of an interpolated network are not interpolated; without `recalculate`
    they are interpolated as all other tensors. `model` gives the architecture, lies where `data` does, and is
    unchanged. `progress` is called with the number of places done. Raises LotteryError naming the tensor where the two
    networks differ in shape, and where there is no data to recompute statistics on.
    """
    check_fit(model, [start, end], mask)
    ends = masked(start, mask or {}), masked(end, mask or {})
    scores: dict[str, list[Score]] = {split: [] for split in splits}
    for done, alpha in enumerate(alphas, 1):
        statistics = batch_norm_on(model, data.train) if recalculate else nullcontext()
        with holding(model, mixed(*ends, alpha)), statistics:
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


def batch_norms(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The modules of `model` that normalise by running statistics."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [module for module in norms if module.running_mean is not None]


@contextmanager
def batch_norm_on(model: nn.Module, split: Split) -> Iterator[None]:
    """Within, BatchNorm's running statistics are those of `split`. Afterwards momenta, not statistics, are as before.

    They are the means, over batches of nearly equal size and at most 1,000 examples, of each batch's mean and variance,
    with dropout off and the layers before normalising by the batch. A network without running statistics is unchanged.
    """
    norms = batch_norms(model)
    if norms and not len(split):
        raise LotteryError("BatchNorm's statistics cannot be recomputed on the line: there is no training data")
    momenta = [module.momentum for module in norms]
    try:
        if norms:
            with torch.no_grad(), modes_kept(model):
                model.eval()
                for module in norms:
                    module.reset_running_stats()
                    module.momentum = None  # torch: then the plain mean over the batches
                    module.train()
                for images in parts(split.images, ceil(len(split) / CHUNK)):
                    call(model, images)
        yield
    finally:
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum
