"""Masks of bare tensors, in the words of `torch.nn.utils.prune`: each function keeps what its namesake there keeps.

`amount` is a count if it is an int, else a fraction of what `mask` (None: everything) still keeps: single entries, or
slices along `dim` for the structured functions. As in torch, exactly `round(amount * alive)` go; of equal scores those
at earlier positions go first, where torch promises no order. Every function returns a mask, bool and on the CPU, that
keeps nothing that `mask` does not, and leaves its arguments unchanged. Raises SettingError for an amount or a dimension
out of range, and where everything would go.
"""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Literal

import torch
from torch import Tensor

from lth.core.errors import LotteryError, SettingError
from lth.core.weights import Mask
from lth.pruning.select import global_, highest, in_blocks, norms


def removed(amount: float, alive: int, unit: str = "weight") -> int:
    """How many of `alive` units `amount` removes; SettingError where there are fewer, or all would go."""
    if isinstance(amount, (int, Integral)):  # NumPy's too
        if not 0 <= amount <= alive:
            raise SettingError("amount", amount, f"must be a count of 0 to {alive}, the {unit}s that are left")
        count = int(amount)
    else:
        if not isinstance(amount, (float, Real)) or not 0 <= amount <= 1:
            raise SettingError("amount", amount, "must be a fraction of 0 to 1, or a count as an int")
        count = round(amount * alive)
    if count == alive:
        raise SettingError("amount", amount, f"would remove all {alive} {unit}s that are left (layer collapse)")
    return count


def random_unstructured(
    tensor: Tensor, amount: float, generator: torch.Generator, mask: Tensor | None = None
) -> Tensor:
    """Prunes single weights at random."""
    return _lowest_go(torch.rand(tensor.shape, generator=generator), amount, _alive(tensor, mask))


def l1_unstructured(
    tensor: Tensor, amount: float, mask: Tensor | None = None, importance_scores: Tensor | None = None
) -> Tensor:
    """Prunes the single weights whose magnitude, or that of `importance_scores`, is smallest.

    >>> l1_unstructured(torch.tensor([0.1, -2.0, 0.5, 1.0]), amount=0.5)
    tensor([False,  True, False,  True])
    """
    scores = _alike(tensor, tensor if importance_scores is None else importance_scores)
    return _lowest_go(scores, amount, _alive(tensor, mask))


def random_structured(
    tensor: Tensor, amount: float, dim: int, generator: torch.Generator, mask: Tensor | None = None
) -> Tensor:
    """Prunes slices at `dim` at random."""
    axis = _axis(tensor, dim)
    return _slices_go(torch.rand(tensor.shape[axis], generator=generator), amount, axis, _alive(tensor, mask))


def ln_structured(
    tensor: Tensor,
    amount: float,
    n: float | Literal["fro"],
    dim: int,
    mask: Tensor | None = None,
    importance_scores: Tensor | None = None,
) -> Tensor:
    """Prunes the slices at `dim` whose L_n norm, or that of `importance_scores`, is smallest; `n`: above 0, or inf."""
    axis, alive = _axis(tensor, dim), _alive(tensor, mask)
    order = 2.0 if n == "fro" else n
    if not isinstance(order, (int, float)) or not order > 0:
        raise SettingError("n", n, "must be a number above 0, inf, or fro")
    # as in torch: pruned weights count as zeros, given scores count in full
    scores = torch.where(alive, tensor.detach().cpu(), 0) if importance_scores is None else importance_scores
    return _slices_go(norms(_alike(tensor, scores), axis, order), amount, axis, alive)


def global_unstructured(
    tensors: Mapping[str, Tensor],
    amount: float,
    mask: Mapping[str, Tensor] | None = None,
    importance_scores: Mapping[str, Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> Mask:
    """Prunes the single weights of the smallest magnitude over all `tensors`; mask: by the same names.

    importance_scores: take the place of the tensors that they name; generator: draws at random instead, as torch's
    `pruning_method=RandomUnstructured`. Raises LotteryError where a tensor would keep nothing.
    """
    given, scored = mask or {}, importance_scores or {}
    for names in (given, scored):
        for name in names:
            if name not in tensors:
                raise LotteryError(f"there is a mask or a score for {name}, and no tensor of that name")
    alive = {name: _alive(tensor, given.get(name)) for name, tensor in tensors.items()}
    scores = {name: _alike(tensor, scored.get(name, tensor)) for name, tensor in tensors.items()}
    if generator is not None:
        scores = {name: torch.rand(tensor.shape, generator=generator) for name, tensor in tensors.items()}
    total = sum(int(kept.sum()) for kept in alive.values())
    pruned = global_(scores, alive, total - removed(amount, total))
    for name, kept in pruned.items():
        if alive[name].any() and not kept.any():
            raise LotteryError(f"layer collapse: amount={amount} would remove all that is left of {name}; prune less")
    return pruned


def custom_from_mask(tensor: Tensor, mask: Tensor, before: Tensor | None = None) -> Tensor:
    """`mask` (of zeros and ones, any dtype) within `before`; LotteryError where it does not fit `tensor`."""
    kept = _alive(tensor, mask) & _alive(tensor, before)
    if not kept.any():
        raise LotteryError(f"layer collapse: the mask keeps none of the {tensor.numel():,} weights")
    return kept


def n_of_m(tensor: Tensor, n: int, m: int, dim: int = 1, mask: Tensor | None = None) -> Tensor:
    """Keeps the `n` largest of every `m` consecutive weights along `dim`: 2 of 4 for sparse tensor cores.

    torch.nn.utils.prune has no such function. Raises SettingError where `m` does not divide the width.
    """
    axis = _axis(tensor, dim)
    if not 0 < n < m:
        raise SettingError("n", n, f"must be at least 1 and below m={m}")
    if tensor.shape[axis] % m:
        raise SettingError("m", m, f"does not divide the width {tensor.shape[axis]} at dim {dim}")
    scores, alive = (x.movedim(axis, 1) for x in (tensor.detach().abs().cpu(), _alive(tensor, mask)))
    return in_blocks(scores, alive, n, m).movedim(1, axis).contiguous()


def _lowest_go(scores: Tensor, amount: float, alive: Tensor) -> Tensor:
    count = int(alive.sum())
    return highest(scores, alive, count - removed(amount, count))


def _slices_go(scores: Tensor, amount: float, axis: int, alive: Tensor) -> Tensor:
    """`alive` less the slices at `axis` with the lowest `scores` (slices,)."""
    living = alive.movedim(axis, 0).flatten(1).any(1)
    count = int(living.sum())
    stay = highest(scores, living, count - removed(amount, count, "channel"))
    return alive & stay.reshape([-1 if place == axis else 1 for place in range(alive.ndim)])


def _alive(tensor: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return torch.ones(tensor.shape, dtype=torch.bool)
    if mask.shape != tensor.shape:
        raise LotteryError(f"the mask is {tuple(mask.shape)}, its tensor {tuple(tensor.shape)}")
    if not ((mask == 0) | (mask == 1)).all():
        raise LotteryError("the mask holds other values than zeros and ones")
    return mask.detach().bool().cpu()


def _alike(tensor: Tensor, scores: Tensor) -> Tensor:
    """The magnitude of `scores`, as torch takes it; LotteryError where they are not of the tensor's shape."""
    if scores.shape != tensor.shape:
        raise LotteryError(f"the scores are {tuple(scores.shape)}, their tensor {tuple(tensor.shape)}")
    return scores.detach().abs().cpu()


def _axis(tensor: Tensor, dim: int) -> int:
    if tensor.ndim < 2:
        raise SettingError("dim", dim, f"slices need two dimensions or more, the tensor is {tuple(tensor.shape)}")
    if not -tensor.ndim <= dim < tensor.ndim:
        raise SettingError("dim", dim, f"is none of a tensor of {tensor.ndim} dimensions")
    return dim % tensor.ndim
