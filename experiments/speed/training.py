"""The training that is timed: Lenet-300-100 on MNIST, or on random images of its shape, at 20% density."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lth.core.rng import rng
from lth.core.seeds import Seeds
from lth.core.weights import load
from lth.data import sources, tensors
from lth.lottery.pruned import prune
from lth.models import build
from lth.models.initialize import initialize
from lth.training.recipe import Recipe, plan
from lth.training.run_spec import RunSpec

from .settings import SpeedSettings


def mnist(root: str | None) -> tuple[dict[str, Tensor], str]:
    """MNIST's four tensors where they are there, else random ones of their shape; and which they are."""
    place = sources.folder_of(root, "data.root") if root else sources.default_root()
    files = (place / "mnist.safetensors", place / "MNIST" / "raw" / "train-images-idx3-ubyte")
    if any(file.exists() for file in files):
        return sources.load("mnist", place), "MNIST"
    made = {}
    for part, count in (("train", 60_000), ("test", 10_000)):
        shape, draw = (count, 1, 28, 28), rng(0, part)
        made[f"{part}_images"] = torch.randint(256, shape, generator=draw, dtype=torch.uint8)
        made[f"{part}_labels"] = torch.randint(10, (count,), generator=draw)
    return made, f"random images, for there is no MNIST in {place}"


def make_spec(images: Mapping[str, Tensor], spec: SpeedSettings) -> RunSpec:
    """Our training: all blocks, alone and beside another, and one iteration more, after which alone it evaluates."""
    data = tensors.prepare("mnist", dict(images), validation=5_000)
    model = build("lenet_300_100", data.shape, data.classes)
    start = initialize(model, "glorot_normal", spec.seed)
    load(model, start)
    length = 2 * (spec.blocks + 1) * spec.iterations + 1
    recipe = Recipe(iterations=length, evaluate_every=length)
    return RunSpec(model, start, prune(model, 0.8), data, plan(recipe, len(data.train)), Seeds().resolved(spec.seed))
