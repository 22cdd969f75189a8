"""Augmentation of labelled items: small shifts and mirror images, for images only."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

SHIFT = 2


def augment(inputs: Tensor, generator: Generator) -> Tensor:
    """Shift each image by up to two pixels and mirror half of them; leave vectors alone.

    Parameters
    ----------
    inputs : Tensor
        ``(n, C, H, W)`` images, or anything else, which is returned as is.
    generator : Generator
        Source of the draws.
    """
    if inputs.ndim != 4:
        return inputs
    n, _, height, width = inputs.shape
    padded = F.pad(inputs, (SHIFT, SHIFT, SHIFT, SHIFT))
    down, right = torch.randint(2 * SHIFT + 1, (2, n), generator=generator)
    rows = (down[:, None] + torch.arange(height))[:, None, :, None]
    columns = (right[:, None] + torch.arange(width))[:, None, None, :]
    items = torch.arange(n)[:, None, None, None]
    channels = torch.arange(inputs.shape[1])[None, :, None, None]
    moved = padded[items, channels, rows, columns]
    mirror = torch.rand(n, generator=generator) < 0.5
    return torch.where(mirror[:, None, None, None], moved.flip(3), moved)
