"""Soft cross-entropy to one target distribution an item: the last step of several fusions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fedsa.fusion.training import train
from fedsa.problem import Problem


def distil(problem: Problem, targets: Tensor, items: Tensor, *purpose: str | int) -> nn.Module:
    """Train a fresh student with the whole budget on soft targets.

    Parameters
    ----------
    problem : Problem
        The labelled items' targets are replaced by their labels.
    targets : Tensor
        ``(n, C)`` answers of the task for the whole transfer set.
    items : Tensor
        ``(k,)`` indices of the items to train on.
    purpose
        Names the stream of batches.

    Returns
    -------
    nn.Module
        Inputs to raw outputs.
    """
    targets = targets.clone()
    targets[problem.labelled] = problem.task.truth(problem.labels).to(targets.dtype)
    items = torch.unique(torch.cat([items, problem.labelled]))

    def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
        return problem.task.loss(module(problem.inputs[batch]), targets[batch])

    student = problem.build(problem.task.outputs)
    steps = problem.student.steps
    return train(student, loss, items, steps, problem.student, problem.seed, *purpose)[0]
