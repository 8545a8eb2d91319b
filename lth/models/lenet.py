"""The small networks of the lottery ticket papers."""

from collections import OrderedDict
from collections.abc import Sequence
from math import prod

from torch import nn

from lth.core.errors import SettingError


def mlp(shape: Sequence[int], classes: int, widths: Sequence[int]) -> nn.Sequential:
    """Fully connected ReLU layers of `widths` on the flattened input: fc1, fc2, ..., output."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    width_in = prod(shape)
    for number, width in enumerate(widths, start=1):
        layers[f"fc{number}"] = nn.Linear(width_in, width)
        layers[f"relu{number}"] = nn.ReLU()
        width_in = width
    layers["output"] = nn.Linear(width_in, classes)
    return nn.Sequential(layers)


def lenet_300_100(shape: Sequence[int], classes: int) -> nn.Sequential:
    """Lenet-300-100 (LeCun et al. 1998; Frankle & Carbin 2019, Fig. 2): 266,200 weights on 28x28 and 10 classes."""
    return mlp(shape, classes, (300, 100))


def lenet5(shape: Sequence[int], classes: int) -> nn.Sequential:
    """LeNet5: convolutions 5x5 of 6 and 16 channels, each with 2x2 max pooling, then 120, 84 and `classes` units.

    The first linear layer follows the input: 256 wide for 28x28, 400 for 32x32. Raises SettingError where the
    input is smaller than 16x16, since nothing would be left to pool.
    """
    if len(shape) != 3:
        raise SettingError("model", "lenet5", f"needs images (channels, height, width), the data are {tuple(shape)}")
    channels, height, width = shape
    rows, columns = (((size - 4) // 2 - 4) // 2 for size in (height, width))
    if rows < 1 or columns < 1:
        raise SettingError("model", "lenet5", f"needs inputs of at least 16x16, the data has {height}x{width}")
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 6, 5),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(16 * rows * columns, 120),
            relu3=nn.ReLU(),
            fc2=nn.Linear(120, 84),
            relu4=nn.ReLU(),
            output=nn.Linear(84, classes),
        )
    )
