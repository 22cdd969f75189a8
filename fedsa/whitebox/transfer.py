"""Transfer learning: the best teacher's own weights, fine-tuned on the labels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from fedsa.fusion.augment import augment
from fedsa.fusion.training import outputs, train
from fedsa.problem import Problem
from fedsa.seeding import derive, torch_generator
from fedsa.whitebox.owners import Owner, head, with_new_head

RATES = (0.1, 1.0)
"""Factors on the learning rate once the whole network moves: few labels want its start kept, many
do not."""
HELD = 5
"""One label of so many tells which of them is better; then all labels are learnt from."""


def transfer(problem: Problem, owners: Sequence[Owner], weights: Mapping[str, float]) -> nn.Module:
    """Fine-tune the network of the teacher with the largest weight, under a new head.

    First the head alone, then the whole network (as Kumar et al., ICLR 2022, advise), each for
    half of the student's steps, on the same labels with the same augmentation. The architecture
    is the teacher's. It trains three times as often as the others, to choose how fast.

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
    inputs, labels = problem.inputs[problem.labelled], problem.labels
    generator = torch_generator(problem.seed, "transfer", "held")
    order = torch.randperm(len(labels), generator=generator)
    held, rest = order[::HELD], torch.cat([order[k::HELD] for k in range(1, HELD)])
    rate = RATES[0]
    if len(rest):
        metrics = {
            rate: problem.task.metric(
                outputs(_tuned(problem, best, inputs[rest], labels[rest], rate), inputs[held]),
                labels[held],
            )
            for rate in RATES
        }
        rate = max(RATES, key=lambda one: (metrics[one], -one))
    return _tuned(problem, best, inputs, labels, rate)


def _tuned(
    problem: Problem, owner: Owner, inputs: Tensor, labels: Tensor, rate: float
) -> nn.Module:
    seed = derive(problem.seed, "transfer")
    network = with_new_head(copy.deepcopy(owner.network), problem.task.outputs, seed)
    generator = torch_generator(problem.seed, "transfer", "augment")

    def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
        raw = module(augment(inputs[batch], generator, problem.task))
        return problem.task.loss(raw, labels[batch])

    options, root, steps = problem.student, problem.seed, problem.student.steps
    everything = torch.arange(len(inputs))
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for parameter in head(network).parameters():
        parameter.requires_grad_(True)
    train(network, loss, everything, steps // 2, options, root, "transfer", "head")
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    rest = steps - steps // 2
    tuned, _ = train(network, loss, everything, rest, options, root, "transfer", rate=rate)
    return tuned
