"""Trainings by a user's own loop: as specs, and killed and resumed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from lth.core.seeds import Seeds
from lth.core.weights import Mask, clone
from lth.data.absent import no_data
from lth.searching import _Breaking, _BrokenOff
from lth.training.checkpoint import Checkpoint
from lth.training.custom_loop import CustomLoop
from lth.training.custom_metrics import Judgement
from lth.training.loop import train
from lth.training.recipe import open_plan
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec


def loop_spec(
    model: nn.Module, mask: Mask, function: Callable[..., Any], rewind: int = 0, judgement: Judgement | None = None
) -> RunSpec:
    """A training of `model` by the loop `function`, without data of lth's."""
    loop = CustomLoop(function, judgement=judgement or Judgement())
    return RunSpec(model, clone(model.state_dict()), mask, no_data(), open_plan(rewind), Seeds().resolved(0), loop=loop)


def break_off(spec: RunSpec, path: Path, steps: int) -> None:
    """Trains `spec`, and is killed right after its checkpoint when so many steps are done."""
    breaking = _Breaking(path, 0, {})
    breaking.steps = steps
    with pytest.raises(_BrokenOff):
        train(spec, checkpoint=breaking)


def broken_off(spec: RunSpec, path: Path, steps: int) -> RunResult:
    """The result of a training that is killed after so many steps, and resumed."""
    break_off(spec, path, steps)
    return train(spec, checkpoint=Checkpoint(path, float("inf"), {}))
