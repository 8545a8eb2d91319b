"""Batches of a loader by their numbers: a number gives the same batch whatever was drawn before it.

So a training that starts at a rewind point, or goes on from a checkpoint, gets the batches of an unbroken one.
"""

from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from lth.core.errors import LotteryError
from lth.core.rng import address, global_rng
from lth.data.arrays import kind_of

COPIED = ("num_workers", "pin_memory", "timeout", "worker_init_fn", "multiprocessing_context", "prefetch_factor")
"""What the loader of the numbered batches has from the user's, beside `persistent_workers`."""


def loader_of(examples: Any, **settings: Any) -> Iterable[Any]:
    """The batches that `examples` give: a DataLoader or another iterable of batches as it is, a dataset by `settings`.

    settings: those of `torch.utils.data.DataLoader`; a map-style dataset is shuffled unless they say otherwise. Raises
    LotteryError for a dataset without `batch_size`, and for what can be iterated over once only, or never.
    """
    if settings or isinstance(examples, Dataset):
        if isinstance(examples, DataLoader):
            raise LotteryError(f"run.batches got a DataLoader and {min(settings)}: give that to the DataLoader itself")
        if not {"batch_size", "batch_sampler"} & set(settings):
            kind = kind_of(examples)
            raise LotteryError(f"run.batches got {kind} without batch_size: give it, as batch_size=64, or a DataLoader")
        ordered = isinstance(examples, IterableDataset) or {"sampler", "batch_sampler"} & set(settings)
        try:
            return DataLoader(examples, **({} if ordered else {"shuffle": True}) | settings)
        except (TypeError, ValueError) as error:
            raise LotteryError(f"run.batches cannot make a DataLoader: {error}") from error
    if isinstance(examples, Iterator) or not isinstance(examples, Iterable):
        problem = "can be gone through once" if isinstance(examples, Iterator) else "holds no batches"
        raise LotteryError(f"run.batches got {kind_of(examples)}, which {problem}: give a DataLoader")
    return examples


class StepLoader(DataLoader[Any]):
    """The batches of `loader` by their number from the first step on: `loader[number]`, the same bits each time.

    The order of an epoch comes from `seed` and the epoch, by the loader's own sampler; what datasets and collate
    functions draw from the global generators of torch, NumPy and Python, in workers too, comes from `seed` and the
    number. Batches asked for one after another are fetched ahead by the workers that `loader` has.

    A loader of an IterableDataset, or any other iterable, is a stream: the batches before a number are drawn and thrown
    away, which takes as long as to train without them. It begins anew when it ends.

    As an iterable it gives the batches of one epoch, which `set_epoch` says; of a stream it has no end. Raises
    LotteryError for a loader without batches.
    """

    def __init__(self, loader: Iterable[Any], seed: int) -> None:
        self.batches, self.next = iter(()), -1
        self.numbers = None
        if not _is_stream(loader):
            self.numbers = _Numbers(loader, seed)  # type: ignore[arg-type]
            how = {name: getattr(loader, name) for name in (*COPIED, "persistent_workers")}
            super().__init__(
                _Examples(loader, seed),  # type: ignore[arg-type]
                batch_sampler=self.numbers,
                collate_fn=_single,
                generator=torch.Generator(),  # the number that workers are seeded by is not drawn from the network's
                **how,
            )
        else:
            super().__init__(_Stream(loader, seed), batch_size=None, collate_fn=_same, generator=torch.Generator())

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that the next iteration goes through; a stream has none."""
        if self.numbers is not None:
            self.numbers.set_epoch(epoch)

    def begin(self, number: int) -> None:
        """Lets the next iteration begin at the batch `number`."""
        if self.numbers is None:
            self.dataset.first = number  # type: ignore[attr-defined]
        else:
            self.numbers.epoch, self.numbers.first = divmod(number, len(self.numbers))

    def __getitem__(self, number: int) -> Any:
        if number < 0:
            raise LotteryError(f"there is no batch {number}: the first is 0")
        if number != self.next:
            self.batches = self.starting_at(number)
        self.next = number + 1
        return next(self.batches)

    def starting_at(self, number: int) -> Iterator[Any]:
        """The batches from `number` on, without end."""
        self.begin(number)
        while True:
            yield from iter(self)
            if self.numbers is not None:
                self.numbers.epoch += 1


class _Numbers(Sampler[list[tuple[int, Any]]]):
    """The batches of an epoch as [(number, indices of the examples)], each a batch of one for torch's loader.

    first: the batch in its epoch that the next iteration begins at.
    """

    def __init__(self, loader: DataLoader[Any], seed: int) -> None:
        self.loader, self.seed = loader, seed
        self.epoch, self.first = 0, 0
        if not len(self):
            raise LotteryError("the loader has no batch: are there fewer examples than batch_size, and drop_last=True?")

    def __len__(self) -> int:
        return len(self.loader)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch, as Trainers do."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[tuple[int, Any]]]:
        begin_epoch(self.loader, self.seed, self.epoch)
        with global_rng(self.seed, "order", self.epoch):
            order: list[Any] = list(self.loader.batch_sampler or self.loader.sampler)
        if len(order) < len(self):
            problem = f"and its length is {len(self)}: the batches of a step cannot be told"
            raise LotteryError(f"the sampler gives {len(order)} batches in epoch {self.epoch}, {problem}")
        start, first = self.epoch * len(self), self.first
        self.first = 0
        for position in range(first, len(self)):
            yield [(start + position, order[position])]


class _Examples(Dataset[Any]):
    """The batch of (number, indices of the examples)."""

    def __init__(self, loader: DataLoader[Any], seed: int) -> None:
        self.dataset, self.collate, self.seed = loader.dataset, loader.collate_fn, seed
        self.collates = loader.batch_sampler is not None  # else the dataset itself gives batches

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, place: tuple[int, Any]) -> Any:
        number, indices = place
        with global_rng(self.seed, "batch", number):
            if not self.collates:
                return self.collate(self.dataset[indices])
            if several := getattr(self.dataset, "__getitems__", None):
                return self.collate(several(indices))
            return self.collate([self.dataset[index] for index in indices])


class _Stream(IterableDataset[Any]):
    """The batches of an iterable, which begins anew when it ends.

    first: the batch that the next iteration begins at.
    """

    def __init__(self, batches: Iterable[Any], seed: int) -> None:
        self.batches, self.seed, self.first = batches, seed, 0

    def __iter__(self) -> Iterator[Any]:
        first, self.first = self.first, 0
        return islice(self.drawn(), first, None)

    def drawn(self) -> Iterator[Any]:
        """All batches, without end."""
        for epoch in count():
            begin_epoch(self.batches, self.seed, epoch)
            with global_rng(self.seed, "stream", epoch):
                batches = iter(self.batches)
            for position in count():
                with global_rng(self.seed, "stream", epoch, position):
                    batch = next(batches, _END)
                if batch is _END:
                    break
                yield batch
            if not position:
                raise LotteryError(f"{kind_of(self.batches)} has no batch in epoch {epoch}")


_END = object()


def begin_epoch(loader: Any, seed: int, epoch: int) -> None:
    """Seeds the generators of `loader` and its samplers by the epoch, and tells it to those that want to know."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    sampler = getattr(batch_sampler, "sampler", None) or getattr(loader, "sampler", None)
    parts = [loader, batch_sampler, sampler, getattr(loader, "dataset", None)]
    for part in parts:
        if isinstance(generator := getattr(part, "generator", None), torch.Generator):
            generator.manual_seed(address(seed, "generator", epoch))
        if callable(set_epoch := getattr(part, "set_epoch", None)):
            set_epoch(epoch)


def _is_stream(loader: Any) -> bool:
    """Whether batches can only be had one after another."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return True
    if type(loader).__iter__ is not DataLoader.__iter__:
        return True
    try:
        return len(loader) < 0
    except TypeError:  # a sampler without a length, which may have no end
        return True


def _single(batches: list[Any]) -> Any:
    (batch,) = batches
    return batch


def _same(batch: Any) -> Any:
    return batch
