"""Transfer learning: the best teacher's own weights, fine-tuned on the labels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from fedsa.fusion.augment import augment
from fedsa.fusion.training import train
from fedsa.problem import Problem
from fedsa.seeding import derive, torch_generator
from fedsa.whitebox.owners import Owner, head, with_new_head

SLOWER = 0.1
"""Factor on the learning rate once the whole network moves, so that its start is not lost."""


def transfer(problem: Problem, owners: Sequence[Owner], weights: Mapping[str, float]) -> nn.Module:
    """Fine-tune the network of the teacher with the largest weight, under a new head.

    First the head alone, then the whole network (as Kumar et al., ICLR 2022, advise), each for
    half of the student's steps, on the same labels with the same augmentation. The architecture
    is the teacher's.

    Parameters
    ----------
    problem : Problem
        Task and labels.
    owners : Sequence[Owner]
        The institutions.
    weights : Mapping[str, float]
        Who is best, chosen on the labels.
    """
    best = max(owners, key=lambda owner: (weights.get(owner.id, 0.0), owner.id))
    seed = derive(problem.seed, "transfer")
    network = with_new_head(copy.deepcopy(best.network), problem.task.outputs, seed)
    inputs, steps = problem.inputs[problem.labelled], problem.student.steps
    generator = torch_generator(problem.seed, "transfer", "augment")

    def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
        raw = module(augment(inputs[batch], generator))
        return problem.task.loss(raw, problem.labels[batch])

    everything = torch.arange(len(inputs))
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for parameter in head(network).parameters():
        parameter.requires_grad_(True)
    options, root = problem.student, problem.seed
    train(network, loss, everything, steps // 2, options, root, "transfer", "head")
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    rest = steps - steps // 2
    tuned, _ = train(network, loss, everything, rest, options, root, "transfer", rate=SLOWER)
    return tuned
