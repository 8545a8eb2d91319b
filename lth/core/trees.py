"""Inputs and targets that are tensors, or tuples, lists and dicts of them, nested: taken apart and put together.

A network is called with a tensor as it is, with a tuple or list as its arguments, and with a dict as its keywords.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

Tree: TypeAlias = Any
"""A tensor, or a tuple, list or dict of trees; all tensors have the examples along their first axis."""


def tree_map(function: Callable[[Tensor], Any], tree: Tree) -> Tree:
    """`tree` with `function` applied to every tensor.

    >>> tree_map(len, {"ids": torch.zeros(3, 2), "more": (torch.ones(3),)})
    {'ids': 3, 'more': (3,)}
    """
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, Mapping):
        return {key: tree_map(function, part) for key, part in tree.items()}
    return tuple(tree_map(function, part) for part in tree)


def tensors_in(tree: Tree, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """(path, tensor) of every tensor in `tree`; the path is empty for a tensor alone, else such as `0.mask`."""
    if isinstance(tree, Tensor):
        yield name, tree
        return
    for key, part in tree.items() if isinstance(tree, Mapping) else enumerate(tree):
        yield from tensors_in(part, f"{name}.{key}" if name else str(key))


def first_tensor(tree: Tree) -> Tensor:
    """The first tensor of `tree`, which tells its device and how many examples it has."""
    return tree if isinstance(tree, Tensor) else next(tensors_in(tree))[1]


def shapes_of(tree: Tree) -> Any:
    """The shape of one example, by tensor."""
    return tuple(tree.shape[1:]) if isinstance(tree, Tensor) else tree_map(lambda x: tuple(x.shape[1:]), tree)


def take(tree: Tree, index: Any) -> Tree:
    """The examples of `tree` at `index`: a slice or a tensor of indices."""
    return tree[index] if isinstance(tree, Tensor) else tree_map(lambda x: x[index], tree)


def chunks(tree: Tree, size: int) -> Iterator[Tree]:
    """`tree` in parts of `size` examples, the last one smaller."""
    if isinstance(tree, Tensor):
        yield from tree.split(size)
        return
    for start in range(0, len(first_tensor(tree)), size):
        yield take(tree, slice(start, start + size))


def parts(tree: Tree, count: int) -> Iterator[Tree]:
    """`tree` in `count` parts of nearly equal size, as `Tensor.tensor_split` makes them."""
    for indices in torch.arange(len(first_tensor(tree))).tensor_split(count):
        yield take(tree, slice(int(indices[0]), int(indices[-1]) + 1))


def joined(trees: Sequence[Tree]) -> Tree:
    """The examples of several trees of one form, in one."""
    first = trees[0]
    if isinstance(first, Tensor):
        return torch.cat(list(trees))
    if isinstance(first, Mapping):
        return {key: joined([tree[key] for tree in trees]) for key in first}
    return tuple(joined([tree[place] for tree in trees]) for place in range(len(first)))


def arguments(inputs: Tree) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments and keywords that a network is called with."""
    if isinstance(inputs, Tensor):
        return (inputs,), {}
    return ((), dict(inputs)) if isinstance(inputs, Mapping) else (tuple(inputs), {})


def call(model: nn.Module, inputs: Tree) -> Any:
    """What `model` gives for `inputs`."""
    if isinstance(inputs, Tensor):
        return model(inputs)
    args, keywords = arguments(inputs)
    return model(*args, **keywords)
