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


def check(item: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """See whether items of shape ``item`` can be brought to a teacher's shape by :func:`fit`.

    Raises
    ------
    Fault
        With the code ``shape`` if not.
    """
    if item == shape:
        return
    if len(item) != 3 or len(shape) != 3:
        raise Fault("shape")
    if item[0] != shape[0] and (item[0], shape[0]) not in ((1, 3), (3, 1)):
        raise Fault("shape")


def fit(items: np.ndarray, shape: tuple[int, ...], device: torch.device | str = "cpu") -> Tensor:
    """Bring items to a teacher's shape; values keep their scale (uint8 becomes [0, 1]).

    Parameters
    ----------
    items : np.ndarray
        ``(n, *any)``, uint8 or float32.
    shape : tuple[int, ...]
        The teacher's. Images ``(C, H, W)`` are resized bilinearly (with smoothing when made
        smaller), one channel is repeated to three, three become one by luminance; anything
        else must have the shape already.
    device : torch.device | str
        Where the result is wanted; items travel there as they are.

    Returns
    -------
    Tensor
        ``(n, *shape)`` float32, memory of its own.

    Raises
    ------
    Fault
        With the code ``shape`` if items cannot be brought to the shape.
    """
    check(tuple(items.shape[1:]), shape)
    # A copy, since a memory-mapped set is read-only and a network may work in place.
    tensor = torch.from_numpy(np.array(items)).to(device)
    if items.dtype == np.uint8:
        tensor = tensor.to(torch.float32).div_(255.0)
    tensor = _channels(tensor.float(), shape)
    if tuple(tensor.shape[1:]) != shape:
        tensor = F.interpolate(
            tensor, size=shape[1:], mode="bilinear", align_corners=False, antialias=True
        )
    return tensor


def _channels(items: Tensor, shape: tuple[int, ...]) -> Tensor:
    if len(shape) != 3 or items.shape[1] == shape[0]:
        return items
    if shape[0] == 3:
        return items.repeat(1, 3, 1, 1)
    weights = torch.tensor(LUMINANCE, device=items.device).view(1, 3, 1, 1)
    return (items * weights).sum(dim=1, keepdim=True)


@dataclass(frozen=True)
class Scale:
    """The affine part: values from [0, 1] to [low, high], then (x - mean) / std by channel."""

    factor: Tensor
    offset: Tensor

    @classmethod
    def of(cls, section: InputSection, device: torch.device | str = "cpu") -> Scale:
        """Fold a card file's numbers into one factor and one offset, ``(channels, 1, ...)``."""
        mean = torch.tensor(section.mean or (0.0,), dtype=torch.float64)
        std = torch.tensor(section.std or (1.0,), dtype=torch.float64)
        factor = (section.high - section.low) / std
        offset = (section.low - mean) / std
        sides = [1] * (len(section.shape) - 1)
        return cls(*(part.float().view(-1, *sides).to(device) for part in (factor, offset)))

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
