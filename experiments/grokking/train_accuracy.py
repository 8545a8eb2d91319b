"""The accuracy on the training split, in the course of training."""

from typing import ClassVar

from torch import nn

from lth.core.tables import Column
from lth.training.evaluate import evaluate
from lth.training.run_spec import RunSpec

from .tables import TRAIN


class TrainAccuracy:
    """Observes a training: the accuracy on the whole training split, every `every` iterations."""

    columns: ClassVar = {"accuracy": Column(TRAIN, float, "0..1", "the accuracy on the training split")}

    def __init__(self, every: int) -> None:
        self.every, self.key = every, f"{TRAIN} every={every}"

    def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
        return {"accuracy": evaluate(model, spec.data.train).accuracy}
