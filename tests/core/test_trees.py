"""Nested inputs come apart and together again, and a network gets them as arguments or keywords."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lth.core.trees import call, chunks, first_tensor, joined, parts, shapes_of, take, tensors_in, tree_map

LEAVES = st.just(None)
FORMS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3),
        st.lists(inner, min_size=1, max_size=3).map(tuple),
    ),
    max_leaves=4,
)


def filled(form, examples=7):
    if form is None:
        return torch.arange(2 * examples).view(examples, 2)
    if isinstance(form, dict):
        return {key: filled(part, examples) for key, part in form.items()}
    return tuple(filled(part, examples) for part in form)


def same(first, second) -> bool:
    pairs = list(zip(tensors_in(first), tensors_in(second), strict=True))
    return all(name == other and torch.equal(x, y) for (name, x), (other, y) in pairs)


@given(FORMS, st.integers(1, 9))
def test_chunks_and_parts_join_to_the_whole(form, size) -> None:
    tree = filled(form)
    assert same(joined(list(chunks(tree, size))), tree)
    count = min(size, 7)
    assert same(joined(list(parts(tree, count))), tree)
    sizes = [len(first_tensor(part)) for part in parts(tree, count)]
    assert sizes == [len(part) for part in torch.arange(7).tensor_split(count)]
    assert same(take(tree, torch.tensor([3, 0])), tree_map(lambda x: x[[3, 0]], tree))
    names = [name for name, _ in tensors_in(tree)]
    assert len(set(names)) == len(names) and shapes_of(torch.zeros(3, 4, 5)) == (4, 5)


class Two(nn.Module):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first - second


@pytest.mark.parametrize(
    "inputs", [(torch.ones(2), torch.zeros(2)), {"second": torch.zeros(2), "first": torch.ones(2)}]
)
def test_a_network_gets_a_tuple_as_arguments_and_a_dict_as_keywords(inputs) -> None:
    assert torch.equal(call(Two(), inputs), torch.ones(2))
    assert torch.equal(call(nn.ReLU(), -torch.ones(2)), torch.zeros(2))
