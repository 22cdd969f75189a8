"""Every teacher as emissions over the shared prototypes, all of them in one matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn


class TeacherEmissions(nn.Module):
    """Emissions ``E_i in R^{M x C_i}`` of N teachers, side by side in one matrix.

    The model of teacher i is ``q_i(y|x) = sum_m a_m(x) E_i[m, y]``; since the emissions of all
    teachers stand in one ``(M, sum_i C_i)`` matrix, many teachers cost one product a step.

    Parameters
    ----------
    prototypes : int
        M.
    widths : Sequence[int]
        C_i of each teacher, in sorted order of their ids.
    graded : Sequence[bool]
        Which of them answer with values in place of distributions; by default none.
    """

    def __init__(self, prototypes: int, widths: Sequence[int], graded: Sequence[bool] = ()) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.graded = tuple(graded) or (False,) * len(self.widths)
        self.ends = tuple(accumulate(self.widths))
        total = self.ends[-1] if self.ends else 0
        self.scores = nn.Parameter(0.1 * torch.randn(prototypes, total))
        owner = [i for i, width in enumerate(self.widths) for _ in range(width)]
        self.register_buffer("owner", torch.tensor(owner, dtype=torch.long))
        self.owner: Tensor
        value = torch.tensor([self.graded[i] for i in owner], dtype=torch.bool)
        self.register_buffer("value", value, persistent=False)
        self.value: Tensor

    @property
    def emission(self) -> Tensor:
        """``(M, sum_i C_i)``; each teacher's block has rows on the simplex, or of values."""
        blocks = torch.split(self.scores, list(self.widths), dim=1)
        answers = [
            block.sigmoid() if graded else block.softmax(dim=1)
            for block, graded in zip(blocks, self.graded, strict=True)
        ]
        return torch.cat(answers, dim=1)

    def forward(self, responsibilities: Tensor) -> Tensor:
        """Return every teacher's predicted answer, ``(n, sum_i C_i)``."""
        return responsibilities @ self.emission

    def misfit(self, responsibilities: Tensor, answers: Tensor, weights: Tensor) -> Tensor:
        """Return ``sum_i s_i mean_x CE(p_i(.|x), q_i(.|x))`` in nats.

        Where answers are values it is their squared error, summed over the columns, in place of
        the cross-entropy.

        Parameters
        ----------
        responsibilities : Tensor
            ``(n, M)``.
        answers : Tensor
            ``(n, sum_i C_i)`` the teachers' answers side by side; a teacher that was not asked
            about an item has zeros there, or below zero for values, and so adds nothing.
        weights : Tensor
            ``(N,)`` s_i, the selection's weights.
        """
        predicted: Tensor = self(responsibilities)
        shares, logs = weights[self.owner], predicted.clamp_min(1e-6).log()
        if not any(self.graded):
            return -(answers * logs * shares).sum() / len(answers)
        error = (answers - predicted).square() * (answers >= 0)
        return (torch.where(self.value, error, -answers * logs) * shares).sum() / len(answers)


def spread(responsibilities: Tensor) -> Tensor:
    """Return the entropy of the mean responsibility in nats; high when all prototypes are used."""
    mean = responsibilities.mean(dim=0).clamp_min(1e-8)
    return -(mean * mean.log()).sum()


def coverage(responsibilities: Tensor, confidence: Tensor) -> Tensor:
    """Return each teacher's distribution over prototypes, where it is in scope.

    Parameters
    ----------
    responsibilities : Tensor
        ``(n, M)``.
    confidence : Tensor
        ``(N, n)`` in [0, 1]; how much of its entropy a teacher's answer on an item removes.

    Returns
    -------
    Tensor
        ``(N, M)``, the mean confidence on each prototype's items, in [0, 1].
    """
    mass = responsibilities.sum(dim=0).clamp_min(1e-8)
    return (confidence @ responsibilities) / mass
