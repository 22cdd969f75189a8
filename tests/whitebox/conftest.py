"""Two institutions with digits of their own, laid open, and a task that needs both."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from fedsa.data import resolve
from fedsa.data.shards import Shard
from fedsa.data.transfer import TransferSet, to_float
from fedsa.fusion.training import outputs
from fedsa.models import build
from fedsa.options import StudentOptions
from fedsa.private_training import Scaling, train
from fedsa.problem import Problem
from fedsa.task import Classification
from fedsa.whitebox.owners import Owner, Resized

World = tuple[Problem, list[Owner], Tensor, Tensor]
"""The new task, the institutions, and items with their truth to measure on."""


@pytest.fixture(scope="module")
def world() -> World:
    data = resolve("digits")
    items, truth = data.inputs, torch.from_numpy(data.labels)
    problem = Problem(
        task=Classification(data.classes),
        transfer=TransferSet(items[:200]),
        labelled=torch.arange(60),
        labels=truth[:60],
        probe=torch.arange(20),
        build=partial(build, "conv", tuple(items.shape[1:]), seed=1),
        student=StudentOptions(model="conv", steps=80, batch=32),
    )
    owners = []
    for number in range(2):
        where = slice(400 + 300 * number, 700 + 300 * number)
        shard = Shard(items[where], data.labels[where], tuple(data.classes))
        shape = tuple(items.shape[1:])
        network, scaling = build("conv", shape, 10, seed=number), Scaling.of(shard.inputs)
        train(network, scaling, shard, 6, seed=number)
        own = Resized(network, scaling, shape).eval()
        labels = torch.from_numpy(shard.labels)
        owners.append(Owner(f"t{number}", own, to_float(shard.inputs), labels, shard.task))
    return problem, owners, to_float(items[1300:1700]), truth[1300:1700]


def accuracy(network: nn.Module, items: Tensor, truth: Tensor) -> float:
    """Share of items that a network tells right."""
    return float((outputs(network, items).argmax(dim=1) == truth).float().mean())
