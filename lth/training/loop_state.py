"""What a user's loop holds beside its network: optimisers, schedules of the learning rate, and other things with state.

A checkpoint holds all of it. At a rewind point the optimisers start fresh, and the schedules go on from there.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError
from lth.core.portable import packed, unpacked
from lth.data.arrays import kind_of

ALL, SCHEDULE = "all", "schedule"
"""The names of what is packed."""


class LoopState:
    """The optimisers and schedules that a loop has attached, in order, and by name what else it keeps."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.optimizers: list[torch.optim.Optimizer] = []
        self.schedulers: list[Any] = []
        self.others: dict[str, Any] = {}

    def attach(self, optimizer: Any, scheduler: Any = None) -> None:
        """Adds an optimiser of weights of the model, and its schedule; LotteryError where it holds none of them."""
        if not isinstance(getattr(optimizer, "param_groups", None), list):
            problem = "give a torch.optim.Optimizer, as run.attach(torch.optim.SGD(run.model.parameters(), 0.1))"
            raise LotteryError(f"run.attach got {kind_of(optimizer)}: {problem}")
        if any(optimizer is one for one in self.optimizers):
            raise LotteryError(f"run.attach got the same {type(optimizer).__name__} twice")
        ids = {id(parameter) for parameter in self.model.parameters()}
        if not any(id(x) in ids for group in optimizer.param_groups for x in group["params"]):
            problem = "make it in fit, of run.model.parameters(), once the model is there"
            raise LotteryError(f"run.attach got a {type(optimizer).__name__} with no weight of run.model: {problem}")
        if optimizer.state:
            problem = "make a new one in fit: every level starts with a fresh optimiser"
            raise LotteryError(f"run.attach got a {type(optimizer).__name__} that has made steps already: {problem}")
        self.optimizers.append(optimizer)
        if scheduler is not None:
            check_stateful("run.attach: the scheduler", scheduler)
            self.schedulers.append(scheduler)

    def keep(self, things: Mapping[str, Any]) -> None:
        """Adds things that have a state, by name."""
        for name, thing in things.items():
            if name in self.others:
                raise LotteryError(f"run.keep got {name} twice: give each thing a name of its own")
            check_stateful(f"run.keep: {name}", thing)
            self.others[name] = thing

    @property
    def rate(self) -> float:
        """The learning rate of the first group of the first optimiser; 0 where there is none."""
        return float(self.optimizers[0].param_groups[0].get("lr", 0.0)) if self.optimizers else 0.0

    def packed(self) -> dict[str, Tensor]:
        """All of it, as tensors that a file can hold; NotPortable for a state that no file can hold."""
        state = {
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
            "others": {name: thing.state_dict() for name, thing in self.others.items()},
        }
        return packed(state, ALL)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `packed` gave; ValueError or KeyError where other things are attached now."""
        state = unpacked(tensors, ALL, None)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)
        if state["others"].keys() != self.others.keys():
            raise ValueError(f"it keeps {sorted(state['others'])}, not {sorted(self.others)}")
        for name, saved in state["others"].items():
            self.others[name].load_state_dict(saved)

    def schedule(self) -> dict[str, Tensor]:
        """The state of the schedules, and the settings of the optimisers that follow them, as tensors."""
        groups = [
            [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
            for optimizer in self.optimizers
        ]
        return packed({"groups": groups, "schedulers": [x.state_dict() for x in self.schedulers]}, SCHEDULE)

    def restore_schedule(self, tensors: Mapping[str, Tensor]) -> None:
        """Lets the schedules go on from what `schedule` gave; LotteryError where other ones are attached now."""
        state = unpacked(tensors, SCHEDULE, None)
        if (len(state["groups"]), len(state["schedulers"])) != (len(self.optimizers), len(self.schedulers)):
            there = f"{len(state['groups'])} optimisers and {len(state['schedulers'])} schedules"
            problem = "attach the same ones at every level"
            raise LotteryError(f"fit attached {there} up to the rewind point, and others after it: {problem}")
        for optimizer, groups in zip(self.optimizers, state["groups"], strict=True):
            for group, settings in zip(optimizer.param_groups, groups, strict=True):
                group |= settings
        for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)


def check_stateful(what: str, thing: Any) -> None:
    """Raises LotteryError where a thing has no state that could be taken and put back."""
    if not all(callable(getattr(thing, name, None)) for name in ("state_dict", "load_state_dict")):
        raise LotteryError(f"{what} is {kind_of(thing)}, which has no state_dict() and load_state_dict()")
