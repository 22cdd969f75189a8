"""Few-shot tasks after Hoang et al. (ICML 2020): two experts, two classes, one or five labels.

Each expert learns some classes from images of its own; the others stay unseen. The model is
fitted to their answers on unlabelled images of all classes. An episode draws two classes, both
seen by some expert (``S``) or by none (``U``), and one or five labelled images of each; accuracy is
measured on the test images of the two. Classes have names here, as in the paper: an expert's
column is its class. Run as ``python -m fedsa.fusion.cvae_few_shot --help``.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.data import resolve
from fedsa.fusion.cvae_adapt import DRAWS_Z, adapt
from fedsa.fusion.cvae_training import Expert, Pool, fit, labelled, start
from fedsa.fusion.training import outputs, train
from fedsa.models import build
from fedsa.options import StudentOptions
from fedsa.prototypes.cvae import CODE_W, CODE_Z, PrototypeVAE
from fedsa.runs.intervals import interval
from fedsa.seeding import derive, numpy_generator, torch_generator

EXPERTS, CLASSES_EACH = 2, 3
PRIVATE, UNLABELLED = 0.4, 0.4
"""Shares of each class for experts and for the unlabelled images; the rest can be labelled."""
STEPS, JOIN, EXTEND, RATE = 2000, 100, 100, 5e-3
NETWORK = StudentOptions(steps=300, batch=64)

Task = tuple[Tensor, Tensor]
"""Items ``(n, size)`` and their classes ``(n,)``, numbered from 0."""


@dataclass(frozen=True)
class World:
    """Data, experts and the model fitted to them."""

    shape: tuple[int, ...]
    few: Task
    test: Task
    experts: tuple[tuple[nn.Module, Tensor], ...]
    unseen: Tensor
    pool: Pool
    model: PrototypeVAE
    seed: int


def world(name: str, seed: int, steps: int = STEPS) -> World:
    """Train the experts, ask them, and fit the model.

    Parameters
    ----------
    name : str
        A dataset of images with ten classes, such as ``mnist-5k``.
    seed : int
        Which classes and items go where.
    steps : int
        Steps of the variational model.
    """
    data = resolve(name)
    x = torch.from_numpy(data.inputs).flatten(1).float() / 255
    y, draw = torch.from_numpy(data.labels), numpy_generator(seed, "few-shot", "world")
    parts: list[list[Tensor]] = [[], [], []]
    for c in range(len(data.classes)):
        items = torch.from_numpy(draw.permutation(np.flatnonzero(data.labels == c)))
        cuts = [round(PRIVATE * len(items)), round((PRIVATE + UNLABELLED) * len(items))]
        for part, piece in zip(parts, torch.tensor_split(items, cuts), strict=True):
            part.append(piece)
    private, unlabelled, few = (torch.cat(part) for part in parts)
    order = torch.from_numpy(draw.permutation(len(data.classes)))
    groups = [g.sort().values for g in order[: EXPERTS * CLASSES_EACH].chunk(EXPERTS)]
    experts = tuple(
        (_network(*_only((x[private], y[private]), group), data.shape, seed, i), group)
        for i, group in enumerate(groups)
    )
    answered = [
        Expert(torch.arange(len(unlabelled)), outputs(net, x[unlabelled]).softmax(1), group)
        for net, group in experts
    ]
    pool = Pool(x[unlabelled], answered, len(data.classes))
    options = StudentOptions(learning_rate=RATE)
    model, _ = fit(start(pool, True, seed), pool, steps, options, seed, "few-shot")
    test_x = torch.from_numpy(data.test_inputs).flatten(1).float() / 255
    test = test_x, torch.from_numpy(data.test_labels)
    unseen = order[EXPERTS * CLASSES_EACH :]
    return World(data.shape, (x[few], y[few]), test, experts, unseen, pool, model, seed)


def episodes(
    where: World, kind: str, shots: int, count: int, mapping: str = "pool"
) -> Iterator[dict[str, float]]:
    """Yield each episode's accuracies by method.

    Parameters
    ----------
    where : World
        Experts and model.
    kind : str
        ``S`` or ``U``.
    shots : int
        Labelled images of a class.
    count : int
        Number of episodes.
    mapping : str
        What becomes of the task's classes: ``pool`` makes the task one of the experts and fits on
        for a while; ``extend`` fits only the outputs of p_alpha that no expert had.
    """
    for number in range(count):
        draw = numpy_generator(where.seed, "few-shot", kind, shots, number)
        seen = torch.cat([group for _, group in where.experts])
        among = (seen if kind == "S" else where.unseen).numpy()
        columns = torch.from_numpy(np.sort(draw.choice(among, 2, replace=False)))
        x, y = _only(where.few, columns)
        mixed = torch.from_numpy(draw.permutation(len(x)))
        chosen = torch.cat([mixed[y[mixed] == c][:shots] for c in range(2)])
        x, y = x[chosen], y[chosen]
        test_x, test_y = _only(where.test, columns)
        told = {
            "hoang": _hoang(where, x, y, columns, test_x, number, mapping),
            **_votes(where, columns, test_x),
            "scratch": outputs(_network(x, y, where.shape, where.seed, 100 + number), test_x),
            "nearest": -torch.stack(
                [torch.cdist(test_x, x[y == c]).amin(dim=1) for c in range(2)], dim=1
            ),
        }
        yield {name: float((p.argmax(1) == test_y).float().mean()) for name, p in told.items()}


def _hoang(
    where: World, x: Tensor, y: Tensor, columns: Tensor, test: Tensor, number: int, mapping: str
) -> Tensor:
    tau = torch.zeros(where.pool.classes).index_fill_(0, columns, 1.0)
    model = copy.deepcopy(where.model)
    if mapping == "pool":
        items = len(where.pool.inputs) + torch.arange(len(x))
        joined = [*where.pool.experts, labelled(items, y, columns, 1.0)]
        pool = Pool(torch.cat([where.pool.inputs, x]), joined, where.pool.classes)
        options = StudentOptions(learning_rate=RATE / 2)
        model, _ = fit(model, pool, JOIN, options, where.seed, "join", number)
    else:
        known = where.pool.taus.amax(dim=0)
        _extend(model, x, columns[y], tau, (tau > 0) & (known == 0), where.seed)
    adapted = adapt(model, x, columns[y], tau, derive(where.seed, "few-shot", number))
    return adapted.predict(test)[:, columns]


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


def _votes(where: World, columns: Tensor, test: Tensor) -> dict[str, Tensor]:
    """Return B+ and Bmax: sum and maximum of the experts' answers on the task's classes."""
    each = torch.full((len(where.experts), len(test), where.pool.classes), 1e-6)
    for i, (net, group) in enumerate(where.experts):
        each[i][:, group] = outputs(net, test).softmax(dim=1)
    each = each[:, :, columns]
    return {"b-plus": each.sum(dim=0), "b-max": each.amax(dim=0)}


def _network(x: Tensor, y: Tensor, shape: tuple[int, ...], seed: int, number: int) -> nn.Module:
    net = build("mlp", (x.shape[1],), int(y.max()) + 1, derive(seed, "few-shot", number))

    def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
        return F.cross_entropy(module(x[batch]), y[batch])

    return train(net, loss, torch.arange(len(x)), NETWORK.steps, NETWORK, seed, number)[0]


def _only(task: Task, columns: Tensor) -> Task:
    """Return the items of some classes, these numbered anew from 0."""
    x, y = task
    kept = torch.isin(y, columns)
    return x[kept], torch.searchsorted(columns, y[kept])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="mnist-5k")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--mapping", choices=("pool", "extend"), default="pool")
    given = parser.parse_args()
    torch.set_num_threads(1)
    worlds = [world(given.data, seed, given.steps) for seed in range(given.seeds)]
    for kind in "SU":
        for shots in (1, 5):
            rows = [
                row
                for where in worlds
                for row in episodes(where, kind, shots, given.episodes, given.mapping)
            ]
            means = {name: interval([100 * row[name] for row in rows]) for name in rows[0]}
            shown = (f"{name} {m.mean:.1f} ± {m.half or 0.0:.1f}" for name, m in means.items() if m)
            print(f"{shots}-shot {kind}: {', '.join(shown)}", flush=True)


if __name__ == "__main__":
    main()
