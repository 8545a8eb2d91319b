"""Fixed examples: those that growth looks at are others than those that the gradient norm is measured on."""

import torch

from lth.data.tensors import Split
from lth.training.gradient import examples


def split(count: int) -> Split:
    return Split(torch.arange(float(count))[:, None], torch.arange(count))


def test_the_first_and_the_last_of_the_fixed_examples_share_none_where_there_are_enough() -> None:
    all_examples = split(2_000)
    first, last = examples(all_examples), examples(all_examples, last=True)
    assert len(first) == len(last) == 1_000
    assert sorted([*first.labels.tolist(), *last.labels.tolist()]) == list(range(2_000))
    assert first.labels.tolist() == examples(all_examples).labels.tolist() != sorted(first.labels.tolist())
    assert torch.equal(last.images.flatten().long(), last.labels)


def test_a_small_split_gives_all_it_has() -> None:
    for last in (False, True):
        assert sorted(examples(split(7), last=last).labels.tolist()) == list(range(7))
