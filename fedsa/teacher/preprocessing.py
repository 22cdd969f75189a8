"""From a transfer set's items to what one teacher's model wants to see."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.teacher.card_file import InputSection
from fedsa.teacher.faults import Fault

SLICE = 64 * 2**20
"""Bytes of items, as float32 of their own size, that are resized at once; or a single item."""
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
    own = tuple(items.shape[1:])
    check(own, shape)
    if own == shape:
        return _plain(items, device)
    fitted = torch.empty((len(items), *shape), dtype=torch.float32, device=device)
    # A few at a time, since items can be thousands of times as large as what becomes of them.
    step = max(1, SLICE // (4 * math.prod(own)))
    for start in range(0, len(items), step):
        part = _resized(_plain(items[start : start + step], device), shape)
        fitted[start : start + step] = part  # one channel fills as many as are wanted
    return fitted


def _plain(items: np.ndarray, device: torch.device | str) -> Tensor:
    # A copy, since a memory-mapped set is read-only and a network may work in place.
    tensor = torch.from_numpy(np.array(items)).to(device)
    return tensor.float().div_(255.0) if items.dtype == np.uint8 else tensor.float()


def _resized(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return images of the wanted size, with as many channels as are wanted or fewer."""
    if images.shape[1] > shape[0]:
        weights = torch.tensor(LUMINANCE, device=images.device).view(1, 3, 1, 1)
        images = (images * weights).sum(dim=1, keepdim=True)
    if images.shape[2:] == shape[1:]:
        return images
    return F.interpolate(
        images, size=shape[1:], mode="bilinear", align_corners=False, antialias=True
    )


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
