"""Augmentation of labelled items: small shifts and mirror images, where labels stay true."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from fedsa.task import Task

SHIFT = 2


def augment(inputs: Tensor, generator: Generator, task: Task) -> Tensor:
    """Shift each image by up to two pixels and mirror half of them; leave vectors alone.

    Nothing is moved where a label tells of a place: it would become wrong.

    Parameters
    ----------
    inputs : Tensor
        ``(n, C, H, W)`` images, or anything else, which is returned as is.
    generator : Generator
        Source of the draws.
    task : Task
        What the labels are of.
    """
    if inputs.ndim != 4 or not task.invariant:
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
