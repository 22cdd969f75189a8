"""Where in the space of answers each teacher knows its way: competence per prototype.

Here the prototypes are clusters of the answers themselves, as for the choice of items to label
(:mod:`fedsa.prototypes.coverage`): they need no training, and stand before the student does.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import one_hot

from fedsa.problem import Answers
from fedsa.prototypes.pool import coverage
from fedsa.seeding import derive


def confidence(answer: Tensor) -> Tensor:
    """Return 1 - normalised entropy of each answer.

    Parameters
    ----------
    answer : Tensor
        ``(n, C_i)`` rows on the simplex; NaN where the teacher was not asked.

    Returns
    -------
    Tensor
        ``(n,)`` in [0, 1]; 0 where it was not asked.
    """
    p = answer.nan_to_num(1.0 / answer.shape[1])
    entropy = -(p * p.clamp_min(1e-8).log()).sum(dim=1)
    return (1.0 - entropy / torch.tensor(float(max(2, answer.shape[1]))).log()).clamp(0.0, 1.0)


def sureness(answers: Answers, name: str) -> Tensor:
    """Return how sure a teacher is of each item, ``(n,)`` in [0, 1].

    Its :func:`confidence`; one that answers with values does not say how sure it is, and counts in
    full where it was asked.
    """
    if name in answers.graded:
        return answers.asked(name).float()
    return confidence(answers[name])


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
    start = derive(seed, "competence") % 2**32
    means = KMeans(min(prototypes, kinds), n_init=2, random_state=start)
    with threadpool_limits(1):  # sums of several threads differ in their last bits
        home = means.fit_predict(columns.numpy())
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
        ``(n,)`` in [0, 1] for each other teacher: ``sum_m a_m(x) c_{i,m}`` with c the
        :func:`~fedsa.prototypes.pool.coverage`.
    """
    names = [name for name in answers if weights.get(name, 0.0) > 0]
    sure = torch.stack([sureness(answers, name) for name in names])
    around = coverage(responsibilities, sure) @ responsibilities.T
    return dict(zip(names, around, strict=True))
