"""Data in the forms that people have, as tensors: arrays, lists, images, datasets and loaders; or one line what to do.

Nothing here looks at the values: `lth.data.checks` does, whatever the source.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    default_collate,
)

from lth.core.errors import DataError
from lth.core.trees import tensors_in
from lth.core.users import users_code
from lth.data.arrays import as_tensor, as_tree, is_array, item_tensor, kind_of
from lth.data.checks import NAMES, check_finite, checked_labels
from lth.data.raw import RawData
from lth.data.tensors import Split

log = logging.getLogger(__name__)

Examples = tuple[Any, Any] | Split | Dataset[Any] | DataLoader[Any]
"""(inputs, labels), a split, a map-style dataset of such pairs, or a loader of one."""
FORMS = "give (inputs, labels), two tensors or arrays, or a map-style dataset of (input, label) pairs"


def raw_data(train: Any, test: Any, source: str = "", alone: bool = False) -> RawData:
    """The four tensors of a training and a test set in any form of `pair`; source: begins each error, as "data: ".

    alone: whether they may be inputs without labels.
    """
    if alone and all(isinstance(one, Tensor) or is_array(one) for one in (train, test)):
        return RawData(
            {f"{part}_images": as_tensor(x, f"{source}{part}") for part, x in (("train", train), ("test", test))}
        )
    return RawData(zip(NAMES, (*pair(train, f"{source}train"), *pair(test, f"{source}test")), strict=True))


def returned_data(returned: Any, source: str, alone: bool = False) -> RawData:
    """The four tensors from what a user's function returned, in any of its forms; source: begins each error.

    A mapping with the four names, or with `train` and `test`, and the name of its `task` where it says that;
    (train_images, train_labels, test_images, test_labels); (train, test), each in any form of `pair`. alone: whether
    inputs may come without labels.
    """
    if isinstance(returned, Mapping):
        task = returned.get("task", "")
        if not isinstance(task, str):
            raise DataError(f"{source} returned {kind_of(task)} as its task: give the name of one, as 'regression'")
        alone = alone or task == "language"
        data: RawData | None = None
        if set(NAMES) <= set(returned):
            data = RawData({key: as_tree(returned[key], f"{source}: {key}") for key in NAMES})
        elif {"train", "test"} <= set(returned):
            data = raw_data(returned["train"], returned["test"], f"{source}: ", alone)
        if data is not None:
            data.task = task
            return data
        raise DataError(f"{source} returned a dict of {_keys(returned)}; it should have {', '.join(NAMES)}")
    if not isinstance(returned, (tuple, list)):
        raise DataError(f"{source} returned {kind_of(returned)}; it should return {', '.join(NAMES)}")
    if len(returned) == 2:
        return raw_data(returned[0], returned[1], f"{source}: ", alone)
    if len(returned) != 4:
        raise DataError(f"{source} returned {len(returned)} values; it should return {', '.join(NAMES)}")
    return RawData({key: as_tree(value, f"{source}: {key}") for key, value in zip(NAMES, returned, strict=True)})


def pair(examples: Any, where: str) -> tuple[Any, Any]:
    """(inputs, labels) of one split: given so, as a split, as a map-style dataset of pairs, or as a loader of one.

    where: begins each error. A dataset is read once, in its order. Raises DataError, one line, for all else.
    """
    if isinstance(examples, Split):
        examples = (examples.images, examples.labels)
    if isinstance(examples, (tuple, list)) and len(examples) == 2:
        count = len(examples[1]) if hasattr(examples[1], "__len__") and not _is_nest(examples[1]) else None
        return as_tree(examples[0], f"{where} inputs", count), as_tree(examples[1], f"{where} labels", count)
    if isinstance(examples, DataLoader):
        return _of_loader(examples, where)
    if isinstance(examples, Mapping):
        raise DataError(f"{where} is a dict of {_keys(examples)}: {FORMS}")
    if is_array(examples):
        raise DataError(f"{where} is {kind_of(examples)} alone, without labels: {FORMS}")
    if isinstance(examples, (tuple, list)) and examples and is_array(examples[0]):
        raise DataError(f"{where} has {len(examples)} value{'s' * (len(examples) > 1)}: {FORMS}")
    return _of_dataset(examples, where)


def checked_pair(examples: Any, where: str) -> tuple[Tensor, Tensor]:
    """(inputs, labels int64) in any form of `pair`; DataError, beginning with `where`, where none fit."""
    inputs, labels = pair(examples, where)
    labels = checked_labels(f"{where}: ", inputs, labels)
    check_finite(f"{where}: inputs", inputs)
    return inputs, labels


def _is_nest(labels: Any) -> bool:
    return isinstance(labels, Mapping) or (isinstance(labels, tuple) and any(is_array(x) and x.ndim for x in labels))


def _of_dataset(dataset: Any, where: str) -> tuple[Any, Any]:
    if type(dataset) is TensorDataset and len(dataset.tensors) == 2:
        return as_tensor(dataset.tensors[0], f"{where} inputs"), as_tensor(dataset.tensors[1], f"{where} labels")
    inputs, labels = zip(*_items(dataset, where), strict=True)
    if isinstance(dataset, Dataset) and not _same(inputs[0], _item(dataset, 0, where)[0], where):
        log.warning(
            "%s gives another example each time it is read, as by a random transform: it is read once, and what it gave"
            " is trained on; data.augment=flip_crop draws anew for each batch",
            where,
        )
    return _collected(inputs, f"{where} inputs"), _collected(labels, f"{where} labels")


def _collected(values: Sequence[Any], where: str) -> Any:
    """The inputs or labels of single examples, which may be tuples or dicts of arrays, as one tree of tensors."""
    first = values[0]
    if isinstance(first, Mapping):
        return {str(key): _collected([value[key] for value in values], f"{where}.{key}") for key in first}
    if isinstance(first, tuple) and all(is_array(part) for part in first):
        parts = enumerate(zip(*values, strict=True))
        return tuple(_collected(part, f"{where}.{number}") for number, part in parts)
    return as_tensor(values, where)


def _items(dataset: Any, where: str) -> Iterator[tuple[Any, Any]]:
    """The (input, label) pairs of a map-style dataset, in order."""
    endless = isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__")
    if endless or isinstance(dataset, (str, bytes)):
        raise DataError(f"{where} is {kind_of(dataset)}, whose examples have no index: {FORMS}")
    with users_code(f"{where}: len() of {kind_of(dataset)}", DataError):
        count = len(dataset)
    if not count:
        raise DataError(f"{where} has no examples: {FORMS}")
    for index in range(count):
        yield _item(dataset, index, where)


def _item(dataset: Any, index: int, where: str) -> tuple[Any, Any]:
    with users_code(f"{where}: example {index}", DataError):
        item = dataset[index]
    if isinstance(item, Mapping):
        raise DataError(f"{where}: example {index} is a dict of {_keys(item)}: {FORMS}")
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        kind = f"{len(item)} values" if isinstance(item, (tuple, list)) else kind_of(item)
        raise DataError(f"{where}: example {index} is {kind}, and not one input with its label: {FORMS}")
    return item[0], item[1]


def _of_loader(loader: "DataLoader[Any]", where: str) -> tuple[Any, Any]:
    """The examples of a loader's dataset in their order: `lth` draws batches itself, by its seed."""
    dataset, sampler = loader.dataset, loader.sampler
    if isinstance(sampler, SubsetRandomSampler):
        dataset = Subset(dataset, [int(index) for index in sampler.indices])
    elif isinstance(dataset, IterableDataset):
        raise DataError(f"{where} is a DataLoader of an IterableDataset, whose examples have no index: {FORMS}")
    elif not isinstance(sampler, (SequentialSampler, RandomSampler)) or getattr(sampler, "replacement", False):
        problem = f"draws its examples by {type(sampler).__name__}: give its dataset, or a Subset of that"
        raise DataError(f"{where} is a DataLoader that {problem}")
    elif type(loader.batch_sampler) not in (BatchSampler, type(None)):
        problem = f"draws its batches by {type(loader.batch_sampler).__name__}: give its dataset, or a Subset of that"
        raise DataError(f"{where} is a DataLoader that {problem}")
    if loader.collate_fn is default_collate or loader.batch_size is None:
        return _of_dataset(dataset, where)
    return _collated(loader, dataset, where)


def _collated(loader: "DataLoader[Any]", dataset: Any, where: str) -> tuple[Tensor, Tensor]:
    """The examples of `dataset`, made into (inputs, labels) by the loader's own function, a batch at a time."""
    batches = DataLoader(dataset, batch_size=loader.batch_size or 1, collate_fn=loader.collate_fn)
    parts = []
    with users_code(f"{where}: its collate_fn", DataError):
        for number, batch in enumerate(batches):
            if not isinstance(batch, (tuple, list)) or len(batch) != 2:
                raise DataError(f"{where}: collate_fn makes {kind_of(batch)} of batch {number}: {FORMS}")
            parts.append((as_tensor(batch[0], f"{where} inputs"), as_tensor(batch[1], f"{where} labels")))
    if not parts:
        raise DataError(f"{where} has no examples: {FORMS}")
    inputs, labels = zip(*parts, strict=True)
    if len({tuple(x.shape[1:]) for x in inputs}) > 1:
        raise DataError(f"{where}: collate_fn makes batches of several sizes: bring all inputs to one size")
    return torch.cat(inputs), torch.cat(labels)


def _same(first: Any, second: Any, where: str) -> bool:
    if isinstance(first, (Mapping, tuple)):
        pairs = [tensors_in(_collected([x], where)) for x in (first, second)]
        return all(torch.equal(x, y) for (_, x), (_, y) in zip(*pairs, strict=True))
    tensors = [item_tensor(x, f"{where} inputs") for x in (first, second)]
    return torch.equal(*tensors) or bool(tensors[0].is_floating_point() and tensors[0].isnan().any())


def _keys(mapping: Mapping[Any, Any]) -> str:
    keys: Sequence[str] = sorted(map(str, mapping))
    return ", ".join(keys[:6]) + (", ..." if len(keys) > 6 else "") or "nothing"
