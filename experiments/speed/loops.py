"""What is timed beside our loop: a usual one, and the bare matrix products of an iteration."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from lth.core.rng import rng
from lth.core.weights import load, masked
from lth.models import build
from lth.training.run_spec import RunSpec


class MNIST(datasets.MNIST):  # type: ignore[misc]  # torchvision is untyped
    """torchvision's MNIST, an image at a time through PIL, with its files read already."""

    def __init__(self, images: Mapping[str, Tensor]) -> None:
        steps = [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
        super(datasets.MNIST, self).__init__("", transform=transforms.Compose(steps))
        self.data, self.targets = images["train_images"][:, 0], images["train_labels"]


def usual(spec: RunSpec, dataset: MNIST) -> Iterator[None]:
    """Trains the network of `spec` as most scripts do, an iteration at a time, without end."""
    model = build("lenet_300_100", spec.data.shape, spec.data.classes)
    load(model, masked(spec.initial_state, spec.mask))
    optimizer = torch.optim.Adam(model.parameters(), lr=spec.plan.lr)
    while True:
        for images, labels in DataLoader(dataset, batch_size=spec.plan.batch_size, shuffle=True, num_workers=0):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    if name in spec.mask:
                        parameter.mul_(spec.mask[name])
            yield


def floor(spec: RunSpec) -> Iterator[None]:
    """The matrix products of an iteration, without end: 3 forward, 3 weight gradients, 2 input gradients."""
    products = []
    for number, name in enumerate(spec.mask):
        weight, draw = spec.initial_state[name], rng(0, name)
        above, below = (torch.randn(spec.plan.batch_size, width, generator=draw) for width in weight.shape)
        products += [(below, weight.t()), (above.t(), below)] + ([(above, weight)] if number else [])
    outputs = [torch.empty(left.shape[0], right.shape[1]) for left, right in products]
    while True:
        for (left, right), output in zip(products, outputs, strict=True):
            torch.mm(left, right, out=output)
        yield
