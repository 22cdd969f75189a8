"""Augmentation: small shifts and mirror images, where labels stay true, and stronger changes."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from fedsa.task import Task

SHIFT = 2
HOLE = 0.5
"""Side of the square that a strong change blots out, as a share of the image's."""
TONE = 0.4
"""How far a strong change moves contrast and brightness."""
LOST = 0.3
"""Share of a vector's entries that a strong change takes away."""


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


def strongly(inputs: Tensor, generator: Generator, task: Task) -> Tensor:
    """Change items so much that a student has to know them well to recognise them.

    Images are moved as by :func:`augment`, in another contrast and brightness, with a square
    blotted out (DeVries and Taylor, 2017); vectors lose some of their entries. What is lost has
    the mean of the batch.

    Parameters
    ----------
    inputs : Tensor
        ``(n, C, H, W)`` images, or ``(n, *shape)`` anything else.
    generator : Generator
        Source of the draws.
    task : Task
        What the labels are of.
    """
    n, mean = len(inputs), inputs.mean(dim=0)
    if inputs.ndim != 4:
        lost = torch.rand(inputs.shape, generator=generator) < LOST
        return torch.where(lost, mean, inputs)
    moved = augment(inputs, generator, task)
    tone, light = TONE * (2 * torch.rand(2, n, 1, 1, 1, generator=generator) - 1)
    middle = moved.mean(dim=(1, 2, 3), keepdim=True)
    moved = (moved - middle) * (1 + tone) + middle + light * middle
    # Images stay images; what was scaled in another way stays in its own range.
    moved = moved.clamp(min(0.0, float(inputs.min())), max(1.0, float(inputs.max())))
    hidden = torch.ones(n, 1, 1, 1, dtype=torch.bool)
    for axis, size in ((2, inputs.shape[2]), (3, inputs.shape[3])):
        side = max(1, round(HOLE * size))
        begin = torch.randint(size - side + 1, (n, 1), generator=generator)
        along = torch.arange(size)
        inside = (along >= begin) & (along < begin + side)
        hidden = hidden & inside.view(n, 1, *((size, 1) if axis == 2 else (1, size)))
    return torch.where(hidden, mean.mean(), moved)
