"""A mask held in any training loop, by hooks alone: nothing is wrapped or renamed, and state dicts stay as they are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from lth.core.errors import LotteryError
from lth.core.weights import Mask
from lth.core.wrappers import bare, with_names_of
from lth.training.hooks import Pruned, hooked, is_hooked, pruned_places
from lth.training.masking import check_shapes, moments

FLAT = "FullyShardedDataParallel"
"""The class of torch that keeps the parameters of many layers as one, so that no mask fits them."""
ELEMENTWISE = {torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW}
"""Optimisers in which no weight depends on another's gradient: a gradient that is masked is not masked again."""


class HasMask(Protocol):
    """What carries a mask, such as a ticket."""

    @property
    def mask(self) -> Mask:
        """Name of a parameter -> which of its weights are kept."""
        ...


def attach(
    model: nn.Module, optimizer: Optimizer | Sequence[Optimizer], mask: Mapping[str, Tensor] | HasMask
) -> "HeldMask":
    """Holds `mask` while your own code trains `model` with `optimizer`, until it is detached.

    Pruned weights become zero at once, with their gradient and their optimiser state, and are exactly zero after every
    step of any optimiser, whatever its momentum and weight decay. Gradients are masked as backward writes them, so that
    clipping, gradient scaling and accumulation see masked ones; weights are masked after each step, for optimisers that
    mix the gradients of several weights (Muon). What a weight does that is kept is what it would do in a loop that
    masks by hand, bit for bit.

    model: also inside of `torch.compile`, DistributedDataParallel or `fully_shard`, which come before attach.
    optimizer: one or several, of `torch.optim` or a subclass, also inside of a wrapper (Accelerate, Lightning, SAM).
    mask: bool, by parameter name, of the parameter's shape, True where a weight is kept; or a ticket, whose mask it is
    then (apply the ticket for its weights). A parameter with several names is masked once; one that is frozen is set to
    zero where it is pruned. A copy of the model, or a pickled one, holds no mask: attach to it. Raises LotteryError,
    with everything unchanged, for a mask that does not fit, for a masked parameter that no optimiser holds, and for one
    that another mask holds already.

    >>> layer = nn.Linear(3, 1)
    >>> optimizer = torch.optim.AdamW(layer.parameters())
    >>> with attach(layer, optimizer, {"weight": torch.tensor([[True, False, True]])}):
    ...     layer(torch.ones(1, 3)).sum().backward()
    ...     optimizer.step()
    >>> layer.weight[0, 1].item(), layer.weight.grad.tolist()
    (0.0, [[1.0, 0.0, 1.0]])
    """
    return HeldMask(model, optimizer, mask)


class HeldMask:
    """The mask that `attach` holds: `set_mask` changes it, `detach` lets go of it, as the end of a `with` block does.

    mask: the present one, by the names of the model without wrappers.
    """

    def __init__(
        self, model: nn.Module, optimizer: Optimizer | Sequence[Optimizer], mask: Mapping[str, Tensor] | HasMask
    ) -> None:
        self.mask: Mask = {}
        self._model, self._optimizers = model, _optimizers(optimizer)
        self._pruned: dict[Tensor, Pruned] = {}
        self._handles: list[Any] = []
        self._attached = True
        self.set_mask(mask)
        for one in self._optimizers:
            self._handles.append(one.register_step_pre_hook(self._before_step))
            self._handles.append(one.register_step_post_hook(self._after_step))
            self._handles.append(one.register_load_state_dict_post_hook(self._after_loading))

    @torch.no_grad()
    def set_mask(self, mask: Mapping[str, Tensor] | HasMask) -> None:
        """Changes to `mask`: pruned and grown weights become zero, their momentum and Adam's moments too.

        What `mask` does not name is unpruned. Call it with the present mask after you have loaded weights that are not
        masked. To grow weights by their gradient, take it from `torch.autograd.grad`, which no hook masks.
        """
        if not self._attached:
            raise LotteryError("the mask is detached and holds nothing any more: call lth.attach again")
        names, kept = _resolved(self._model, mask)
        self._check(names)
        places = {weight: pruned_places(weight, some) for weight, some in kept.items()}
        for weight in [weight for weight in places if weight not in self._pruned]:
            self._pruned[weight] = Pruned()
            self._handles.append(hooked(weight, self._pruned[weight]))
        for weight, pruned in self._pruned.items():
            self._zero(weight)  # what grows
            pruned.prune(places.get(weight))
            self._zero(weight)
            pruned(weight)
        self.mask = {names[weight]: places for weight, places in kept.items()}

    def detach(self) -> None:
        """Ends the hold: weights stay as they are, and the next step may change all of them. Twice does no harm."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._pruned.clear()
        self._attached = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.detach()

    def _check(self, names: Mapping[Tensor, str]) -> None:
        """Raises LotteryError for a weight that another mask holds, or that is trained by no optimiser given."""
        held = {id(weight) for one in self._optimizers for weight in _weights(one)}
        if names and not any(id(weight) in held for weight in bare(self._model).parameters()):
            problem = "it was made before the model was given (or copied, or wrapped): make it from model.parameters()"
            raise LotteryError(f"the optimiser holds no parameter of the model; {problem}")
        for weight, name in names.items():
            if weight not in self._pruned and is_hooked(weight):
                raise LotteryError(f"{name} is held by another mask: detach that first, or change it by set_mask")
            if weight.requires_grad and id(weight) not in held:
                raise LotteryError(f"no optimiser given holds {name}, which the mask prunes: give all that train it")

    def _zero(self, weight: Tensor) -> None:
        """Sets `weight`, and what optimisers remember of it, to zero where it is pruned."""
        for tensor in (weight, *(x for one in self._optimizers for x in moments(weight, one))):
            self._pruned[weight].zero(tensor)

    def _before_step(self, optimizer: Optimizer, args: object, kwargs: object) -> None:
        """For gradients that do not come from backward as they are: set by hand, noisy, compressed between machines."""
        sure = type(optimizer) in ELEMENTWISE
        for weight, pruned in self._trained_by(optimizer):
            if not (sure and pruned.is_masked(weight)):
                pruned(weight)

    @torch.no_grad()
    def _after_step(self, optimizer: Optimizer, args: object, kwargs: object) -> None:
        for weight, pruned in self._trained_by(optimizer):
            pruned.zero(weight)

    def _trained_by(self, optimizer: Optimizer) -> Iterable[tuple[Tensor, Pruned]]:
        """The masked parameters that `optimizer` may change; a single one is given all, the frozen ones too."""
        if len(self._optimizers) == 1:
            return self._pruned.items()
        return [(weight, self._pruned[weight]) for weight in _weights(optimizer) if weight in self._pruned]

    @torch.no_grad()
    def _after_loading(self, optimizer: Optimizer) -> None:
        """A checkpoint may be of a training without the mask."""
        for weight in self._pruned:
            self._zero(weight)


def _weights(optimizer: Optimizer) -> Iterator[Tensor]:
    """The parameters that `optimizer` trains at present."""
    for group in optimizer.param_groups:
        yield from group["params"]


def _optimizers(given: Optimizer | Sequence[Optimizer]) -> list[Optimizer]:
    """torch's optimisers in `given`, those inside of wrappers too; LotteryError where there is none."""
    queue: list[Any] = list(given) if isinstance(given, (list, tuple)) else [given]
    for outer in queue:
        inner = [x for x in getattr(outer, "__dict__", {}).values() if isinstance(x, Optimizer)]
        if not inner and not isinstance(outer, Optimizer):
            raise LotteryError(f"{type(outer).__name__} is no optimiser: attach needs one of torch.optim, or several")
        queue.extend(x for x in inner if not any(x is other for other in queue))
    # a wrapper that never called Optimizer.__init__ has no hooks, and calls what it wraps
    optimizers = [x for x in queue if isinstance(x, Optimizer) and "_optimizer_step_post_hooks" in vars(x)]
    if not optimizers:
        raise LotteryError("there is no optimiser to hold the mask in: attach needs one of torch.optim, or several")
    return optimizers


def _resolved(model: nn.Module, mask: Mapping[str, Tensor] | HasMask) -> tuple[dict[Tensor, str], dict[Tensor, Tensor]]:
    """(name, what is kept) of each parameter that `mask` names; LotteryError where it does not fit `model`."""
    if not isinstance(model, nn.Module):
        raise LotteryError(
            f"{type(model).__name__} is no model: attach needs a torch.nn.Module, its optimiser and a mask"
        )
    if any(type(module).__name__ == FLAT for module in model.modules()):
        raise LotteryError(f"{FLAT} keeps the parameters of many layers as one, which no mask fits: use fully_shard")
    parameters = dict(bare(model).named_parameters(remove_duplicate=False))
    tensors = mask if isinstance(mask, Mapping) else getattr(mask, "mask", None)
    if not isinstance(tensors, Mapping):
        kind = type(mask).__name__
        raise LotteryError(f"{kind} is no mask: a dict of bool tensors is needed, or a ticket (lth.load_ticket)")
    given = with_names_of(tensors, parameters)
    for name, kept in given.items():
        if not isinstance(kept, Tensor) or kept.dtype != torch.bool:
            kind = str(kept.dtype) if isinstance(kept, Tensor) else type(kept).__name__
            raise LotteryError(f"the mask of {name} is {kind}: a bool tensor is needed, True where a weight is kept")
        weight = parameters.get(name)
        if weight is not None and (is_lazy(weight) or not weight.is_floating_point()):
            kind = "not initialised: run one batch through the model first" if is_lazy(weight) else str(weight.dtype)
            raise LotteryError(f"a mask cannot hold {name}: it is {kind}")
    check_shapes(parameters, given)
    names: dict[Tensor, str] = {}
    masks: dict[Tensor, Tensor] = {}
    for name, kept in given.items():
        weight = parameters[name]
        if weight in masks and not torch.equal(masks[weight], kept):
            raise LotteryError(f"{name} and {names[weight]} are one tensor in the model, and are pruned differently")
        names.setdefault(weight, name)
        masks.setdefault(weight, kept)
    return names, masks
