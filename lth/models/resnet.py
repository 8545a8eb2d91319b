"""ResNet-18 for small images (He et al. 2016), with torchvision's names of layers."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import relu

from lth.core.errors import SettingError


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm, added to their input (He et al. 2016, Fig. 5 left).

    Where the shape changes, the input passes a 1x1 convolution with BatchNorm (the paper's option B).
    """

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, width, H / stride, W / stride), sizes rounded up."""
        outputs = self.bn2(self.conv2(relu(self.bn1(self.conv1(inputs)))))
        shortcut = inputs if self.downsample is None else self.downsample(inputs)
        return relu(outputs + shortcut)


class ResNet(nn.Module):
    """A residual network for images of `channels`: a 3x3 stem without pooling, stages of `blocks` blocks each.

    Each stage after the first halves the image. Logits of shape (N, classes) from the mean over positions.
    """

    def __init__(self, channels: int, classes: int, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        before = widths[0]
        for number, width in enumerate(widths, start=1):
            stage: list[nn.Module] = []
            for block in range(blocks):
                stage.append(BasicBlock(before, width, 2 if number > 1 and block == 0 else 1))
                before = width
            setattr(self, f"layer{number}", nn.Sequential(*stage))
        self.stages = len(widths)
        self.fc = nn.Linear(before, classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, channels, H, W) -> logits (N, classes)."""
        signal: Any = relu(self.bn1(self.conv1(images)))
        for number in range(1, self.stages + 1):
            signal = getattr(self, f"layer{number}")(signal)
        return self.fc(signal.mean((2, 3)))  # type: ignore[no-any-return]


def resnet18(shape: Sequence[int], classes: int) -> ResNet:
    """ResNet-18 for small images: 11,173,962 parameters on 3 channels and 10 classes.

    That of ImageNet but for its first layer, a 3x3 convolution of stride 1, and no pooling after it. Raises
    SettingError where the data are no images of at least 8x8.
    """
    if len(shape) != 3 or min(shape[1:]) < 8:
        problem = f"needs images (channels, height, width) of at least 8 pixels, the data are {tuple(shape)}"
        raise SettingError("model", "resnet18", problem)
    return ResNet(shape[0], classes, (64, 128, 256, 512), 2)
