"""Learning from changed items, where items tell more of the task than the teachers' answers do.

What is believed of such an item is a guess from few labels and from answers about other classes.
The student, which sees the item itself, is a second witness: where both together are sure of an
item that was moved a little, the student shall say the same of one that was changed much. So
beliefs are the prior, the student's own answer the likelihood, and their product the target;
without beliefs this is FixMatch (Sohn et al., NeurIPS 2020).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fedsa.fusion.augment import augment, strongly
from fedsa.problem import Problem
from fedsa.seeding import torch_generator

SURE = 0.95
"""Probability from which on an item is taken at its word."""
LEAST = 1e-4
"""Least belief: a belief may be wrong, and what it denies could never be learnt."""

Network = Callable[[Tensor], Tensor]


class Consistency:
    """Loss of a batch in changed views, for one round's adaptation.

    A step costs about three of those on plain beliefs.

    Parameters
    ----------
    problem : Problem
        Items and labels.
    about : Tensor
        ``(n, C)`` rows on the simplex: what is believed of the items.
    stage : int
        The round, which names the draws.
    """

    def __init__(self, problem: Problem, about: Tensor, stage: int) -> None:
        self.problem = problem
        self.prior = about.clamp_min(LEAST).log()
        self.generator = torch_generator(problem.seed, "adapt", "views", stage)

    def __call__(self, trunk: Network, head: Network, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embedding of the unchanged items, and the loss in nats.

        Parameters
        ----------
        trunk, head : Callable[[Tensor], Tensor]
            Inputs to embeddings ``(n, d)``, and these to raw outputs ``(n, C)``.
        batch : Tensor
            ``(b,)`` indices of items.
        """
        problem, generator = self.problem, self.generator
        clean, task = problem.inputs[batch], problem.task
        known = torch.randperm(len(problem.labels), generator=generator)[: len(batch)]
        views = [
            augment(problem.inputs[problem.labelled[known]], generator, task),
            augment(clean, generator, task),
            strongly(clean, generator, task),
            clean,
        ]
        embedded = torch.split(trunk(torch.cat(views)), [len(view) for view in views])
        own, weak, strong = (head(part) for part in embedded[:3])
        agreed = (weak.detach().log_softmax(dim=1) + self.prior[batch]).softmax(dim=1)
        sure = (agreed.amax(dim=1) >= SURE).to(strong.dtype)
        same = -(agreed * strong.log_softmax(dim=1)).sum(dim=1)
        loss: Tensor = task.loss(own, problem.labels[known]) + (sure * same).mean()
        return embedded[3], loss
