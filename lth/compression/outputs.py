"""What a form of a network gives: outputs of any structure, compared number by number."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

EXACT = ("masked", "csr", "packed", "shrunk", "onnx")
"""The forms that round nothing: their outputs equal those of the masked network up to the order of sums."""
TOLERANCE = 1e-4
"""How much the order of sums may change outputs, as a share of the largest."""
ROUNDING = 0.25
"""How much 8 bits may, at most."""


def tensors_of(outputs: Any) -> list[Tensor]:
    """The tensors in `outputs`: a tensor, or tuples, lists and dicts of them.

    >>> len(tensors_of({"logits": torch.zeros(2), "states": [torch.ones(1), None]}))
    2
    """
    return [value for value in tree_leaves(outputs) if isinstance(value, Tensor)]


@torch.no_grad()
def outputs_of(network: nn.Module, inputs: Tensor) -> list[Tensor]:
    """The tensors that `network` gives for `inputs` (N, ...), on the CPU and dense; raises whatever it raises."""
    return [value.detach().to_dense().cpu() for value in tensors_of(network(inputs))]


def difference(outputs: list[Tensor], expected: list[Tensor]) -> float:
    """The largest difference of two lists of tensors; infinite where their shapes differ, or one alone is a number.

    >>> difference([torch.tensor([1.0, 2.0])], [torch.tensor([1.0, 2.5])])
    0.5
    """
    if [value.shape for value in outputs] != [value.shape for value in expected]:
        return float("inf")
    gaps = [_gap(one, other) for one, other in zip(outputs, expected, strict=True)]
    return max(gaps, default=0.0)


def _gap(one: Tensor, other: Tensor) -> float:
    if not one.numel():
        return 0.0
    equal = (one == other) | ((one != one) & (other != other))  # the same infinity, or no number in either
    gaps = (one.to(torch.float64) - other.to(torch.float64)).abs().masked_fill(equal, 0.0)
    return float(gaps.nan_to_num(nan=float("inf")).max())


def are_others(form: str, gap: float, expected: list[Tensor]) -> bool:
    """Whether a form gives outputs that neither the order of sums nor rounding explains; `gap`: `difference`.

    >>> are_others("csr", 0.01, [torch.ones(2)]), are_others("int8_static", 0.01, [torch.ones(2)])
    (True, False)
    """
    largest = max((float(value.abs().max()) for value in expected if value.numel()), default=0.0)
    if form not in EXACT:
        return gap > ROUNDING * largest
    return gap > TOLERANCE * (max(1.0, largest) if largest < float("inf") else 1.0)
