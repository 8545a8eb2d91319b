"""BatchNorm that waits for the sum and the ReLU after it, so that all three are one pass over memory each way.

A batch norm gives a tensor that is not filled yet. If a ReLU takes it next, or a sum and then a ReLU, they are one
function, and it is never filled. Whatever else happens first fills it, so that nobody can tell.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lth.kernels.functions import BatchNorm
from lth.kernels.layout import new


@dataclass
class Waiting:
    """A batch norm whose result is not filled: what it is to be called with, plus `added`.

    result: what it gave. done: it is a part of what another tensor holds, and needs no filling while nobody uses it.
    rectified: what a ReLU in place has made of it, which takes its place.
    """

    result: "weakref.ref[Tensor]"
    arguments: tuple[Any, ...]
    grad: bool
    added: Tensor | None = None
    done: bool = False
    rectified: Tensor | None = None

    def call(self, rectified: bool) -> Tensor:
        x, weight, bias, running, training, momentum, eps = self.arguments
        if self.done:  # the statistics were counted
            running = running if not training else None
        out: Tensor = BatchNorm.apply(x, self.added, weight, bias, running, training, momentum, eps, rectified)
        return out

    def fill(self) -> None:
        """Fills the result, if anybody still holds it; the running statistics are counted anyway."""
        result = self.result()
        if result is None and self.done:
            return
        with torch.set_grad_enabled(self.grad and result is not None):
            values = self.call(False) if self.rectified is None else self.rectified
            if result is not None:
                result.copy_(values)  # which gives it its gradient function, too


class Deferred:
    """The batch norms of a network that wait."""

    def __init__(self) -> None:
        self._waiting: dict[int, Waiting] = {}
        add, iadd = self._add, self._add_in_place
        self.calls: dict[Any, Callable[..., Tensor | None]] = {
            functional.relu: self._relu,
            torch.relu: self._relu,
            Tensor.relu: self._relu,
            torch.relu_: self._relu_in_place,
            Tensor.relu_: self._relu_in_place,
            torch.add: add,
            Tensor.add: add,
            Tensor.__add__: add,
            Tensor.__iadd__: iadd,
            Tensor.add_: iadd,
        }

    def batch_norm(self, x: Tensor, *arguments: Any) -> Tensor:
        """As `functions.BatchNorm` on (x, weight, bias, running statistics, training, momentum, eps)."""
        if any(waiting.arguments[3] is not None for waiting in self._waiting.values()):
            self.fill(running=arguments[2])
        return self._wait((x, *arguments), torch.is_grad_enabled())

    def _wait(self, arguments: tuple[Any, ...], grad: bool, added: Tensor | None = None) -> Tensor:
        result = new(tuple(arguments[0].shape), arguments[0])
        self._waiting[id(result)] = Waiting(weakref.ref(result), arguments, grad, added)
        return result

    def fill(self, only: Any = None, running: Any = None) -> None:
        """Fills what waits: all, those among the tensors `only`, or those that change the same `running` statistics."""
        for key, waiting in list(self._waiting.items()):
            result = waiting.result()
            chosen = only is None and running is None
            chosen |= only is not None and result is not None and any(result is x for x in only)
            chosen |= running is not None and _shared(running, waiting.arguments[3]) and not waiting.done
            if chosen or (result is None and waiting.done):
                del self._waiting[key]
                waiting.fill()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def clear(self) -> None:
        """Forgets what waits."""
        self._waiting.clear()

    def _get(self, x: object) -> Waiting | None:
        waiting = self._waiting.get(id(x))
        return waiting if waiting and waiting.result() is x and not waiting.done else None

    def _relu(self, x: Any, inplace: bool = False) -> Tensor | None:
        waiting = self._get(x)
        if waiting is None or waiting.grad != torch.is_grad_enabled():
            return None
        out = waiting.call(True)
        waiting.done = True
        waiting.rectified = out if inplace else None
        return out

    def _relu_in_place(self, x: Any) -> Tensor | None:
        return self._relu(x, inplace=True)

    def _add(self, x: Any, other: Any, **more: Any) -> Tensor | None:
        first, second = self._get(x), self._get(other)
        waiting, added = (first, other) if first else (second, x)
        if waiting is None or more or not self._adds(waiting, added):
            return None
        self.fill(only=[added])
        total = self._wait(waiting.arguments, waiting.grad, added)
        waiting.done = True
        return total

    def _add_in_place(self, x: Any, other: Any, **more: Any) -> Tensor | None:
        waiting = self._get(x)
        if waiting is None or more or not self._adds(waiting, other) or other is x:
            return None
        self.fill(only=[other])
        waiting.added = other
        result: Tensor = x
        return result

    @staticmethod
    def _adds(waiting: Waiting, added: Any) -> bool:
        """Whether `added` can be a part of the same function."""
        if not isinstance(added, Tensor) or waiting.added is not None or added is waiting.result():
            return False
        plain = added.dtype == torch.float32 and added.shape == waiting.arguments[0].shape
        return plain and added.device.type == "cpu" and waiting.grad == torch.is_grad_enabled()


def _shared(running: Any, other: Any) -> bool:
    return other is not None and any(x is y for x in running for y in other)
