"""Channels innermost: the same network and gradients up to rounding, the usual layout of weights, where it is safe."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from lth.core.errors import SettingError
from lth.core.seeds import Seeds
from lth.data.tensors import Data, Split
from lth.models import build
from lth.models.initialize import initialize
from lth.store.fingerprint import fingerprint_inputs
from lth.training import evaluate as evaluation
from lth.training import steps
from lth.training.evaluate import CHUNK, SMALL_CHUNK, chunk_of, evaluate
from lth.training.layout import by_channel, is_by_channel, trains_by_channel
from lth.training.loop import train
from lth.training.recipe import Recipe, plan
from lth.training.run_spec import RunSpec


class Viewing(nn.Module):
    """A user's network, whose forward pass relies on the usual layout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 2, 3), nn.Linear(72, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(images).view(len(images), -1))


def image_spec(model: nn.Module, channels: int) -> RunSpec:
    """One iteration of SGD on 40 random images of 8 by 8 pixels."""
    torch.manual_seed(0)
    split = Split(torch.randn(40, channels, 8, 8), torch.arange(40) % 3)
    data = Data("images", split, split, split, 3)
    recipe = Recipe(iterations=1, batch_size=20, optimizer="sgd", lr=0.05, evaluate_every=1)
    return RunSpec(model, initialize(model, "glorot_normal", 0), {}, data, plan(recipe, 40), Seeds().resolved())


@pytest.mark.parametrize(("memory_format", "inner"), [("auto", True), ("contiguous", False), ("channels_last", True)])
def test_the_recipe_says_how_images_lie_in_memory_in_training(
    monkeypatch: pytest.MonkeyPatch, memory_format: str, inner: bool
) -> None:
    strides = []
    monkeypatch.setattr(steps, "call", lambda model, images: strides.append(images.stride()) or model(images))
    spec = image_spec(build("conv2", (3, 8, 8), 3), 3)
    train(replace(spec, plan=replace(spec.plan, memory_format=memory_format)))
    assert strides == [(192, 1, 24, 3) if inner else (192, 64, 8, 1)]


def test_channels_last_is_asked_for_of_images_alone() -> None:
    spec = image_spec(build("conv2", (3, 8, 8), 3), 3)
    flat = Split(torch.randn(40, 192), torch.arange(40) % 3)
    plan = replace(spec.plan, memory_format="channels_last")
    with pytest.raises(SettingError, match=r"recipe\.memory_format=channels_last: is for images"):
        trains_by_channel(replace(spec, data=Data("flat", flat, flat, flat, 3), plan=plan))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["conv2", "resnet20"])
def test_channels_innermost_change_nothing_but_the_last_bits(
    monkeypatch: pytest.MonkeyPatch, name: str, channels: int
) -> None:
    results = []
    for inner in (True, False):
        spec = image_spec(build(name, (channels, 8, 8), 3), channels)
        if not inner:
            for module in ("layout", "evaluate"):
                monkeypatch.setattr(f"lth.training.{module}.is_by_channel", lambda *_: False)
        results.append(train(spec))
        assert all(parameter.is_contiguous() for parameter in spec.model.parameters())
    for key, tensor in results[0].final.items():
        assert (tensor - results[1].final[key]).double().norm() <= 1e-3 * (1 + tensor.double().norm()), key
    assert results[0].points[-1].val_loss == pytest.approx(results[1].points[-1].val_loss, rel=1e-3)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_images_stay_the_same(channels: int) -> None:
    images = torch.randn(4, 5, 6, channels).permute(0, 3, 1, 2)[1:]
    for given in (images, images.contiguous()):
        inner = by_channel(given)
        assert torch.equal(inner, images) and inner.stride(1) == 1
        assert nn.Conv2d(channels, 4, 3)(inner).is_contiguous(memory_format=torch.channels_last)


def test_networks_of_other_code_or_without_convolutions_keep_the_usual_layout() -> None:
    lenet, conv = build("lenet_300_100", (1, 8, 8), 3), build("conv2", (1, 8, 8), 3)
    flags = [is_by_channel(model, (1, 8, 8)) for model in (lenet, conv, Viewing(), nn.Sequential(Viewing()))]
    assert flags == [False, True, False, False] and not is_by_channel(conv, (8, 8))
    assert train(image_spec(Viewing(), 1)).status == "done"
    loops = [fingerprint_inputs(image_spec(model, 1))["loop"] for model in (lenet, conv, Viewing())]
    assert loops == [1, 2, 1], "what is kept of a network with the usual layout stays found"


@pytest.mark.parametrize("name", ["lenet_300_100", "conv2"])
def test_chunks_change_no_hit(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    spec = image_spec(build(name, (1, 8, 8), 3), 1)
    split = Split(torch.randn(131, 1, 8, 8), torch.arange(131) % 3)
    assert chunk_of(spec.model, split) == (SMALL_CHUNK if name == "conv2" else CHUNK)
    scores = []
    for size in (1, 7, 131):
        monkeypatch.setattr(evaluation, "chunk_of", lambda *_, size=size: size)
        scores.append(evaluate(spec.model, split))
    assert all(torch.equal(score.hits, scores[0].hits) for score in scores)
    assert [score.loss for score in scores] == pytest.approx([scores[0].loss] * 3, rel=1e-6)
