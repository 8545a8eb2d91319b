"""The characters of a text file as tokens, to learn the next one: contiguous parts, in windows of one length."""

from dataclasses import replace

import torch

from lth.core.errors import DataError, SettingError, reason_of
from lth.core.reading import read_text
from lth.data.raw import RawData
from lth.data.tensors import Data

TEST_SHARE = 0.1
"""The last characters of a text, so many of all, are the test split."""


def alphabet(text: str) -> list[str]:
    """The characters of `text` in the order of their tokens, 0, 1, ...: sorted.

    >>> alphabet("banana")
    ['a', 'b', 'n']
    """
    return sorted(set(text))


def text_data(path: str | None, context: int) -> RawData:
    """The file `path`, UTF-8: inputs int64 (N, context), and at each place the next character as the target.

    The windows of a split follow each other without overlap, in the order of the text; the test split is its end. Each
    holds the first character of the next one as its last target. Raises SettingError without a path, and for a text
    that is too short; DataError for a file that cannot be read.
    """
    if not path:
        raise SettingError("data", "text", "needs data.path=FILE, a text file in UTF-8")
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise DataError(f"data.path={path} cannot be read as text in UTF-8: {reason_of(error)}") from error
    tokens = {character: token for token, character in enumerate(alphabet(text))}
    indices = torch.tensor([tokens[character] for character in text], dtype=torch.int64)
    end = len(indices) - round(TEST_SHARE * len(indices))
    splits = {"train": indices[:end], "test": indices[end:]}
    data = RawData()
    for name, part in splits.items():
        count = (len(part) - 1) // context
        if count < 1 or len(tokens) < 2:
            problem = f"is longer than the {name} split of {len(indices):,} characters, {len(tokens)} of them different"
            raise SettingError("data.context", context, f"{problem}: give a longer text, or a shorter context")
        data[f"{name}_images"] = part[: count * context].view(count, context).clone()
        data[f"{name}_labels"] = part[1 : count * context + 1].view(count, context).clone()
    data.task = "language"
    return data


def held_out_last(data: Data, count: int) -> Data:
    """`data` with the last `count` examples of its training split as the validation split, which was empty.

    So no window of it lies between two that are trained on. Raises SettingError where no example would be left.
    """
    if not count:
        return data
    left = len(data.train) - count
    if left < 1:
        problem = f"must leave one of the {len(data.train)} windows to train on"
        raise SettingError("data.validation", count, problem)
    return replace(data, train=data.train.take(slice(left)), validation=data.train.take(slice(left, None)))
