"""What an episode is drawn from: images, experts of some classes, and the model fitted to them.

Each expert learns some classes from images of its own; the others stay unseen. The unlabelled
images are of all classes alike, so most of them are of no concern to a task of two. Classes have
names here, as in the paper: whose class is whose is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from fedsa.data.dataset import Dataset
from fedsa.data.shards import Shard
from fedsa.data.transfer import to_float
from fedsa.errors import ScenarioError
from fedsa.few_shot.mnist import images
from fedsa.few_shot.open_set import Eyes
from fedsa.fusion.cvae_training import Expert, Pool, fit, start
from fedsa.fusion.training import outputs
from fedsa.models import build
from fedsa.options import Options, Positive, StudentOptions
from fedsa.private_training import Scaling, train
from fedsa.prototypes.cvae import PrototypeVAE
from fedsa.seeding import derive, numpy_generator

UNSEEN = 4
"""Classes that no expert knows, where there are enough."""
PRIVATE, UNLABELLED = 0.5, 0.4
"""Shares of each class for experts and for the unlabelled images; the rest can be labelled."""
EPOCHS = 10
RATE = 5e-3

Items = tuple[Tensor, Tensor]
"""Images ``(n, 1, H, W)`` in [0, 1] and their classes ``(n,)``."""


class Setting(Options):
    """Which images, and who knows what.

    With ``digits`` above one a class is a number of so many digits, its images side by side (Oh et
    al., ICLR 2019); the numbers are drawn by the seed.
    """

    data: str = "mnist-5k"
    """A dataset by name or path; ``mnist`` is the whole of it (:mod:`fedsa.few_shot.mnist`)."""
    digits: Positive = 1
    experts: Positive = 2
    classes_each: Positive = 3
    expert: str | None = None
    """The experts' network, a model by name or ``module:factory``; that of students without."""
    unlabelled: Positive | None = None
    """Images of a class that experts are asked about; all of their share without."""
    steps: Positive = 4000
    """Optimiser steps of the variational model."""
    mapping: Literal["pool", "extend"] = "pool"
    """What becomes of the task's classes in that model: ``pool`` or ``extend``."""


@dataclass(frozen=True)
class World:
    """Everything but the task.

    Parameters
    ----------
    few, test : Items
        To draw labelled items from, and to measure on.
    unlabelled : Tensor
        ``(n, 1, H, W)`` what the experts were asked about.
    experts : tuple[tuple[nn.Module, Tensor], ...]
        Networks, and the classes that their outputs stand for.
    unseen : Tensor
        The other classes.
    pool, model
        The experts' answers, and the variational model that was fitted to them.
    setting : Setting
        What it was made of.
    seed : int
        Root of all draws.
    """

    few: Items
    test: Items
    unlabelled: Tensor
    experts: tuple[tuple[nn.Module, Tensor], ...]
    unseen: Tensor
    pool: Pool
    model: PrototypeVAE
    setting: Setting
    seed: int

    @cached_property
    def eyes(self) -> Eyes:
        """How items are looked at: along the leading directions of the unlabelled ones."""
        return Eyes(self.unlabelled)

    @cached_property
    def asked(self) -> Tensor:
        """The experts' answers about the unlabelled items, side by side, ``(n, sum_i C_i)``."""
        return self.answers(self.unlabelled)

    @property
    def seen(self) -> Tensor:
        """Classes that an expert knows."""
        return torch.cat([group for _, group in self.experts])

    def answers(self, items: Tensor) -> Tensor:
        """Return all experts' answers side by side, ``(n, sum_i C_i)``."""
        return torch.cat([outputs(net, items).softmax(dim=1) for net, _ in self.experts], dim=1)


def world(setting: Setting, seed: int) -> World:
    """Draw the classes, train the experts, ask them, and fit the variational model.

    Raises
    ------
    ScenarioError
        If the data are no images, or have too few classes.
    """
    data, draw = images(setting.data), numpy_generator(seed, "few-shot", "world")
    if data.inputs.ndim != 4:
        raise ScenarioError(
            [f"Few-shot tables need images, but '{setting.data}' has none: use mnist-5k, say."]
        )
    known = setting.experts * setting.classes_each
    if setting.digits == 1:
        names = np.arange(len(data.classes))
    else:
        drawn = draw.permutation(len(data.classes) ** setting.digits)
        names = np.sort(drawn[: known + UNSEEN])
    if len(names) < known + 2:
        raise ScenarioError(
            [
                f"{setting.experts} experts with {setting.classes_each} classes each and two that "
                f"nobody knows make {known + 2}; '{setting.data}' has {len(names)}: use fewer."
            ]
        )
    parts = _parts(data, names, setting, draw)
    order = torch.from_numpy(draw.permutation(len(names)))
    groups = [group.sort().values for group in order[:known].chunk(setting.experts)]
    private, (unlabelled, _), few, test = parts
    experts = tuple(
        (_expert(setting.expert or "mlp", *only(private, group), seed, number), group)
        for number, group in enumerate(groups)
    )
    told = [
        Expert(torch.arange(len(unlabelled)), outputs(net, unlabelled).softmax(1), group)
        for net, group in experts
    ]
    pool = Pool(unlabelled.flatten(1), told, len(names))
    options = StudentOptions(learning_rate=RATE)
    model, _ = fit(start(pool, True, seed), pool, setting.steps, options, seed, "few-shot")
    unseen = order[known:]
    return World(few, test, unlabelled, experts, unseen, pool, model, setting, seed)


def only(items: Items, classes: Tensor) -> Items:
    """Return the items of some classes, in sorted order, these numbered anew from 0."""
    x, y = items
    kept = torch.isin(y, classes)
    return x[kept], torch.searchsorted(classes, y[kept])


def _parts(
    data: Dataset, names: Sequence[int] | np.ndarray, setting: Setting, draw: np.random.Generator
) -> list[Items]:
    """Return private, unlabelled, few and test items; no image of a digit is in two of them."""
    cut: list[dict[int, np.ndarray]] = [{}, {}, {}]
    for digit in range(len(data.classes)):
        own = draw.permutation(np.flatnonzero(data.labels == digit))
        ends = [round(PRIVATE * len(own)), round((PRIVATE + UNLABELLED) * len(own))]
        pieces = np.split(own, ends)
        pieces[1] = pieces[1][: setting.unlabelled]
        for part, piece in zip(cut, pieces, strict=True):
            part[digit] = piece
    tested = {d: np.flatnonzero(data.test_labels == d) for d in range(len(data.classes))}
    every = [(data.inputs, part) for part in cut] + [(data.test_inputs, tested)]
    return [_items(each, part, names, setting.digits, draw) for each, part in every]


def _items(
    images: np.ndarray,
    part: dict[int, np.ndarray],
    names: Sequence[int] | np.ndarray,
    digits: int,
    draw: np.random.Generator,
) -> Items:
    found, labels = [], []
    for place, name in enumerate(names):
        spelt = [int(name) // len(part) ** power % len(part) for power in reversed(range(digits))]
        size = min(len(part[digit]) for digit in spelt)
        sides = [images[draw.permutation(part[digit])[:size]] for digit in spelt]
        found.append(np.concatenate(sides, axis=3))
        labels.append(np.full(size, place))
    return to_float(np.concatenate(found)), torch.from_numpy(np.concatenate(labels))


class _Scaled(nn.Module):
    def __init__(self, network: nn.Module, scaling: Scaling) -> None:
        super().__init__()
        self.network, self.scaling = network, scaling

    def forward(self, items: Tensor) -> Tensor:
        found: Tensor = self.network(self.scaling(items))
        return found


def _expert(model: str, x: Tensor, y: Tensor, seed: int, number: int) -> nn.Module:
    classes, own = int(y.max()) + 1, derive(seed, "few-shot", number)
    shard = Shard(x.numpy(), y.numpy(), tuple(str(c) for c in range(classes)))
    network, scaling = build(model, tuple(x.shape[1:]), classes, own), Scaling.of(shard.inputs)
    train(network, scaling, shard, EPOCHS, own)
    return _Scaled(network, scaling).eval()
