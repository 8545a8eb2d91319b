"""Batches and augmentation come by address: an epoch has every example once at most, and its own order."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth.data.batches import batches, flip_crop, order
from lth.data.tensors import Split

SIZES = st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


@given(SIZES, st.integers(0, 9))
def test_every_example_at_most_once_an_epoch(sizes: tuple[int, int], seed: int) -> None:
    examples, batch_size = sizes
    split, per_epoch = Split(torch.arange(float(examples)), torch.arange(examples)), examples // batch_size
    batch_labels = [split.labels[x[0]].tolist() for _, x in batches(split, batch_size, seed, 0, 3 * per_epoch)]
    assert all(len(batch) == batch_size for batch in batch_labels)
    for epoch in range(3):
        joined = [x for batch in batch_labels[epoch * per_epoch : (epoch + 1) * per_epoch] for x in batch]
        assert len(set(joined)) == len(joined) == per_epoch * batch_size


def test_each_epoch_has_its_own_order() -> None:
    split = Split(torch.arange(40.0), torch.arange(40))
    batch_labels = [tuple(split.labels[x[0]].tolist()) for _, x in batches(split, 13, 0, 0, 9)]
    assert batch_labels == [tuple(order(40, 0, n // 3)[n % 3 * 13 :][:13].tolist()) for n in range(9)]
    assert len({frozenset(batch) for batch in batch_labels}) == 9


@given(SIZES, st.integers(0, 30), st.integers(0, 15))
def test_starting_at_an_iteration_gives_the_batches_of_going_on(sizes: tuple[int, int], start: int, more: int) -> None:
    examples, batch_size = sizes
    split = Split(torch.arange(float(examples)), torch.arange(examples))
    all_batches = [(n, x.tolist()) for n, x in batches(split, batch_size, 3, 0, start + more)]
    part = [(n, x.tolist()) for n, x in batches(split, batch_size, 3, start, start + more)]
    assert part == all_batches[start:]


@given(SIZES, st.integers(0, 30), st.integers(1, 40), st.integers(1, 7))
def test_batches_taken_at_once_are_those_taken_one_by_one(
    sizes: tuple[int, int], start: int, more: int, step: int
) -> None:
    examples, batch_size = sizes
    split = Split(torch.arange(float(examples)), torch.arange(examples))
    each = [(n, x.tolist()) for n, x in batches(split, batch_size, 3, start, start + more)]
    many = batches(split, batch_size, 3, start, start + more, lambda done: (done // step + 1) * step)
    assert [(n + k, [row]) for n, x in many for k, row in enumerate(x.tolist())] == each


def test_another_epoch_or_seed_is_another_order() -> None:
    orders = {tuple(order(50, seed, epoch).tolist()) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9 and all(sorted(one) == list(range(50)) for one in orders)
    assert torch.equal(order(50, 1, 2), order(50, 1, 2))


def variants(image: torch.Tensor, padding: int) -> dict[bytes, tuple[bool, int, int]]:
    """Every image that mirroring and shifting can make of `image` (C, H, W), by its bytes."""
    _, height, width = image.shape
    crops = {}
    for flip in (False, True):
        canvas = torch.zeros(image.shape[0], height + 2 * padding, width + 2 * padding)
        canvas[:, padding : padding + height, padding : padding + width] = image.flip(2) if flip else image
        for down in range(2 * padding + 1):
            for right in range(2 * padding + 1):
                crop = canvas[:, down : down + height, right : right + width]
                crops[crop.numpy().tobytes()] = (flip, down, right)
    return crops


@pytest.mark.parametrize("padding", [0, 2])
def test_flip_crop_mirrors_and_shifts_each_image_on_its_own(padding: int) -> None:
    images = torch.rand(300, 2, 5, 6) + 1
    before = images.clone()
    result = flip_crop(images, 0, 0, padding)
    drawn = [variants(a, padding)[b.numpy().tobytes()] for a, b in zip(images, result, strict=True)]
    for part, options in zip(zip(*drawn, strict=True), (2, 2 * padding + 1, 2 * padding + 1), strict=True):
        counts = [part.count(option) for option in range(options)]
        assert all(abs(count - 300 / options) < 4 * (300 / options) ** 0.5 for count in counts)
    assert torch.equal(images, before) and result.is_contiguous() and result.dtype == images.dtype


def test_flip_crop_is_drawn_by_seed_and_iteration() -> None:
    images = torch.rand(20, 1, 5, 5)
    first = flip_crop(images, 3, 7)
    torch.rand(4)
    assert torch.equal(flip_crop(images, 3, 7), first)
    assert not torch.equal(flip_crop(images, 3, 8), first) and not torch.equal(flip_crop(images, 4, 7), first)
