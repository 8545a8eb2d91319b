"""Which examples come when, addressed by seed, epoch and iteration: batches, augmentation, examples to score by."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lth.core.rng import rng
from lth.data.tensors import Split

UNCLASSED = 10
"""Examples to score by are so many times those of a class, where there are no classes."""
PADDING = 4
"""The pixels that `flip_crop` shifts by at most; of larger images it leaves more than half of each side."""


def order(examples: int, seed: int, epoch: int) -> Tensor:
    """The order of the training examples in `epoch` (0, 1, ...): a permutation, int64 (examples,)."""
    return torch.randperm(examples, generator=rng(seed, "order", epoch))


def batches(
    split: Split, batch_size: int, seed: int, start: int, stop: int, until: Callable[[int], int] = lambda done: done + 1
) -> Iterator[tuple[int, Tensor]]:
    """(iteration, examples) for the iterations `start` to `stop` - 1 of a training that began at 0.

    examples: indices int64 (iterations, batch_size), of the batches from that iteration on: those before `until`
    (iteration), within an epoch. An epoch has len(split) // batch_size full batches, at least one. The examples left
    over are dropped; each epoch's order leaves out others.
    """
    per_epoch = max(1, len(split) // batch_size)
    examples, present, iteration = torch.empty(0, dtype=torch.int64), -1, start
    while iteration < stop:
        epoch, number = divmod(iteration, per_epoch)
        if epoch != present:
            examples, present = order(len(split), seed, epoch).to(split.device), epoch
        count = min(until(iteration), stop, iteration - number + per_epoch) - iteration
        yield iteration, examples[number * batch_size : (number + count) * batch_size].view(count, -1)
        iteration += count


def scoring_examples(split: Split, per_class: int) -> Split:
    """The first `per_class` examples of each class in a fixed order, the same for every network and seed.

    They come in that order; of a class with fewer examples, all. Of a task without classes they are the first
    `UNCLASSED` x `per_class`. `split` should be the training split.
    """
    order = torch.randperm(len(split), generator=rng(0, "score"))
    if split.task.targets != "classes":
        return split.take(order[: UNCLASSED * per_class].to(split.device))
    labels = split.labels.cpu()[order]
    chosen = torch.zeros(len(split), dtype=torch.bool)
    for label in labels.unique():
        chosen[(labels == label).nonzero().flatten()[:per_class]] = True
    return split.take(order[chosen].to(split.device))


def flip_crop(images: Tensor, seed: int, iteration: int, padding: int = PADDING) -> Tensor:
    """`images` (N, C, H, W), each flipped with probability 1/2 and shifted by up to `padding` pixels, padded by zeros.

    The augmentation of the CIFAR-10 experiments of He et al. (2016, section 4.2), drawn by (seed, iteration).
    """
    count, _, height, width = images.shape
    generator = rng(seed, "augment", iteration)
    flips = torch.rand(count, generator=generator) < 0.5
    shifts = torch.randint(2 * padding + 1, (2, count), generator=generator)
    # a GPU takes them when it comes to them: to wait for it would hold up every step
    flips, shifts = (drawn.to(images.device, non_blocking=images.is_cuda) for drawn in (flips, shifts))
    images = torch.where(flips[:, None, None, None], images.flip(3), images)
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    rows = shifts[0, :, None] + torch.arange(height, device=images.device)  # (N, H)
    columns = shifts[1, :, None] + torch.arange(width, device=images.device)  # (N, W)
    examples = torch.arange(count, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[examples, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
