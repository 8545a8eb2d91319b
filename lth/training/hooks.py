"""Where a parameter is pruned, as a hook on it that masks its gradient."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

WORDS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""The bytes of a number -> the whole numbers that are as long."""


class Pruned:
    """Where a parameter is pruned; as a hook on the parameter, it masks the gradient that backward has written.

    places: bool, True is pruned, of the part of the parameter that this process holds; None for nowhere. The hook holds
    no parameter: Python cannot collect a cycle through a parameter's hooks.
    """

    def __init__(self) -> None:
        self.prune(None)

    def prune(self, places: Tensor | None) -> None:
        """Changes to other places."""
        self.places = places
        self._words: Tensor | None = None  # all bits of a number that is kept, none of a pruned one
        self._dtype = self._words_dtype = torch.bool  # of the numbers, of their bits
        self._masked: Callable[[], Tensor | None] = lambda: None  # the gradient that was masked last
        self._version = -1  # of that gradient, once it was masked

    def __call__(self, weight: Tensor) -> None:
        """Masks the gradient of `weight`, if it has one."""
        gradient = weight.grad
        if gradient is None or self.places is None:
            return
        if gradient.is_sparse:
            weight.grad = gradient = gradient.coalesce()
            self._follow(weight)
            gradient._values().masked_fill_(self.places[tuple(gradient._indices())], 0)
        else:
            self.zero(gradient)
            self._masked, self._version = weakref.ref(gradient), gradient._version

    def is_masked(self, weight: Tensor) -> bool:
        """Whether the gradient of `weight` is as it was masked; what changes `grad.data` is not noticed."""
        gradient = weight.grad
        return gradient is not None and self._masked() is gradient and gradient._version == self._version

    def zero(self, tensor: Tensor) -> None:
        """Sets `tensor` to zero where it is pruned, in place: a product would leave NaN where it is infinite.

        On the CPU the bits of its numbers are masked, which is a tenth of the time that `masked_fill_` takes there.
        """
        if self.places is None:
            return
        part = tensor.to_local() if hasattr(tensor, "to_local") else tensor
        if not part.is_cpu or part.element_size() not in WORDS or (part.requires_grad and torch.is_grad_enabled()):
            self._follow(tensor)
            part.masked_fill_(self.places, 0)
            return
        if self._words is None or part.dtype is not self._dtype:
            self._dtype, self._words_dtype = part.dtype, WORDS[part.element_size()]
            self._words = (~self.places).to(part.device, self._words_dtype).neg_()
        part.view(self._words_dtype).bitwise_and_(self._words)

    def _follow(self, tensor: Tensor) -> None:
        """A model may move to another device after attach."""
        if self.places is not None and self.places.device != tensor.device:
            self.places = self.places.to(tensor.device)


def pruned_places(weight: Tensor, kept: Tensor) -> Tensor | None:
    """Where `kept` prunes `weight`, of the part of it that this process holds; None for nowhere."""
    if bool(kept.all()):
        return None
    places = ~kept.to(weight.device)
    if not hasattr(weight, "to_local"):
        return places
    from torch.distributed.tensor import DTensor, Replicate  # torch.distributed is needed only here

    sharded: Any = weight
    mesh = sharded.device_mesh
    replicated = DTensor.from_local(places, mesh, [Replicate()] * mesh.ndim, run_check=False)
    return replicated.redistribute(placements=sharded.placements).to_local()


def hooked(weight: Tensor, hook: Pruned) -> Any:
    """The handle of `hook` on `weight`, which may be frozen now and trained later."""
    trained = weight.requires_grad
    handle = weight.requires_grad_(True).register_post_accumulate_grad_hook(hook)
    weight.requires_grad_(trained)
    return handle


def is_hooked(weight: Tensor) -> bool:
    """Whether a mask already holds `weight`."""
    return any(isinstance(hook, Pruned) for hook in (weight._post_accumulate_grad_hooks or {}).values())
