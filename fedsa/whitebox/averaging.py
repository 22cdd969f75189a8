"""FedAvg+ and FedProx+: a trunk that clients train together, adapted to the new task.

Clients see the student's trunk, train it under a head of their own on their private labelled
items, and send it back; the server averages (McMahan et al., AISTATS 2017). FedProx adds a pull
towards what was sent out (Li et al., MLSys 2020). What comes of it is fine-tuned on the task's
labels as :mod:`fedsa.whitebox.transfer` fine-tunes a teacher. FedSA compares itself with methods
of these names (Xie et al., arXiv 2207.13309) and does not tell how they were made: this is our
reading.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedsa.fusion.augment import augment
from fedsa.problem import Problem
from fedsa.seeding import derive, numpy_generator, torch_generator
from fedsa.whitebox.owners import Owner, batches
from fedsa.whitebox.reference import averaged
from fedsa.whitebox.transfer import transfer

LEARNING_RATE = 1e-3
PULL = 0.1
"""mu of FedProx: weight of half the squared distance to the trunk that was sent out."""


@dataclass(frozen=True)
class Plan:
    """How clients train.

    Parameters
    ----------
    rounds : int
        Of averaging.
    local : int
        Epochs at a client in a round.
    chosen : int
        Clients of a round, at most, drawn anew each time.
    pull : float
        mu of FedProx; 0 for FedAvg.
    """

    rounds: int = 20
    local: int = 2
    chosen: int = 10
    pull: float = 0.0


def averaging(
    problem: Problem, owners: Sequence[Owner], plan: Plan | None = None
) -> tuple[nn.Module, int]:
    """Average trunks over the clients, then fine-tune on the labels.

    Parameters
    ----------
    problem : Problem
        Task and labels.
    owners : Sequence[Owner]
        All institutions, decoys among them, each with its labelled items.
    plan : Plan | None
        Rounds and clients.

    Returns
    -------
    tuple[nn.Module, int]
        From items to raw outputs; and bytes: the trunk's weights to the chosen and back.
    """
    plan = plan or Plan()
    trunk, width = problem.build(problem.student.embedding), problem.student.embedding
    heads = {owner.id: _head(problem, owner, width) for owner in owners}
    size = sum(value.numel() * value.element_size() for value in trunk.state_dict().values())
    draw, moved = numpy_generator(problem.seed, "averaging", "clients"), 0
    for turn in range(plan.rounds):
        places = draw.permutation(len(owners))[: plan.chosen]
        chosen = [owners[place] for place in sorted(places)]
        copies = [_local(problem, trunk, owner, heads[owner.id], plan, turn) for owner in chosen]
        sizes = [len(owner.items) for owner in chosen]
        trunk.load_state_dict(averaged([one.state_dict() for one in copies], sizes))
        moved += 2 * len(chosen) * size
    joined = nn.Sequential(trunk, nn.Linear(width, problem.task.outputs))
    start = Owner("averaged", joined, problem.inputs[:0], problem.labels[:0], problem.task)
    return transfer(problem, [start], {}), moved


def _head(problem: Problem, owner: Owner, width: int) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(problem.seed, "averaging", "head", owner.id))
        return nn.Linear(width, owner.task.outputs)


def _local(
    problem: Problem, trunk: nn.Module, owner: Owner, head: nn.Linear, plan: Plan, turn: int
) -> nn.Module:
    """Return a copy of the trunk, trained at a client; its head stays there and is trained too."""
    local = copy.deepcopy(trunk).train()
    sent = [value.detach().clone() for value in local.parameters()]
    optimiser = torch.optim.Adam([*local.parameters(), *head.parameters()], LEARNING_RATE)
    generator = torch_generator(problem.seed, "averaging", "client", owner.id, turn)
    for batch in batches(len(owner.items), problem.student.batch, plan.local, generator):
        inputs = augment(owner.items[batch], generator, owner.task)
        loss = owner.task.loss(head(local(inputs)), owner.labels[batch])
        if plan.pull > 0:
            loss = loss + 0.5 * plan.pull * _apart(local, sent)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return local.eval()


def _apart(module: nn.Module, sent: Sequence[Tensor]) -> Tensor:
    """Return the squared distance of a module's parameters from those that were sent."""
    pairs = zip(module.parameters(), sent, strict=True)
    return torch.stack([(value - old).square().sum() for value, old in pairs]).sum()
