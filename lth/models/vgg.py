"""VGG-11 and VGG-16 for CIFAR: with BatchNorm and one linear layer (Simonyan & Zisserman 2015; Frankle et al. 2020)."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import count, islice

from torch import Tensor, nn

from lth.core.errors import SettingError

CHANNELS = (64, 128, 256, 512, 512)
"""Channels of the five stages of convolutions; the first four end with a 2x2 max pooling."""
CONVOLUTIONS = {"vgg11": (1, 1, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3)}
"""How many 3x3 convolutions each stage has."""
SMALLEST = 16
"""The smallest side of an image that the four poolings leave a pixel of."""


class Vgg(nn.Module):
    """Stages of 3x3 convolutions, each with BatchNorm and ReLU, and a linear layer on the mean over positions.

    Logits of shape (N, classes). On images of 32x32 the mean is over 2x2 positions.
    """

    def __init__(self, channels: int, classes: int, widths: Sequence[int], convolutions: Sequence[int]) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        numbers = count(1)
        for stage, (width, convolutions_here) in enumerate(zip(widths, convolutions, strict=True), start=1):
            for number in islice(numbers, convolutions_here):
                layers[f"conv{number}"] = nn.Conv2d(channels, width, 3, padding=1)
                layers[f"bn{number}"] = nn.BatchNorm2d(width)
                layers[f"relu{number}"] = nn.ReLU()
                channels = width
            if stage < len(widths):
                layers[f"pool{stage}"] = nn.MaxPool2d(2)
        self.layers = nn.Sequential(layers)
        self.fc = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, channels, H, W) -> logits (N, classes)."""
        return self.fc(self.layers(images).mean((2, 3)))  # type: ignore[no-any-return]


def _vgg(name: str) -> Callable[..., Vgg]:
    def build(shape: Sequence[int], classes: int, width: float = 1.0) -> Vgg:
        if len(shape) != 3 or min(shape[1:]) < SMALLEST:
            problem = f"needs images (channels, height, width) of at least {SMALLEST} pixels"
            raise SettingError("model", name, f"{problem}, the data are {tuple(shape)}")
        widths = [max(1, round(width * channels)) for channels in CHANNELS]
        return Vgg(shape[0], classes, widths, CONVOLUTIONS[name])

    build.__name__ = name
    build.__doc__ = (
        f"{sum(CONVOLUTIONS[name])} convolutions with BatchNorm and a linear layer, as OpenLTH has them. width: factor"
        " of the channels of every stage, which are rounded to whole numbers of at least 1."
    )
    return build


vgg11, vgg16 = map(_vgg, CONVOLUTIONS)
