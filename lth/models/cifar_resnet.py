"""ResNet-20 for CIFAR (He et al. 2016, section 4.2), with the names of layers that ResNet-18 has."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import pad

from lth.core.errors import SettingError
from lth.models.resnet import BasicBlock, ResNet

CHANNELS = (16, 32, 64)
"""Channels of the three stages, on images of 32, 16 and 8 pixels a side."""


class PaddedShortcut(nn.Module):
    """The paper's option A, without parameters: every second pixel, and channels of zeros after those of the input."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.added, self.stride = width - channels, stride

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, width, H / stride, W / stride), sizes rounded up."""
        return pad(inputs[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))


def resnet20(shape: Sequence[int], classes: int, width: float = 1.0) -> ResNet:
    """ResNet-20: a 3x3 convolution, nine blocks of two more and a linear layer; 269,722 parameters on 3 channels.

    width: factor of the channels of every stage, which are rounded to whole numbers of at least 1. Raises SettingError
    where the data are no images of at least 4x4.
    """
    if len(shape) != 3 or min(shape[1:]) < 4:
        problem = f"needs images (channels, height, width) of at least 4 pixels, the data are {tuple(shape)}"
        raise SettingError("model", "resnet20", problem)
    network = ResNet(shape[0], classes, [max(1, round(width * channels)) for channels in CHANNELS], blocks=3)
    for block in network.modules():
        if isinstance(block, BasicBlock) and block.downsample is not None:
            first = block.conv1
            block.downsample = nn.Sequential(PaddedShortcut(first.in_channels, first.out_channels, first.stride[0]))
    return network
