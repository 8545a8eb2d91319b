"""Conv-2, Conv-4 and Conv-6: scaled-down VGG networks for CIFAR-10 (Frankle & Carbin 2019, Fig. 2)."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import nn

from lth.core.errors import SettingError

WIDTHS = (64, 128, 256)
"""Channels of the two 3x3 convolutions before each 2x2 max pooling."""


def _conv(name: str, blocks: int) -> Callable[[Sequence[int], int], nn.Sequential]:
    def build(shape: Sequence[int], classes: int) -> nn.Sequential:
        if len(shape) != 3 or min(shape[1:]) < 2**blocks:
            problem = (
                f"needs images (channels, height, width) of at least {2**blocks} pixels, the data are {tuple(shape)}"
            )
            raise SettingError("model", name, problem)
        channels, height, width = shape
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for block in range(blocks):
            for number in (2 * block + 1, 2 * block + 2):
                layers[f"conv{number}"] = nn.Conv2d(channels, WIDTHS[block], 3, padding=1)
                layers[f"relu{number}"] = nn.ReLU()
                channels = WIDTHS[block]
            layers[f"pool{block + 1}"] = nn.MaxPool2d(2)
        layers["flatten"] = nn.Flatten()
        features = channels * (height >> blocks) * (width >> blocks)
        for number, size in enumerate((features, 256), start=1):
            layers[f"fc{number}"] = nn.Linear(size, 256)
            layers[f"relu_fc{number}"] = nn.ReLU()
        layers["output"] = nn.Linear(256, classes)
        return nn.Sequential(layers)

    build.__name__ = name
    build.__doc__ = f"{2 * blocks} convolutions and three linear layers (256, 256, classes); see the paper's Fig. 2."
    return build


conv2, conv4, conv6 = (_conv(f"conv{2 * blocks}", blocks) for blocks in (1, 2, 3))
