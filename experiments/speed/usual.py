"""The usual way to train a masked network: torchvision's data sets, a DataLoader, masks by multiplication."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

from lth.core.weights import Mask, load, masked
from lth.data.batches import PADDING
from lth.training.recipe import Plan
from lth.training.run_spec import RunSpec

from .networks import Images

EVALUATED = 1_000
"""Examples in a batch of an evaluation."""


@cache
def transform_of(images: Images, augment: bool = False) -> transforms.Compose:
    """ToTensor and Normalize, by the mean and the deviation of each channel of the training images.

    augment: RandomCrop and RandomHorizontalFlip come before them.
    """
    deviation, mean = torch.std_mean(images.tensors["train_images"].float() / 255, (0, 2, 3), correction=0)
    side = images.tensors["train_images"].shape[-1]
    random = [transforms.RandomCrop(side, padding=PADDING), transforms.RandomHorizontalFlip()] if augment else []
    normal = transforms.Normalize(mean.tolist(), deviation.tolist())
    return transforms.Compose([*random, transforms.ToTensor(), normal])


class MNIST(datasets.MNIST):  # type: ignore[misc]  # torchvision is untyped
    """torchvision's MNIST, an image at a time through PIL, with its files read already."""

    def __init__(self, images: Tensor, labels: Tensor, transform: transforms.Compose) -> None:
        super(datasets.MNIST, self).__init__("", transform=transform)
        self.data, self.targets = images[:, 0], labels


class CIFAR10(datasets.CIFAR10):  # type: ignore[misc]  # torchvision is untyped
    """torchvision's CIFAR-10, an image at a time through PIL, with its files read already."""

    def __init__(self, images: Tensor, labels: Tensor, transform: transforms.Compose) -> None:
        super(datasets.CIFAR10, self).__init__("", transform=transform)
        self.data, self.targets = images.permute(0, 2, 3, 1).contiguous().numpy(), labels.tolist()


Examples = Dataset[tuple[Tensor, int]]


def dataset_of(images: Images, part: str, which: slice = slice(None), augment: bool = False) -> Examples:
    """The examples `which` of the part `train` or `test` of `images`, as the usual way reads them.

    augment: each image is flipped and cropped by chance.
    """
    kinds: dict[str, Any] = {"mnist": MNIST, "cifar10": CIFAR10}
    pictures, labels = (images.tensors[f"{part}_{content}"][which] for content in ("images", "labels"))
    dataset: Examples = kinds[images.name](pictures, labels, transform_of(images, augment))
    return dataset


class Usual:
    """A training of the usual way: the network of `spec`, from its weights, under its mask.

    It trains on the device of the data of `spec`. loaders: how many processes load the data; 0: the one that trains.
    """

    def __init__(self, spec: RunSpec, model: nn.Module, dataset: Examples, loaders: int = 0) -> None:
        self.loaders = loaders
        self.device = spec.data.train.device
        self.plan, self.model, self.dataset = spec.plan, model, dataset
        self.mask = {name: kept.to(self.device) for name, kept in spec.mask.items()}
        load(model, masked(spec.initial_state, spec.mask))
        model.to(self.device)
        self.optimizer = usual_optimizer(model, spec.plan)

    def steps(self) -> Iterator[None]:
        """Trains an iteration at a time, without end."""
        loader = self._loader()
        while True:
            self.model.train()
            for images, labels in loader:
                images, labels = (x.to(self.device, non_blocking=True) for x in (images, labels))
                self.optimizer.zero_grad()
                loss = functional.cross_entropy(self.model(images), labels)
                loss.backward()
                self.optimizer.step()
                apply_mask(self.model, self.mask)
                yield

    def _loader(self) -> DataLoader[Any]:
        """The batches of every epoch.

        Processes that load are a few batches ahead, and make one for each that is taken: a block of a training that is
        slower than they are holds all that loading costs. One that is faster gains by the batches made before it.
        """
        return DataLoader(
            self.dataset,
            self.plan.batch_size,
            shuffle=True,
            num_workers=self.loaders,
            persistent_workers=self.loaders > 0,
            pin_memory=self.device.type == "cuda",
        )


def usual_optimizer(model: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """torch's optimiser as scripts make it, with its defaults beyond the recipe."""
    if plan.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=plan.lr, momentum=plan.momentum, weight_decay=plan.weight_decay)
    return torch.optim.Adam(model.parameters(), lr=plan.lr)


@torch.no_grad()
def apply_mask(model: nn.Module, mask: Mask) -> None:
    """Multiplies weights by their masks."""
    for name, parameter in model.named_parameters():
        if name in mask:
            parameter.mul_(mask[name])


@torch.no_grad()
def usual_evaluation(model: nn.Module, dataset: Examples) -> tuple[float, float]:
    """(mean loss, accuracy) of `model` on a data set, as scripts compute them."""
    model.eval()
    loss, correct, count = 0.0, 0, 0
    for images, labels in DataLoader(dataset, EVALUATED, num_workers=0):
        logits = model(images)
        loss += functional.cross_entropy(logits, labels, reduction="sum").item()
        correct += int((logits.argmax(1) == labels).sum().item())
        count += len(labels)
    model.train()
    return loss / count, correct / count
