"""A small network of separable convolutions (after MobileNetV2: Sandler et al., CVPR 2018)."""

from __future__ import annotations

from torch import Tensor, nn

from fedsa.models.shapes import image_shape


class Inverted(nn.Module):
    """Widen, filter each channel by itself, narrow; with a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, widen: int = 3) -> None:
        super().__init__()
        wide = widen * inputs
        self.shortcut = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(),
            nn.Conv2d(wide, wide, 3, stride, padding=1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(n, inputs, h, w)`` to ``(n, outputs, h / stride, w / stride)``."""
        found: Tensor = self.layers(inputs)
        return inputs + found if self.shortcut else found


def mobile(shape: tuple[int, ...], outputs: int, width: int = 16) -> nn.Module:
    """Five inverted bottlenecks at half and a quarter of the image's resolution.

    Parameters
    ----------
    shape : tuple[int, ...]
        ``(C, H, W)`` with H and W at least 8.
    outputs : int
        Width of the raw output.
    width : int
        Channels of the first stage; the second has twice as many.

    Raises
    ------
    ValueError
        If the items are not images of at least 8 x 8.
    """
    channels, _, _ = image_shape(shape)
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU6(),
        Inverted(width, width, 1),
        Inverted(width, width, 1),
        Inverted(width, 2 * width, 2),
        Inverted(2 * width, 2 * width, 1),
        Inverted(2 * width, 2 * width, 1),
        nn.Conv2d(2 * width, 8 * width, 1, bias=False),
        nn.BatchNorm2d(8 * width),
        nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8 * width, outputs),
    )
