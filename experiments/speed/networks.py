"""The networks that are timed, and their trainings: on MNIST or CIFAR-10, or on random images of their shapes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from lth.core.rng import rng
from lth.core.seeds import Seeds
from lth.core.weights import Mask
from lth.data import sources
from lth.data.preparation import prepare
from lth.data.tensors import Data, Split
from lth.lottery.pruned import prune
from lth.models import build
from lth.models.initialize import initialize
from lth.pruning.mask import dense, prunable
from lth.training.recipe import Plan, Recipe, plan
from lth.training.run_spec import RunSpec

from .settings import DEEP as DEEP_NAMES
from .settings import NETWORKS as NAMES

ADAM = {"batch_size": 60, "lr": 1.2e-3}
SGD = {"batch_size": 128, "optimizer": "sgd", "lr": 0.03, "momentum": 0.9, "weight_decay": 1e-4}
ENDLESS = 10**7
"""Iterations of a training that is never done: kernels are chosen for it as for any long training."""
LOOKED_AT = 100
"""Examples of the validation and the test split of a training that is timed by blocks, which evaluates in none."""


@dataclass(frozen=True)
class Network:
    """A network, its data and its recipe. share: of the iterations of a block of Lenet-300-100, those of its own."""

    name: str
    data: str
    recipe: Mapping[str, object]
    share: float
    widths: Sequence[int] | None = None

    def iterations(self, longest: int) -> int:
        """The iterations of a block, where a block of Lenet-300-100 has `longest`."""
        return max(1, round(self.share * longest))

    def build(self, data: Data) -> nn.Module:
        """The network for `data`."""
        return build("mlp" if self.widths else self.name, data.shape, data.classes, self.widths)


NETWORKS = {
    network.name: network
    for network in (
        Network("lenet_300_100", "mnist", ADAM, 1.0),
        Network("mlp_1024", "mnist", ADAM | {"batch_size": 128}, 0.1, (1024, 1024)),
        Network("lenet5", "mnist", ADAM, 0.3),
        Network("conv2", "cifar10", ADAM | {"lr": 2e-4}, 0.02),
        Network("resnet20", "cifar10", SGD, 0.02),
    )
}
DEEP = {"resnet20": NETWORKS["resnet20"], "vgg11": Network("vgg11", "cifar10", SGD, 0.02)}
assert tuple(NETWORKS) == NAMES and tuple(DEEP) == DEEP_NAMES
SHAPES = {"mnist": ((1, 28, 28), 60_000), "cifar10": ((3, 32, 32), 20_000)}
"""Data set -> (shape of an image, training images that are used)."""


@dataclass(frozen=True, eq=False)
class Images:
    """A data set that is trained on: four tensors in the form of a prepared file, and what they are."""

    name: str
    tensors: Mapping[str, Tensor]
    source: str
    prepared: dict[int, Data] = field(default_factory=dict)

    def data(self, validation: int = 5_000) -> Data:
        """The splits, ready to train on."""
        if validation not in self.prepared:
            self.prepared[validation] = prepare(self.name, dict(self.tensors), validation=validation)
        return self.prepared[validation]


def load_images(name: str, root: str | None) -> Images:
    """The images of `name` where they are there, else random ones of their shape."""
    place = sources.folder_of(root, "data.root") if root else sources.default_root()
    raw = {"mnist": "MNIST/raw/train-images-idx3-ubyte", "cifar10": "cifar-10-batches-py/data_batch_1"}[name]
    shape, count = SHAPES[name]
    if (place / f"{name}.safetensors").exists() or (place / raw).exists():
        tensors = dict(sources.load(name, place))
        for part in ("images", "labels"):
            tensors[f"train_{part}"] = tensors[f"train_{part}"][:count]
        return Images(name, tensors, name)
    tensors = {}
    for part, several in (("train", count), ("test", 10_000)):
        draw = rng(0, name, part)
        tensors[f"{part}_images"] = torch.randint(256, (several, *shape), generator=draw, dtype=torch.uint8)
        tensors[f"{part}_labels"] = torch.randint(10, (several,), generator=draw)
    return Images(name, tensors, f"random images, for there is no {name} in {place}")


def make_spec(network: Network, images: Images, density: float, seed: int) -> RunSpec:
    """A training of `network` at `density` that goes on for hours, and evaluates at its start alone."""
    data = images.data()
    data = replace(data, validation=part(data.validation, LOOKED_AT), test=part(data.test, LOOKED_AT))
    model = network.build(data)
    start = initialize(model, "glorot_normal", seed)
    model.load_state_dict(start)
    endless = plan_of(network, data, iterations=ENDLESS, evaluate_every=ENDLESS)
    return RunSpec(model, start, mask_of(model, density), data, endless, Seeds().resolved(seed))


def plan_of(network: Network, data: Data, **recipe: object) -> Plan:
    """The plan of a training of `network`."""
    return plan(Recipe(**(dict(network.recipe) | recipe)), len(data.train))  # type: ignore[arg-type]


def mask_of(model: nn.Module, density: float) -> Mask:
    """The mask that keeps the largest weights of each layer, as many as `density` says."""
    return prune(model, 1 - density) if density < 1 else dense(prunable(model))


def part(split: Split, count: int) -> Split:
    """The first `count` examples of a split."""
    return split.take(slice(count))
