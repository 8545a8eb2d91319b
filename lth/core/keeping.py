"""The side state of a network, taken and put back: what it holds in its places, beside its state dict."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lth.core.errors import LotteryError, reason_of
from lth.core.parts import ABSENT, Part, parts_of, same, things_of
from lth.core.places import Place, attributes, hooks_of, inner_places, is_plain, known_things, shared_places


@dataclass(frozen=True)
class Taken:
    """A place with the value that it had, and with all that could change in that value."""

    place: Place
    value: Any
    parts: list[Part]

    @property
    def changed(self) -> bool:
        """Whether the place has another value now, or one that has changed; another tensor of equal bits has not."""
        present = self.place.get()
        if isinstance(present, Tensor) and self.parts and self.parts[0].thing is self.value:
            return not self.parts[0].held_by(present)
        return not same(present, self.value) or any(part.changed for part in self.parts)

    def restore(self) -> None:
        """Puts the value back, as it was."""
        present = self.place.get()
        for part in self.parts:
            part.restore()
        if isinstance(self.value, Tensor) and isinstance(present, Tensor) and present.device != self.value.device:
            self.place.set(self.value.to(present.device))  # the network was moved in between
        elif not same(present, self.value):
            self.place.set(self.value)


def take(model: nn.Module, shared: bool = False) -> dict[str, Taken]:
    """Name -> the present side state of `model`; `shared`: of what functions set outside of it alone."""
    if is_plain(model):
        return {}
    known = known_things(model)
    places = dict(shared_places(model))
    if not shared:
        places |= dict(inner_places(model))
    taken = {}
    for name, place in places.items():
        value = place.get()
        taken[name] = Taken(place, value, parts_of(value, known - {id(value)}))
    return taken


def copied(model: nn.Module) -> nn.Module:
    """A copy of `model`, also where it keeps something that `copy.deepcopy` alone refuses.

    Tensors that it has computed, such as the weight under `torch.nn.utils.weight_norm` or an activation, are copied
    without their gradient graph; what cannot be copied, such as a lock, is shared. Raises LotteryError where the model
    itself refuses.
    """
    held = [value for module in model.modules() for value in (*attributes(module).values(), *hooks_of(module))]
    tensors = [thing for thing, _ in things_of(held, known_things(model)) if isinstance(thing, Tensor)]
    memo: dict[int, Any] = {id(x): x.detach().clone() for x in tensors if x.grad_fn is not None}
    try:
        network = copy.deepcopy(model, dict(memo))
    except Exception:  # whatever the things that it keeps raise
        for value in held:
            try:
                copy.deepcopy(value, dict(memo))
            except Exception:
                memo[id(value)] = value
        network = _last_try(model, memo)
    for parameter, copied in zip(model.parameters(), network.parameters(), strict=True):
        for hook in (parameter._backward_hooks or {}).values():  # which a copy of a tensor does without
            copied.register_hook(hook)
        for hook in (getattr(parameter, "_post_accumulate_grad_hooks", None) or {}).values():
            copied.register_post_accumulate_grad_hook(hook)
    return network


def _last_try(model: nn.Module, memo: dict[int, Any]) -> nn.Module:
    try:
        return copy.deepcopy(model, memo)
    except Exception as error:
        problem = f"copy.deepcopy raises {type(error).__name__}: {reason_of(error)}"
        raise LotteryError(f"the model cannot be copied, and every search trains copies of it: {problem}") from error


@contextmanager
def kept(model: nn.Module, shared: bool = False) -> Iterator[None]:
    """Afterwards the side state of `model` is as before; `shared`: as in `take`."""
    before = take(model, shared)
    try:
        yield
    finally:
        restore(before, take(model, shared))


def restore(before: Mapping[str, Taken], now: Mapping[str, Taken]) -> None:
    """Takes the side state of a network from what it is `now` to what it was `before`."""
    for name, taken in now.items():
        if name not in before:
            taken.place.set(ABSENT)
    for taken in before.values():
        taken.restore()
