"""The shared space: an encoder, prototypes on the sphere, responsibilities."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.task import Several, Task


class Prototypes(nn.Module):
    """Responsibilities of M prototypes for embedded items.

    ``a(x) = softmax_m(kappa <phi(x), c_m>)`` with embedding and prototypes on the unit sphere:
    the task-agnostic prototypes of Hoang et al. (ICML 2020), without their pixel decoder.

    Parameters
    ----------
    width : int
        Width of the embedding.
    prototypes : int
        M, their number.
    concentration : float
        kappa; larger is sharper.
    """

    def __init__(self, width: int, prototypes: int, concentration: float) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(prototypes, width))
        self.concentration = concentration

    def forward(self, embedding: Tensor) -> Tensor:
        """Return the responsibilities ``(n, M)``, rows on the simplex, of ``(n, width)``."""
        cosine = F.normalize(embedding, dim=1) @ F.normalize(self.centres, dim=1).T
        return (self.concentration * cosine).softmax(dim=1)


class TaskHead(nn.Module):
    """A task as emissions over prototypes, with a linear remainder.

    ``log sum_m a_m(x) E[m, y] + (W phi(x) + b)_y``: the first term is the task among the shared
    prototypes, in closed form; the second is what adaptation finds that no mixture of
    prototypes can say. It starts at nothing, but at random where several heads share the
    prototypes: what these hardly tell apart would else be learnt late. Where answers are values
    the first term is the mixture's log-odds; several heads are several tables of emissions side by
    side.

    Parameters
    ----------
    space : Prototypes
        The shared prototypes.
    task : Task
        What is predicted; its emissions start even.
    """

    def __init__(self, space: Prototypes, task: Task) -> None:
        super().__init__()
        self.space, self.task = space, task
        self.scores = nn.Parameter(torch.zeros(space.centres.shape[0], task.outputs))
        self.remainder = nn.Linear(space.centres.shape[1], task.outputs)
        if not isinstance(task, Several):
            nn.init.zeros_(self.remainder.weight)
        nn.init.zeros_(self.remainder.bias)

    @property
    def emission(self) -> Tensor:
        """``(M, C)``, for each prototype an answer of the task."""
        return self.task.answer(self.scores)

    def start(self, emission: Tensor) -> None:
        """Set the emissions to answers ``(M, C)``."""
        with torch.no_grad():
            self.scores.copy_(self.task.raw(emission, floor=1e-6))

    def forward(self, embedding: Tensor) -> Tensor:
        """Return raw outputs ``(n, C)`` of ``(n, width)`` embedded items."""
        mixture = self.space(embedding) @ self.emission
        return cast(Tensor, self.task.raw(mixture) + self.remainder(embedding))
