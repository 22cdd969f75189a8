"""Beliefs about unlabelled items most of which are of classes that the task does not have.

Where a task takes two classes of ten and labels one item of each, the rest of the fusion has little
to stand on: class shares of the unlabelled items are unknown, and every item has to be of some
class. So labels spread over a graph of the items (Zhou et al., NIPS 2003) in which neighbours look
alike *and* are answered alike; how much reaches an item tells how far it is of concern.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fedsa.fusion.spreading import NEIGHBOURS, neighbours
from fedsa.fusion.stack import scale

SHARE, STEPS = 0.95, 60
"""How much of an item's belief comes from its neighbours, and how often it is renewed."""
DIRECTIONS = 32
"""Leading directions of the pixels."""
ANSWERS = 0.5
"""Root mean square of the answers, all columns together, against that of the pixels."""
VOTE = 0.01
"""What the experts' votes on an item start with, against a label."""
FEW = 4.0
"""Labels a class at which the graph has half the say that votes have."""
FIRM = 3.0
"""Power of the beliefs: of targets full of doubts a student of few steps learns too little."""


class Believed(NamedTuple):
    """What is believed of n items.

    Parameters
    ----------
    classes : Tensor
        ``(n, C)`` rows on the simplex.
    concern : Tensor
        ``(n,)`` in [0, 1]: how far the item is of any of these classes.
    """

    classes: Tensor
    concern: Tensor


class Eyes:
    """Features by which items are neighbours: pixels and answers.

    Parameters
    ----------
    inputs : Tensor
        ``(n, *shape)`` items whose leading directions are looked along.
    """

    def __init__(self, inputs: Tensor) -> None:
        flat = inputs.flatten(1).double()
        self.mean = flat.mean(dim=0)
        flat = flat - self.mean
        self.directions = torch.linalg.eigh(flat.T @ flat).eigenvectors[:, -DIRECTIONS:]

    def __call__(self, inputs: Tensor, answers: Tensor) -> Tensor:
        """Return the features of items, ``(m, F)``.

        Parameters
        ----------
        inputs : Tensor
            ``(m, *shape)``.
        answers : Tensor
            ``(m, G)`` probabilities, several experts' side by side.
        """
        flat = inputs.flatten(1).double() - self.mean
        seen = scale((flat @ self.directions).to(inputs.dtype))
        told = scale(answers.sqrt())
        return torch.cat([seen, ANSWERS * (seen.shape[1] / told.shape[1]) ** 0.5 * told], dim=1)


def believe(
    features: Tensor,
    labelled: Tensor,
    labels: Tensor,
    classes: int,
    others: Tensor,
    votes: Tensor | None = None,
) -> Believed:
    """Spread labels, and votes where there are, over the graph of the items.

    Parameters
    ----------
    features : Tensor
        ``(n, F)`` from :class:`Eyes`.
    labelled, labels : Tensor
        ``(m,)`` places among the n, and their classes.
    classes : int
        C.
    others : Tensor
        ``(n, K)`` the sum of the experts' answers on each class that the task does not have.
    votes : Tensor | None
        ``(n, C)`` the same of the task's classes, if the experts know these.
    """
    sums = _graph(features)
    begin = torch.zeros(len(features), classes)
    begin[labelled, labels] = 1.0
    if votes is not None:
        begin = begin + VOTE * votes
    foreign = VOTE * others
    foreign[labelled] = 0.0
    begin = torch.cat([begin, foreign], dim=1)
    found = begin
    for _ in range(STEPS):
        found = SHARE * torch.sparse.mm(sums, found) + (1.0 - SHARE) * begin
    own, total = found[:, :classes], found.sum(dim=1)
    told = own / own.sum(dim=1, keepdim=True).clamp_min(1e-12)
    if votes is not None:
        trust = len(labels) / classes / (len(labels) / classes + FEW)
        share = votes / votes.sum(dim=1, keepdim=True).clamp_min(1e-12)
        told = (trust * (told + 1e-3).log() + (share + 1e-3).log()).softmax(dim=1)
    told = (FIRM * told.clamp_min(1e-4).log()).softmax(dim=1)
    told[labelled] = torch.nn.functional.one_hot(labels, classes).to(told.dtype)
    # Squared: what one item in two wrongly brings should count for much less than half.
    concern = (own.sum(dim=1) / total.clamp_min(1e-12)).square()
    concern[labelled] = 1.0
    return Believed(told, concern)


def _graph(features: Tensor) -> Tensor:
    """Return ``D^-1/2 W D^-1/2`` of the nearest items, symmetric and sparse."""
    n = len(features)
    where, weights = neighbours(features, min(NEIGHBOURS, n - 1))
    rows = torch.arange(n).repeat_interleave(where.shape[1])
    both = torch.stack([torch.cat([rows, where.flatten()]), torch.cat([where.flatten(), rows])])
    values = weights.flatten().repeat(2) / 2
    degrees = torch.zeros(n).index_add_(0, both[0], values)
    values = values / (degrees[both[0]] * degrees[both[1]]).sqrt().clamp_min(1e-12)
    matrix = torch.sparse_coo_tensor(both, values, (n, n), check_invariants=True)
    return matrix.coalesce()
