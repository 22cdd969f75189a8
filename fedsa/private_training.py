"""How a simulated institution trains its teacher on its private data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.data.shards import Shard
from fedsa.data.transfer import to_float
from fedsa.seeding import torch_generator

BATCH = 32
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2


@dataclass(frozen=True, eq=False)
class Scaling:
    """Mean and standard deviation by channel (one number each for vectors), ``(k,)`` float64."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, inputs: np.ndarray) -> Scaling:
        """Measure items ``(n, *shape)``; uint8 counts as [0, 1], a constant has deviation one."""
        values = inputs.astype(np.float64) / (255 if inputs.dtype == np.uint8 else 1)
        axes = (0, *range(2, values.ndim)) if values.ndim > 2 else None
        mean, std = (np.atleast_1d(f(values, axis=axes)).round(6) for f in (np.mean, np.std))
        return cls(mean, np.where(std > 0, std, 1.0))

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return ``(inputs - mean) / std``."""
        shape = (-1, *[1] * (inputs.ndim - 2))
        mean, std = (
            torch.tensor(v, dtype=torch.float32).view(shape) for v in (self.mean, self.std)
        )
        return (inputs - mean) / std


def train(model: nn.Module, scaling: Scaling, shard: Shard, epochs: int, seed: int) -> None:
    """Train in place: the task's loss, AdamW, cosine schedule.

    Images are shifted where that leaves their labels true.

    Parameters
    ----------
    model : nn.Module
        Maps scaled items to raw outputs; left in evaluation mode.
    scaling : Scaling
        Applied to every batch after augmentation.
    shard : Shard
        The private items.
    epochs : int
        0 leaves the model as it is.
    seed : int
        Root of the order of items and of the augmentation.
    """
    draw = torch_generator(seed, "private-training")
    inputs, labels = to_float(shard.inputs), torch.tensor(shard.labels)
    batches = max(1, len(inputs) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, epochs * batches))
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(inputs), generator=draw)
        if len(order) == 1:
            order = order.repeat(2)  # batch normalisation needs two
        for batch in order.tensor_split(batches):
            items = inputs[batch]
            if items.ndim == 4 and shard.task.invariant:
                items = augment(items, draw)
            optimiser.zero_grad()
            torch.autograd.backward(shard.task.loss(model(scaling(items)), labels[batch]))
            optimiser.step()
            schedule.step()
    model.eval()


def augment(images: Tensor, draw: torch.Generator) -> Tensor:
    """Shift each image ``(n, C, H, W)`` by up to one pixel each way, over black.

    Larger shifts and mirroring cost accuracy at this few epochs, and a mirrored digit is wrong.
    """
    count, channels, height, width = images.shape
    padded = F.pad(images, (1, 1, 1, 1))
    rows = torch.randint(0, 3, (count, 1), generator=draw) + torch.arange(height)
    columns = torch.randint(0, 3, (count, 1), generator=draw) + torch.arange(width)
    item = torch.arange(count).view(-1, 1, 1, 1)
    plane = torch.arange(channels).view(1, -1, 1, 1)
    return padded[item, plane, rows[:, None, :, None], columns[:, None, None, :]]
