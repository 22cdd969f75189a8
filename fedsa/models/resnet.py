"""Residual networks for small images (He et al., CVPR 2016, section 4.2)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.models.shapes import image_shape


class Block(nn.Module):
    """Two 3x3 convolutions around a shortcut: ``relu(f(x) + s(x))``."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(n, inputs, h, w)`` to ``(n, outputs, h / stride, w / stride)``."""
        hidden = F.relu(self.first_norm(self.first(inputs)))
        hidden = self.second_norm(self.second(hidden))
        return F.relu(hidden + self.shortcut(inputs))


def resnet(shape: tuple[int, ...], outputs: int, blocks: int, width: int = 16) -> nn.Module:
    """Make the network of depth ``6 blocks + 2``: three stages of ``blocks`` blocks each.

    Parameters
    ----------
    shape : tuple[int, ...]
        ``(C, H, W)`` with H and W at least 8.
    outputs : int
        Width of the raw output.
    blocks : int
        Blocks a stage; the stages have ``width``, ``2 width``, ``4 width`` channels.
    width : int
        Channels of the first stage.

    Raises
    ------
    ValueError
        If the items are not images of at least 8 x 8.
    """
    channels, _, _ = image_shape(shape)
    layers: list[nn.Module] = [
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    ]
    inputs = width
    for stage in range(3):
        for place in range(blocks):
            wide = width << stage
            layers.append(Block(inputs, wide, stride=2 if stage and not place else 1))
            inputs = wide
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, outputs))


def resnet8(shape: tuple[int, ...], outputs: int) -> nn.Module:
    """One block a stage."""
    return resnet(shape, outputs, blocks=1)


def resnet14(shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Two blocks a stage."""
    return resnet(shape, outputs, blocks=2)


def resnet20(shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Three blocks a stage."""
    return resnet(shape, outputs, blocks=3)
