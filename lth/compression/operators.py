"""The operators of torch that run within a block of code, and the FLOPs of those that multiply."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry


class Operators(TorchDispatchMode):
    """Within, `ran` is called after every operator, forward and backward; one that is made of others is taken apart."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]  # it has no types

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Asked by torch, which imports its compiler for the answer yes, and that takes seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = getattr(func, "_overloadpacket", None)
        if packet not in flop_registry and func is not torch.ops.prim.device.default:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        self.ran(packet, args, kwargs, result)
        return result

    def ran(self, packet: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Called with an operator, as `flop_registry` knows it, what it was called with, and what it gave."""
        raise NotImplementedError


def flops_of(packet: Any, args: Any, kwargs: Any, result: Any) -> int:
    """FLOPs of an operator by torch's formulas; 0 for one that does not multiply.

    >>> x = torch.ones(2, 3)
    >>> flops_of(torch.ops.aten.mm, (x, x.T), {}, x @ x.T)
    24
    """
    return int(flop_registry[packet](*args, **kwargs, out_val=result)) if packet in flop_registry else 0


def count_flops(action: Callable[[], Any]) -> int:
    """The FLOPs of the operators that `action` runs; it is called again where it uses torch's higher-order ones.

    >>> count_flops(lambda: torch.ones(2, 3) @ torch.ones(3, 2))
    24
    """
    counter = _Flops()
    try:
        with counter:
            action()
        return counter.flops
    except _HigherOrderError:
        with FlopCounterMode(display=False) as torchs:
            action()
        return int(torchs.get_total_flops())


class _HigherOrderError(Exception):
    """What runs is an operator of operators, such as `torch.cond`."""


class _Flops(Operators):
    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if isinstance(func, torch._ops.HigherOrderOperator):
            raise _HigherOrderError
        return super().__torch_dispatch__(func, types, args, kwargs)

    def ran(self, packet: Any, args: Any, kwargs: Any, result: Any) -> None:
        self.flops += flops_of(packet, args, kwargs, result)
