"""The laws of training on every device of this machine, a GPU where there is one: the same bits and exact zeros."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lth.core.machine import prepare
from lth.core.rng import global_rng
from lth.data.batches import flip_crop
from lth.data.tensors import Data
from lth.pruning.updates import RigL
from lth.training.checkpoint import Checkpoint
from lth.training.loop import train
from lth.training.run_spec import RunSpec
from tests.training.watched import RECIPES, Killed, Watch, equal

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
HERE = {"torch": "1", "threads": 1}
BFLOAT16 = {"lr": 0.05, "optimizer": "sgd", "precision": "bfloat16", "memory_format": "channels_last"}


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    return prepare(request.param, 1)


@pytest.fixture
def job(device: torch.device, rich_job: Callable[..., RunSpec]) -> Callable[..., RunSpec]:
    """A spec on the device with BatchNorm, dropout, augmentation and a mask; keywords change its recipe."""

    def make(**recipe: object) -> RunSpec:
        spec = rich_job(**recipe)
        return replace(spec, model=copy.deepcopy(spec.model), data=spec.data.to(device))

    return make


@pytest.mark.parametrize("recipe", [*RECIPES.values(), BFLOAT16], ids=[*RECIPES, "bfloat16"])
def test_a_training_gives_the_same_bits_again_also_when_it_was_killed(
    job: Callable[..., RunSpec], recipe: dict[str, object], tmp_path: Path
) -> None:
    spec = job(**recipe)
    unbroken = train(spec, [Watch()])  # which sees that pruned weights are zero at every iteration
    assert equal(train(spec, [Watch()]), unbroken) and unbroken.status == "done"
    with pytest.raises(Killed):
        train(spec, [Watch(last=17)], Checkpoint(tmp_path / "c", 0, HERE))
    watch = Watch()
    assert equal(train(spec, [watch], Checkpoint(tmp_path / "c", 0, HERE)), unbroken) and watch.looks == 15


def test_a_mask_changes_in_training(job: Callable[..., RunSpec]) -> None:
    update = RigL(0.3, 5, 20, "learning_rate")
    spec = replace(job(), update=update)
    result = train(spec, [Watch()])
    mask, weights = result.states["final_mask"], result.states["final"]
    kept = {name: int(layer.sum()) for name, layer in mask.items()}
    assert kept == {name: int(layer.sum()) for name, layer in spec.mask.items()}
    assert any((layer.cpu() != spec.mask[name].cpu()).any() for name, layer in mask.items())
    assert all(not weights[name][~layer.to(weights[name].device)].any() for name, layer in mask.items())
    assert equal(train(spec, [Watch()]), result)


def test_augmentation_and_first_weights_are_those_of_the_cpu(job: Callable[..., RunSpec], data: Data) -> None:
    there = job().data.train.images
    assert torch.equal(flip_crop(there, 3, 5).cpu(), flip_crop(there.cpu(), 3, 5))
    dense = train(replace(job(optimizer="sgd", momentum=0.0, lr=0.01), mask={}))
    local = job(optimizer="sgd", momentum=0.0, lr=0.01)
    local = train(replace(local, mask={}, data=local.data.to(torch.device("cpu")), model=local.model.cpu()))
    assert [x.iteration for x in dense.points] == [x.iteration for x in local.points]
    first, other = dense.points[0], local.points[0]
    assert first.val_loss == pytest.approx(other.val_loss, rel=1e-3)  # convolutions on a GPU may be in TF32


def test_a_training_restores_the_generators_of_its_device(job: Callable[..., RunSpec], device: torch.device) -> None:
    with global_rng(0, "devices"):
        expected = torch.rand(3, device=device)
    with global_rng(0, "devices"):
        train(job())
        assert torch.equal(torch.rand(3, device=device), expected)
