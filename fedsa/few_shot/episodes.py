"""Episodes: two classes, one or five labelled images of each, and every method on them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.few_shot.open_set import believe
from fedsa.few_shot.world import RATE, World, only
from fedsa.fusion.cvae_adapt import DRAWS_Z, adapt
from fedsa.fusion.cvae_training import Pool, fit, labelled
from fedsa.fusion.training import outputs, train
from fedsa.models import build
from fedsa.options import StudentOptions
from fedsa.private_training import augment
from fedsa.prototypes.cvae import CODE_W, CODE_Z, PrototypeVAE
from fedsa.seeding import derive, numpy_generator, torch_generator

JOIN, EXTEND = 100, 100
"""Steps of the variational model with the task among its experts, or of its new outputs alone."""
STUDENT = StudentOptions(steps=900, batch=64)
SEEN, UNSEEN = "S", "U"


@dataclass(frozen=True)
class Episode:
    """A task of two classes.

    Parameters
    ----------
    where : World
        What it is drawn from.
    columns : Tensor
        ``(2,)`` its classes, in sorted order.
    kind : str
        ``S``: experts know both; ``U``: nobody knows any.
    inputs, labels : Tensor
        The labelled items, and 0 or 1.
    test : Tensor
        Items to tell apart.
    number : int
        Names its draws.
    """

    where: World
    columns: Tensor
    kind: str
    inputs: Tensor
    labels: Tensor
    test: Tensor
    number: int

    @cached_property
    def answers(self) -> Tensor:
        """The experts' answers about the items to tell apart, side by side."""
        return self.where.answers(self.test)


def episodes(where: World, kind: str, shots: int, count: int) -> Iterator[dict[str, float]]:
    """Yield each episode's accuracies by method.

    Parameters
    ----------
    where : World
        Experts and models.
    kind : str
        ``S`` or ``U``.
    shots : int
        Labelled images of a class.
    count : int
        Number of episodes.
    """
    for number in range(count):
        draw = numpy_generator(where.seed, "few-shot", kind, shots, number)
        among = (where.seen if kind == SEEN else where.unseen).numpy()
        columns = torch.from_numpy(np.sort(draw.choice(among, 2, replace=False)))
        x, y = only(where.few, columns)
        mixed = torch.from_numpy(draw.permutation(len(x)))
        chosen = torch.cat([mixed[y[mixed] == c][:shots] for c in range(2)])
        test, truth = only(where.test, columns)
        task = Episode(where, columns, kind, x[chosen], y[chosen], test, number)
        yield {
            name: float((method(task).argmax(dim=1) == truth).float().mean())
            for name, method in METHODS.items()
        }


def fedsa(task: Episode) -> Tensor:
    """Return the raw outputs of a student of what spreads over the unlabelled items."""
    where = task.where
    items = torch.cat([where.unlabelled, task.inputs])
    at = len(where.unlabelled) + torch.arange(len(task.inputs))
    answers = torch.cat([where.asked, where.answers(task.inputs)])
    features, votes = where.eyes(items, answers), _every(task, answers).sum(dim=0)
    others = where.seen[~torch.isin(where.seen, task.columns)]
    own = votes[:, task.columns] if task.kind == SEEN else None
    told = believe(features, at, task.labels, 2, votes[:, others], own)
    return outputs(_student(task, items, told.classes, told.concern), task.test)


def hoang(task: Episode) -> Tensor:
    """Return the answers of the variational model, adapted to the task."""
    where, columns = task.where, task.columns
    x, y = task.inputs.flatten(1), task.labels
    tau = torch.zeros(where.pool.classes).index_fill_(0, columns, 1.0)
    model = copy.deepcopy(where.model)
    if where.setting.mapping == "pool":
        items = len(where.pool.inputs) + torch.arange(len(x))
        joined = [*where.pool.experts, labelled(items, y, columns, 1.0)]
        pool = Pool(torch.cat([where.pool.inputs, x]), joined, where.pool.classes)
        options = StudentOptions(learning_rate=RATE / 2)
        model, _ = fit(model, pool, JOIN, options, where.seed, "join", task.number)
    else:
        known = where.pool.taus.amax(dim=0)
        _extend(model, x, columns[y], tau, (tau > 0) & (known == 0), where.seed)
    adapted = adapt(model, x, columns[y], tau, derive(where.seed, "few-shot", task.number))
    return adapted.predict(task.test.flatten(1))[:, columns]


def b_plus(task: Episode) -> Tensor:
    """Return the sum of the experts' answers on the task's classes."""
    return _every(task, task.answers)[:, :, task.columns].sum(dim=0)


def b_max(task: Episode) -> Tensor:
    """Return the largest of the experts' answers on the task's classes."""
    return _every(task, task.answers)[:, :, task.columns].amax(dim=0)


def scratch(task: Episode) -> Tensor:
    """Return the raw outputs of a student of the labelled items alone."""
    truth = F.one_hot(task.labels, 2).to(torch.float32)
    student = _student(task, task.inputs, truth, torch.ones(len(truth)))
    return outputs(student, task.test)


def nearest(task: Episode) -> Tensor:
    """Return how near the nearest labelled item of each class is, by its pixels."""
    x, test = task.inputs.flatten(1), task.test.flatten(1)
    each = [torch.cdist(test, x[task.labels == c]).amin(dim=1) for c in range(2)]
    return -torch.stack(each, dim=1)


METHODS: dict[str, Callable[[Episode], Tensor]] = {
    "fedsa": fedsa,
    "hoang": hoang,
    "b-plus": b_plus,
    "b-max": b_max,
    "scratch": scratch,
    "nearest": nearest,
}


def _every(task: Episode, answers: Tensor) -> Tensor:
    """Return each expert's answers on all classes, ``(N, n, G)``, near 0 where it knows none."""
    where = task.where
    each = torch.full((len(where.experts), len(answers), where.pool.classes), 1e-6)
    groups = [group for _, group in where.experts]
    parts = torch.split(answers, [len(group) for group in groups], dim=1)
    for number, (group, part) in enumerate(zip(groups, parts, strict=True)):
        each[number][:, group] = part
    return each


def _student(task: Episode, items: Tensor, targets: Tensor, weights: Tensor) -> nn.Module:
    """Train a student on soft targets, each item by its weight, shifted a little."""
    seed, purpose = task.where.seed, ("few-shot", task.number)
    network = build("mlp", tuple(items.shape[1:]), 2, derive(seed, *purpose))
    generator, mean = torch_generator(seed, *purpose, "augment"), weights.mean()

    def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
        logs = module(augment(items[batch], generator)).log_softmax(dim=1)
        told = -(targets[batch] * logs).sum(dim=1)
        cost: Tensor = (weights[batch] * told).mean() / mean
        return cost

    everything = torch.arange(len(items))
    return train(network, loss, everything, STUDENT.steps, STUDENT, seed, *purpose)[0]


def _extend(model: PrototypeVAE, x: Tensor, y: Tensor, tau: Tensor, new: Tensor, seed: int) -> None:
    """Fit the rows ``new`` of p_alpha's last layer to log G_w(y|x), all else kept."""
    last = model.alpha[-1]
    assert isinstance(last, nn.Linear)
    draw = torch_generator(seed, "few-shot", "extend")
    z, noise = torch.randn(DRAWS_Z, CODE_Z, generator=draw), torch.randn(8, CODE_W, generator=draw)
    w = model.prior(tau).sample(noise).detach()
    optimiser = torch.optim.Adam(last.parameters(), lr=0.01)
    for _ in range(EXTEND if bool(new.any()) else 0):
        told = model.prototype(x, w, z, tau)[:, torch.arange(len(x)), y]
        loss = -told.clamp_min(1e-9).log().mean()
        gradients = torch.autograd.grad(loss, [last.weight, last.bias])
        last.weight.grad, last.bias.grad = gradients[0] * new[:, None], gradients[1] * new
        optimiser.step()
