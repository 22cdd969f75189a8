"""Where in the space of answers each teacher knows its way: competence per prototype.

Here the prototypes are clusters of the answers themselves, as for the choice of items to label
(:mod:`fedsa.prototypes.coverage`): they need no training, and stand before the student does.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor
from torch.nn.functional import one_hot

from fedsa.problem import Answers
from fedsa.seeding import numpy_generator

ITERATIONS = 30


def confidence(answers: Answers, teacher: str) -> Tensor:
    """Return 1 - normalised entropy of each answer of a teacher.

    A teacher of values does not say how sure it is: 1 where it was asked.

    Returns
    -------
    Tensor
        ``(n,)`` in [0, 1]; 0 where it was not asked.
    """
    if teacher in answers.graded:
        return answers.asked(teacher).float()
    answer = answers[teacher]
    p = answer.nan_to_num(1.0 / answer.shape[1])
    entropy = -(p * p.clamp_min(1e-8).log()).sum(dim=1)
    sure = (1.0 - entropy / torch.tensor(float(max(2, answer.shape[1]))).log()).clamp(0.0, 1.0)
    return sure * answers.asked(teacher)


def clusters(columns: Tensor, prototypes: int, seed: int) -> Tensor:
    """Part items by their answers (k-means).

    Parameters
    ----------
    columns : Tensor
        ``(n, F)``, a row for each item.
    prototypes : int
        M; some stay empty where fewer items differ.
    seed : int
        Of the start.

    Returns
    -------
    Tensor
        ``(n, M)`` one-hot responsibilities.
    """
    kinds = len(torch.unique(columns, dim=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a cluster that ends up empty may stay so
        _, home = kmeans2(
            columns.double().numpy(),
            min(prototypes, kinds),
            iter=ITERATIONS,
            minit="++",
            rng=numpy_generator(seed, "competence"),
        )
    return one_hot(torch.from_numpy(home).long(), prototypes).to(columns.dtype)


def competence(
    answers: Answers, responsibilities: Tensor, weights: Mapping[str, float]
) -> dict[str, Tensor]:
    """Return how sure each teacher is around each item, by its answers on the item's prototypes.

    Parameters
    ----------
    answers : Answers
        Of n items.
    responsibilities : Tensor
        ``(n, M)``, rows on the simplex.
    weights : Mapping[str, float]
        The selection's; teachers without a positive one are left out.

    Returns
    -------
    dict[str, Tensor]
        ``(n,)`` in [0, 1] for each other teacher: ``sum_m a_m(x) c_{i,m}`` with c its mean
        confidence on the prototype's items that it was asked about; 0 if there are none.
    """
    names = [name for name in answers if weights.get(name, 0.0) > 0]
    sure = torch.stack([confidence(answers, name) for name in names])
    asked = torch.stack([answers.asked(name) for name in names]).to(responsibilities.dtype)
    mean = (sure @ responsibilities) / (asked @ responsibilities).clamp_min(1e-8)
    return dict(zip(names, mean @ responsibilities.T, strict=True))
