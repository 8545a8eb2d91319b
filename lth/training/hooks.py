"""Where a parameter is pruned, as a hook on it that masks its gradient."""

from typing import Any

from torch import Tensor


class Pruned:
    """Where a parameter is pruned; as a hook on the parameter, it masks the gradient that backward has written.

    places: bool, True is pruned, of the part of the parameter that this process holds; None for nowhere. The hook holds
    no parameter: Python cannot collect a cycle through a parameter's hooks.
    """

    def __init__(self) -> None:
        self.places: Tensor | None = None

    def __call__(self, weight: Tensor) -> None:
        """Masks the gradient of `weight`, if it has one."""
        if weight.grad is not None and weight.grad.is_sparse and self.places is not None:
            weight.grad = gradient = weight.grad.coalesce()
            self._follow(weight)
            gradient._values().masked_fill_(self.places[tuple(gradient._indices())], 0)
        elif weight.grad is not None:
            self.zero(weight.grad)

    def zero(self, tensor: Tensor) -> None:
        """Sets `tensor` to zero where it is pruned, in place: a product would leave NaN where it is infinite."""
        if self.places is not None:
            self._follow(tensor)
            _local(tensor).masked_fill_(self.places, 0)

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


def _local(tensor: Tensor) -> Tensor:
    """The part of a sharded `tensor` that this process holds; another tensor as it is."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor
