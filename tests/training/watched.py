"""Trainings that are watched and killed, and results that are compared to the bit."""

from dataclasses import replace

from torch import nn

from lth.core.weights import digest
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

RECIPES = {
    "adam": {"lr": 0.01, "schedule": "cosine"},
    "adamw": {"lr": 0.01, "optimizer": "adamw", "weight_decay": 0.1, "warmup": 9},
    "momentum": {"lr": 0.05, "optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01, "decay": "all"},
    "sgd": {
        "lr": 0.05,
        "optimizer": "sgd",
        "momentum": 0.0,
        "schedule": "step",
        "milestones": [10],
        "precision": "bfloat16",
    },
}
"""Recipes whose trainings are killed: every optimiser, schedule and precision that a checkpoint has to restore."""


class Killed(Exception):
    pass


class Watch:
    """Sees the network after every iteration, pruned weights at zero; at its `last` look, the training is killed."""

    key, every, columns = "watch", 1, {}

    def __init__(self, last: int | None = None) -> None:
        self.looks, self.last = 0, last

    def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
        weights = dict(model.named_parameters())
        assert all(not weights[name][~kept].any() for name, kept in spec.mask.items())
        self.looks += 1
        if self.looks == self.last:
            raise Killed
        return {"total": sum(float(weight.detach().abs().sum()) for weight in weights.values())}


def equal(first: RunResult, second: RunResult) -> bool:
    """Whether two results agree to the bit, but for the time that they took."""
    timeless = [replace(result, seconds=0, evaluation_seconds=0).records() for result in (first, second)]
    states = [{key: digest(state) for key, state in result.states.items()} for result in (first, second)]
    return timeless[0] == timeless[1] and states[0] == states[1]
