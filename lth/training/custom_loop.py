"""A training loop of the user's, as data: the function, its arguments, and the version that its author gives it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lth.core.errors import LotteryError
from lth.core.weights import State
from lth.data.arrays import kind_of
from lth.training.custom_metrics import Judgement


@dataclass(frozen=True)
class CustomLoop:
    """The loop `function(run, **args)`, which trains `run.model` and returns its final metrics by name.

    version: a word for what the code does not show, such as the state of a file that it reads; it is a part of the
    fingerprint. check: whether level 0 is trained once more, broken off and resumed, and has to give the same bits.
    judgement: how its metrics are read, which changes no training. schedule: the state of the learning rate schedules
    at the rewind point, as `LoopState.schedule` packs it. code: what a store has read of it, for its fingerprint.

    >>> def fit(run, lr=0.1): ...
    >>> CustomLoop(fit, {"lr": 0.2}).name
    'lth.training.custom_loop.fit'
    """

    function: Callable[..., Any]
    args: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    check: bool = False
    judgement: Judgement = field(default=Judgement(), compare=False)
    schedule: State = field(default_factory=dict, repr=False, compare=False)
    code: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise LotteryError(f"fit is {kind_of(self.function)}: give a function that is called with the run")
        try:
            inspect.signature(self.function).bind(object(), **self.args)
        except TypeError as error:
            problem = f"cannot be called as fit(run{''.join(f', {name}=...' for name in self.args)})"
            raise LotteryError(f"fit={self.name} {problem}: {error}") from error
        except ValueError:  # it has no signature
            pass

    @property
    def name(self) -> str:
        """The function by its module and name; an object by its class."""
        function: Any = self.function
        while isinstance(function, partial):
            function = function.func
        named = function if hasattr(function, "__qualname__") else type(function)
        return f"{named.__module__}.{named.__qualname__}"

    def __call__(self, run: Any) -> Any:
        """What the function returns."""
        return self.function(run, **self.args)
