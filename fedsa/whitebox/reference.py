"""FedSA as published (Xie et al., arXiv 2207.13309), beside which ours is measured.

Clients see the student's weights, distil their teacher's features into a copy of it on their own
unlabelled items, and send the weights back; the server averages them. Mended against the released
code: maps of the same, unaugmented items are compared; constant maps count as a cosine of zero;
the adapted head goes back into the student, so that its next maps are not stale; the last student
is taken, none is chosen on test data. The features are what each network's head reads, and the
adaptors linear, so that networks of any kind can take part.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.problem import Problem
from fedsa.saliency.closeness import published
from fedsa.saliency.gradcam import last_convolution
from fedsa.saliency.gradient import gradient_x_input
from fedsa.seeding import derive, numpy_generator, torch_generator
from fedsa.whitebox.owners import Owner, batches, embed, embedding, head, with_new_head

SIDE = 32
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Plan:
    """The published numbers.

    Parameters
    ----------
    rounds, every : int
        Rounds in all; the selection is renewed, and the student adapted, each so many rounds.
    chosen : int
        Clients of a round, drawn with replacement.
    before, local, after : int
        Epochs: on the labels at first, at a client, and of an adaptation.
    """

    rounds: int = 50
    every: int = 10
    chosen: int = 2
    before: int = 10
    local: int = 10
    after: int = 30


def fedsa(
    problem: Problem, owners: Sequence[Owner], plan: Plan | None = None
) -> tuple[nn.Module, int]:
    """Run all rounds; return the last adapted student, and the bytes that moved.

    Parameters
    ----------
    problem : Problem
        Task, labels (on which the student is adapted) and probe items.
    owners : Sequence[Owner]
        All institutions, decoys among them.
    plan : Plan | None
        The published one unless given.

    Returns
    -------
    tuple[nn.Module, int]
        From items to raw outputs; and bytes: the student's weights to all clients when they are
        compared and to the chosen in each round, and from the chosen back; the probe items once.
    """
    plan = plan or Plan()
    probe = problem.inputs[problem.probe]
    student = _adapted(problem, problem.build(problem.task.outputs), plan.before, 0, anew=False)
    adaptors = {owner.id: _adaptor(problem, student, owner) for owner in owners}
    size = sum(value.numel() * value.element_size() for value in student.state_dict().values())
    moved = len(owners) * problem.transfer.array[problem.probe.numpy()].nbytes
    looks = {owner.id: cam(owner.network, probe) for owner in owners}
    draw = numpy_generator(problem.seed, "reference", "selection")
    shares = np.full(len(owners), 1.0 / len(owners))
    for turn in range(plan.rounds):
        if turn % plan.every == 0:
            if turn:
                student = _adapted(problem, student, plan.after, turn)
            mine = cam(student, probe)
            shares = chances([published(mine, looks[owner.id]) for owner in owners])
            moved += len(owners) * size
        chosen = [owners[i] for i in draw.choice(len(owners), plan.chosen, p=shares)]
        copies = [
            _distilled(problem, student, owner, adaptors[owner.id], plan.local, (turn, place))
            for place, owner in enumerate(chosen)
        ]
        student.load_state_dict(averaged([one.state_dict() for one in copies]))
        moved += 2 * len(chosen) * size
    return _adapted(problem, student, plan.after, plan.rounds), moved


def chances(scores: Sequence[float]) -> np.ndarray:
    """Return ``softmax(minmax(2 - t))`` of FedSA's scores t, lower being closer."""
    near = 2.0 - np.asarray(scores, dtype=np.float64)
    wide = near.max() - near.min()
    scaled = (near - near.min()) / wide if wide > 0 else np.zeros_like(near)
    odds = np.exp(scaled)
    found: np.ndarray = odds / odds.sum()
    return found


def cam(network: nn.Module, items: Tensor) -> Tensor:
    """Return ``ReLU(1 + sum_k a_k A_k)`` of the own class, min-max scaled, ``(n, 32 * 32)``.

    A network without a convolution is read by gradient x input, as it has no maps of features.
    """
    network.eval()
    layer = last_convolution(network, items[:1]) if items.ndim == 4 else None
    if layer is None:
        found = gradient_x_input(network, items)
    else:
        with torch.no_grad():
            own = network(items).argmax(dim=1)
        attribution = LayerGradCam(network, layer).attribute(items, target=own)
        found = F.relu(1.0 + attribution.sum(dim=1).detach())
    if found.ndim == 3:
        size = (SIDE, SIDE)
        found = F.interpolate(found[:, None], size, mode="bilinear", align_corners=False)
    flat = found.flatten(1)
    least = flat.amin(dim=1, keepdim=True)
    return (flat - least) / (flat.amax(dim=1, keepdim=True) - least).clamp_min(1e-12)


def averaged(
    states: Sequence[dict[str, Tensor]], sizes: Sequence[int] | None = None
) -> dict[str, Tensor]:
    """Return the mean of whole states, by ``sizes`` if given; counters stay whole numbers."""
    shares = torch.tensor(sizes or [1] * len(states), dtype=torch.float64)
    shares, found = shares / shares.sum(), {}
    for name, first in states[0].items():
        every = torch.stack([state[name].double() for state in states])
        found[name] = torch.tensordot(shares, every, dims=1).to(first.dtype)
    return found


def _adaptor(problem: Problem, student: nn.Module, owner: Owner) -> nn.Linear:
    seed = derive(problem.seed, "reference", "adaptor", owner.id)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(head(student).in_features, head(owner.network).in_features)


def _distilled(
    problem: Problem,
    student: nn.Module,
    owner: Owner,
    adaptor: nn.Linear,
    epochs: int,
    purpose: tuple[int, int],
) -> nn.Module:
    """Return a copy of the student that tells the teacher's features on the client's items."""
    local = copy.deepcopy(student).train()
    with torch.no_grad():
        wanted = torch.cat([embed(owner.network, part) for part in torch.split(owner.items, 512)])
    optimiser = torch.optim.Adam([*local.parameters(), *adaptor.parameters()], LEARNING_RATE)
    generator = torch_generator(problem.seed, "reference", "client", *purpose)
    with embedding(local) as caught:
        for batch in batches(len(wanted), problem.student.batch, epochs, generator):
            local(owner.items[batch])
            loss = F.mse_loss(adaptor(caught.pop()), wanted[batch])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return local.eval()


def _adapted(
    problem: Problem, student: nn.Module, epochs: int, turn: int, anew: bool = True
) -> nn.Module:
    """Return a copy of the student, with a new head if ``anew``, trained on the labels."""
    model = copy.deepcopy(student)
    if anew:
        seed = derive(problem.seed, "reference", "head", turn)
        model = with_new_head(model, problem.task.outputs, seed)
    model.train()
    inputs, labels = problem.inputs[problem.labelled], problem.labels
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    generator = torch_generator(problem.seed, "reference", "adaptation", turn)
    for batch in batches(len(inputs), problem.student.batch, epochs, generator):
        loss = problem.task.loss(model(inputs[batch]), labels[batch])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return model.eval()
