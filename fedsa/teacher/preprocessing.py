"""From a transfer set's items to what one teacher's model wants to see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.teacher.card_file import InputSection
from fedsa.teacher.faults import Fault

LUMINANCE = (0.299, 0.587, 0.114)
"""ITU-R BT.601 weights of red, green and blue."""


def fit(items: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    """Bring items to a teacher's shape; values keep their scale (uint8 becomes [0, 1]).

    Parameters
    ----------
    items : np.ndarray
        ``(n, *any)``, uint8 or float32.
    shape : tuple[int, ...]
        The teacher's. Images ``(C, H, W)`` are resized bilinearly (with smoothing when made
        smaller), one channel is repeated to three, three become one by luminance; anything
        else must have the shape already.

    Returns
    -------
    Tensor
        ``(n, *shape)`` float32.

    Raises
    ------
    Fault
        With the code ``shape`` if items cannot be brought to the shape.
    """
    # A copy, since a memory-mapped set is read-only and a network may work in place.
    tensor = torch.from_numpy(np.array(items))
    tensor = tensor.to(torch.float32) / 255.0 if items.dtype == np.uint8 else tensor.float()
    if tuple(tensor.shape[1:]) == shape:
        return tensor
    if tensor.ndim != 4 or len(shape) != 3:
        raise Fault("shape")
    tensor = _channels(tensor, shape[0])
    if tuple(tensor.shape[2:]) != shape[1:]:
        tensor = F.interpolate(
            tensor, size=shape[1:], mode="bilinear", align_corners=False, antialias=True
        )
    return tensor


def _channels(images: Tensor, channels: int) -> Tensor:
    have = images.shape[1]
    if have == channels:
        return images
    if (have, channels) == (1, 3):
        return images.repeat(1, 3, 1, 1)
    if (have, channels) == (3, 1):
        return (images * torch.tensor(LUMINANCE).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    raise Fault("shape")


@dataclass(frozen=True)
class Scale:
    """The affine part: values from [0, 1] to [low, high], then (x - mean) / std by channel."""

    factor: Tensor
    offset: Tensor

    @classmethod
    def of(cls, section: InputSection) -> Scale:
        """Fold a card file's numbers into one factor and one offset, ``(channels, 1, ...)``."""
        mean = torch.tensor(section.mean or (0.0,), dtype=torch.float64)
        std = torch.tensor(section.std or (1.0,), dtype=torch.float64)
        factor = (section.high - section.low) / std
        offset = (section.low - mean) / std
        sides = [1] * (len(section.shape) - 1)
        return cls(factor.float().view(-1, *sides), offset.float().view(-1, *sides))

    def __call__(self, inputs: Tensor) -> Tensor:
        """Scale ``(n, *shape)``; gradients pass through."""
        return inputs * self.factor + self.offset


class Scaled(nn.Module):
    """A model behind its scaling, so that a map is of the light that falls in, in [0, 1]."""

    def __init__(self, scale: Scale, model: nn.Module) -> None:
        super().__init__()
        self.scale = scale
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        """Map fitted items ``(n, *shape)`` to logits."""
        logits: Tensor = self.model(self.scale(inputs))
        return logits
