"""Batches by their numbers: the same bits whatever was drawn before, and one line for what has no batches."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
)

from lth.core.errors import LotteryError
from lth.data.step_loader import StepLoader, loader_of

COUNT = 10


class Noisy(Dataset):
    """Examples with noise from each of the global generators."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Tensor:
        return torch.tensor([index, torch.rand(()).item(), np.random.rand(), random.random()])


class Stream(IterableDataset):
    """Seven noisy examples, in an order that is drawn."""

    def __iter__(self) -> Iterator[Tensor]:
        for number in torch.randperm(7).tolist():
            yield torch.tensor([float(number), torch.rand(()).item()])


class Endless:
    """A sampler without a length."""

    def __iter__(self) -> Iterator[int]:
        while True:
            yield int(torch.randint(COUNT, ()))


def noisy_collate(examples: list[Tensor]) -> Tensor:
    return default_collate(examples) + torch.rand(())


def weighted() -> WeightedRandomSampler:
    return WeightedRandomSampler(torch.arange(COUNT), COUNT, generator=torch.Generator())


LOADERS: dict[str, Callable[[], Any]] = {
    "shuffled": lambda: DataLoader(Noisy(), 3, shuffle=True, collate_fn=noisy_collate),
    "generator": lambda: DataLoader(Noisy(), 3, shuffle=True, generator=torch.Generator()),
    "weighted": lambda: DataLoader(Noisy(), 4, sampler=weighted(), drop_last=True),
    "single": lambda: DataLoader(Noisy(), batch_size=None, shuffle=True),
    "batch_sampler": lambda: DataLoader(Noisy(), batch_sampler=BatchSampler(RandomSampler(range(COUNT)), 3, False)),
    "workers": lambda: DataLoader(Noisy(), 3, shuffle=True, num_workers=1, collate_fn=noisy_collate),
    "endless": lambda: DataLoader(Noisy(), 3, sampler=Endless()),
    "stream": lambda: DataLoader(Stream(), 3),
    "list": lambda: [torch.arange(3.0), torch.arange(4.0)],
}


@pytest.mark.parametrize("kind", LOADERS)
def test_a_number_gives_the_same_batch_whatever_was_drawn_before(kind):
    loader, state = StepLoader(LOADERS[kind](), 5), torch.get_rng_state()
    straight = [loader[number] for number in range(9)]
    assert torch.equal(torch.get_rng_state(), state)  # what networks draw is not moved
    torch.rand(3)
    other = StepLoader(LOADERS[kind](), 5)
    for number in (6, 7, 2) if kind == "workers" else (6, 7, 2, 2, 8, 0):
        assert torch.equal(other[number], straight[number])
    assert not torch.equal(straight[0], StepLoader(LOADERS[kind](), 6)[0]) or kind == "list"


def test_an_epoch_has_every_example_once_in_an_order_of_its_own():
    loader = StepLoader(DataLoader(TensorDataset(torch.arange(COUNT)), 3, shuffle=True), 0)
    orders = [torch.cat([loader[4 * epoch + place][0] for place in range(4)]) for epoch in range(2)]
    assert not torch.equal(*orders)
    for epoch, order in enumerate(orders):
        assert sorted(order.tolist()) == list(range(COUNT))
        loader.set_epoch(epoch)
        assert torch.equal(torch.cat([batch for (batch,) in loader]), order) and len(loader) == 4


def test_datasets_and_samplers_know_their_epoch():
    class Grows(TensorDataset):
        epoch = 0

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __getitems__(self, indices: list[int]) -> Any:
            return [self.tensors[0][index] + 100 * self.epoch for index in indices]

    loader = StepLoader(loader_of(Grows(torch.arange(6)), batch_size=3, shuffle=False), 0)
    assert [loader[number].tolist() for number in (0, 3)] == [[0, 1, 2], [103, 104, 105]]


@pytest.mark.parametrize(
    ("examples", "settings", "line"),
    [
        (TensorDataset(torch.zeros(3)), {}, "run.batches got a TensorDataset without batch_size"),
        (DataLoader(TensorDataset(torch.zeros(3))), {"batch_size": 2}, "got a DataLoader and batch_size"),
        (TensorDataset(torch.zeros(3)), {"batch_size": 2, "size": 2}, "cannot make a DataLoader: .*size"),
        (iter([1]), {}, "list_iterator, which can be gone through once"),
        (3, {}, "run.batches got an int, which holds no batches"),
        ([], {}, "list has no batch in epoch 0"),
        (TensorDataset(torch.zeros(3)), {"batch_size": 4, "drop_last": True}, "the loader has no batch"),
    ],
)
def test_what_has_no_batches_is_one_line(examples, settings, line):
    with pytest.raises(LotteryError, match=line):
        StepLoader(loader_of(examples, **settings), 0)[0]


def test_there_is_no_batch_before_the_first():
    with pytest.raises(LotteryError, match="no batch -1"):
        StepLoader([torch.zeros(1)], 0)[-1]
