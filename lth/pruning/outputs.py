"""Which weights give a network's outputs: those that no other weight lies behind, on the way to the outputs.

They are found by tracing. The graph that autograd records of a forward pass is followed back from the outputs, and each
way ends at the first sum of products with a weight. So it does not matter in which order layers are defined, how they
are called, or whether one is a convolution before pooling, a head among several, or shares its weight.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from lth.core.errors import LotteryError, first_line
from lth.core.keeping import copied, kept
from lth.core.rng import global_rng
from lth.core.trees import call, tree_map

Axes = frozenset[int]
"""The axes of a weight along which the outputs of the network lie."""

PRODUCTS = re.compile("mm|Mm|mv|Mv|Dot|Convolution|Linear|Rnn|Trilinear|Embedding")
"""What the names of autograd's nodes contain that sum products with a weight, or look one up."""
OPAQUE = ("CheckpointFunctionBackward", "CompiledFunctionBackward")
"""The nodes that do not tell which weights they use, or in which order."""


class UntraceableError(LotteryError):
    """The forward pass of a network does not tell which weights give its outputs."""


def output_axes(model: nn.Module, examples: Any) -> dict[str, Axes]:
    """Parameter name -> the axes of it that the outputs of `model` lie along, for each that gives outputs.

    examples: inputs (N, ...), of which two are used. Both the forward pass of evaluation and that of training count, as
    a head may serve in training alone. `model` is unchanged. Raises UntraceableError where autograd does not record how
    the outputs come about.

    >>> output_axes(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.zeros(2, 4))
    {'2.weight': frozenset({0})}
    """
    network = copied(model)
    for parameter in network.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    inputs = tree_map(lambda tensor: tensor[:2].detach().to(device), examples)
    axes: dict[str, Axes] = {}
    with kept(network, shared=True):
        for training in (False, True):
            try:
                traced = _traced(network.train(training), inputs)
            except Exception as error:  # a user's network may raise anything
                if training:  # it may take more than its inputs there
                    break
                raise UntraceableError(first_line(error)) from error
            axes = {name: axes.get(name, frozenset()) | traced.get(name, frozenset()) for name in {**axes, **traced}}
    return axes


def _traced(network: nn.Module, inputs: Any) -> dict[str, Axes]:
    """As `output_axes`, of one forward pass of `network`, in the mode that it is in."""
    outputs, source = _outputs(network, inputs)
    graph = _Graph([tensor.grad_fn for tensor in outputs if tensor.grad_fn is not None], source)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    axes: dict[str, Axes] = {}
    for parameter, along in graph.first_weights():
        if (name := names.get(id(parameter))) is not None:
            axes[name] = axes.get(name, frozenset()) | along
    return axes


def _outputs(network: nn.Module, inputs: Any) -> tuple[list[Tensor], Tensor | None]:
    """(the outputs of `network`, the inputs that autograd follows; None where it takes whole numbers, or several)."""
    compiled = any(hasattr(module, "_orig_mod") for module in network.modules())
    eager: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager") if compiled else nullcontext()
    with torch.enable_grad(), global_rng(0, "trace"), eager:
        if not isinstance(inputs, Tensor):
            return list(_tensors(call(network, inputs))), None
        source = inputs.to(inputs.dtype if inputs.is_floating_point() else torch.float32, copy=True).requires_grad_()
        try:
            return list(_tensors(network(source))), source
        except Exception:
            if inputs.is_floating_point():
                raise
            return list(_tensors(network(inputs))), None  # such as words, which an embedding looks up


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in what a network gives: one, several, or an object that holds them."""
    if isinstance(value, Tensor):
        yield value
        return
    members = value if isinstance(value, (list, tuple)) else getattr(value, "__dict__", {})
    members = value.values() if isinstance(value, Mapping) else members
    for member in members.values() if isinstance(members, dict) else members:
        yield from _tensors(member)


class _Graph:
    """The graph of a forward pass, and which of its nodes depend on the network's inputs.

    roots: the nodes of the outputs. source: the inputs, where they are part of the graph.
    """

    def __init__(self, roots: Sequence[Any], source: Tensor | None) -> None:
        self.roots = roots
        parents = self._parents()
        self.dependent = self._above([node for node in parents if _is_source(node, source)], parents)
        if not any(root in self.dependent for root in roots):  # the inputs were made whole numbers, or were some
            self.dependent = self._above([node for node in parents if _takes_data(node)], parents)
        if not any(root in self.dependent for root in roots):
            raise UntraceableError("autograd does not record how the outputs depend on the inputs")

    def first_weights(self) -> Iterator[tuple[Tensor, Axes]]:
        """(weight, its axes that the outputs lie along), for each that is met first on a way back from the outputs."""
        left, met = [root for root in self.roots if root in self.dependent], set[Any]()
        while left:
            node = left.pop()
            if node in met:
                continue
            met.add(node)
            if type(node).__name__ in OPAQUE:
                raise UntraceableError(f"{type(node).__name__.removesuffix('Backward')} hides which weights it uses")
            weights = list(self._weights(node))
            yield from weights
            if not (weights and _is_product(node)):
                left += [child for child in _children(node) if child in self.dependent]

    def _weights(self, node: Any) -> Iterator[tuple[Tensor, Axes]]:
        """The weights that `node` combines with something that depends on the inputs."""
        operands = [child for child, _ in node.next_functions]
        for place, operand in enumerate(operands):
            if operand is None or operand in self.dependent:
                continue
            left: list[tuple[Any, int | None]] = [(operand, 0)]
            met = set[Any]()
            while left:
                here, turns = left.pop()
                if here in met:
                    continue
                met.add(here)
                variable = getattr(here, "variable", None)
                if variable is not None and variable.ndim > 1:
                    yield variable, _along(node, variable, place == len(operands) - 1, turns)
                turns = None if turns is None or type(here).__name__ != "TBackward0" else turns + 1
                left += [(child, turns) for child in _children(here)]

    def _parents(self) -> dict[Any, list[Any]]:
        """Node -> the nodes that it is an operand of, for every node of the graph."""
        parents: dict[Any, list[Any]] = {root: [] for root in self.roots}
        left = list(self.roots)
        while left:
            node = left.pop()
            for child in _children(node):
                if child not in parents:
                    parents[child] = []
                    left.append(child)
                parents[child].append(node)
        return parents

    def _above(self, nodes: Sequence[Any], parents: Mapping[Any, Sequence[Any]]) -> set[Any]:
        """`nodes`, and all that depend on them."""
        above, left = set(nodes), list(nodes)
        while left:
            new = [parent for parent in parents[left.pop()] if parent not in above]
            above |= set(new)
            left += new
        return above


def _children(node: Any) -> list[Any]:
    return [child for child, _ in node.next_functions if child is not None]


def _is_product(node: Any) -> bool:
    """Whether `node` sums products with a weight if it has one; a user's own function may do so."""
    return isinstance(node, BackwardCFunction) or bool(PRODUCTS.search(type(node).__name__))


def _is_source(node: Any, source: Tensor | None) -> bool:
    return type(node).__name__.startswith("Embedding") or (
        source is not None and getattr(node, "variable", None) is source
    )


def _takes_data(node: Any) -> bool:
    """Whether an operand of the product `node` is no part of the graph: data that have no gradient."""
    operands = [child for child, _ in node.next_functions]
    first = operands[:1] if "Convolution" in type(node).__name__ else operands  # a convolution may lack a bias
    return _is_product(node) and None in first


def _along(node: Any, weight: Tensor, last: bool, turns: int | None) -> Axes:
    """The axes of `weight`, an operand of `node`, that the outputs of `node` lie along; all where that is not clear.

    last: whether it is the last operand, and so the right one of a matrix product. turns: how often the matrix is
    transposed before; None where more is done to it.
    """
    if turns == 0 and hasattr(node, "_saved_transposed"):
        return frozenset({int(node._saved_transposed)})
    if turns is not None and weight.ndim == 2 and PRODUCTS.search(type(node).__name__):
        return frozenset({(int(last) + turns) % 2})
    return frozenset(range(weight.ndim))
