"""Beliefs spread to items that all teachers together answer alike (Zhou et al., NIPS 2003).

Where no teacher knows the classes they spread to items that look alike instead
(:mod:`fedsa.fusion.sight`), and farther.
"""

from __future__ import annotations

import torch
from scipy.sparse import csr_array
from torch import Tensor

NEIGHBOURS = 15
DIRECTIONS = 64
"""Leading directions of the answers that distances are taken in."""
FAR = 0.99
"""What comes from the neighbours where distances are in the items' own look, not in answers: who
says nothing of a class leaves beliefs that are hardly worth keeping, and items that look alike are
of one class for a long way."""
TIMES, MOST = 2.0, 1000
"""Steps taken: this many times 1 / (1 - share), which is how far a belief goes on average; never
more than MOST."""
AT_ONCE = 1024
"""Items whose distances to all others are held at a time."""


def spread(
    columns: Tensor, beliefs: Tensor, labelled: Tensor, truth: Tensor, share: float
) -> Tensor:
    """Replace each belief by a mean of its own and its neighbours', again and again.

    ``q <- share W q + (1 - share) q_0`` with W the weights ``exp(-d^2 / d_k^2)`` of the
    nearest items, normalised; labelled items keep their labels.

    Parameters
    ----------
    columns : Tensor
        ``(n, F)`` features in which items are near each other.
    beliefs : Tensor
        ``(n, C)`` rows on the simplex.
    labelled, truth : Tensor
        ``(m,)`` indices among the n and ``(m, C)`` one-hot labels.
    share : float
        In [0, 1): how much comes from the neighbours. The nearer to one, the farther labels reach.

    Returns
    -------
    Tensor
        ``(n, C)`` rows on the simplex.
    """
    count = min(NEIGHBOURS, len(columns) - 1)
    if share <= 0 or count < 1:
        return beliefs
    where, weights = neighbours(columns, count)
    rows = torch.arange(len(columns)).repeat_interleave(count)
    entries = weights.flatten().numpy(), (rows.numpy(), where.flatten().numpy())
    graph = csr_array(entries, shape=(len(columns), len(columns)))
    begin = beliefs.clone()
    begin[labelled] = truth
    found = begin
    for _ in range(min(MOST, round(TIMES / (1.0 - share)))):
        around = torch.from_numpy(graph @ found.numpy())
        found = share * around + (1.0 - share) * begin
        found[labelled] = truth
    return found


def neighbours(columns: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the nearest other items of each, ``(n, count)``, and their weights."""
    rows = leading(columns)
    near = []
    for part in torch.split(torch.arange(len(rows)), AT_ONCE):
        apart = torch.cdist(rows[part], rows)
        apart[torch.arange(len(part)), part] = torch.inf  # not itself
        near.append(apart.topk(count, largest=False))
    squared = torch.cat([found.values for found in near]).square()
    weights = torch.exp(-squared / squared[:, -1:].clamp_min(1e-12))
    return torch.cat([found.indices for found in near]), weights / weights.sum(dim=1, keepdim=True)


def leading(columns: Tensor) -> Tensor:
    """Turn the columns onto their leading directions, so that many teachers cost no more."""
    if columns.shape[1] <= DIRECTIONS:
        return columns
    rows = (columns - columns.mean(dim=0)).double()
    directions = torch.linalg.eigh(rows.T @ rows).eigenvectors[:, -DIRECTIONS:]
    turned: Tensor = (rows @ directions).to(columns.dtype)
    return turned
