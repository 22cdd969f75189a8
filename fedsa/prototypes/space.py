"""The shared space: an encoder, prototypes on the sphere, responsibilities."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
    """A task as emissions over prototypes, with a linear remainder that starts at nothing.

    ``log sum_m a_m(x) E[m, y] + (W phi(x) + b)_y``: the first term is the task among the shared
    prototypes, in closed form; the second is what adaptation finds that no mixture of
    prototypes can say.

    Parameters
    ----------
    space : Prototypes
        The shared prototypes.
    emission : Tensor
        ``(M, C)`` rows on the simplex.
    """

    def __init__(self, space: Prototypes, emission: Tensor) -> None:
        super().__init__()
        self.space = space
        self.scores = nn.Parameter(emission.clamp_min(1e-6).log())
        self.remainder = nn.Linear(space.centres.shape[1], emission.shape[1])
        nn.init.zeros_(self.remainder.weight)
        nn.init.zeros_(self.remainder.bias)

    @property
    def emission(self) -> Tensor:
        """``(M, C)`` rows on the simplex."""
        return self.scores.softmax(dim=1)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return logits ``(n, C)`` of ``(n, width)`` embedded items."""
        mixture = self.space(embedding) @ self.emission
        return cast(Tensor, mixture.clamp_min(1e-8).log() + self.remainder(embedding))
