"""A witness beside the answers: networks that learn the labels from the items themselves.

Weak teachers know together what each of them knows, and not much more: a student of a thousand
labels may tell as much by itself, and errs about other items. So where labels are many, networks
like the student learn all folds of them but one, and labels that were held out say how far they
count beside what is believed from the answers, and whether they do at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.fusion.base import Stage
from fedsa.fusion.scratch import Scratch
from fedsa.fusion.sight import ERRORS, beyond_chance
from fedsa.fusion.training import outputs
from fedsa.problem import Answers, Problem
from fedsa.seeding import derive
from fedsa.task import Classification
from fedsa.transferability.cross_validation import FOLDS, deal

EACH = 20.0
"""Labels a class, on average, below which networks learn too little from them alone."""
LEAST = 1e-6
"""Least probability of which a logarithm is taken."""


class Witness(NamedTuple):
    """What networks that learnt the labels alone say, and how far it counts.

    Parameters
    ----------
    rows : Tensor
        ``(n, C)`` the mean of what they say of every item; ``(0, C)`` where they are not heard.
    powers : Tensor
        ``(2,)`` a and b of :func:`joined`.
    """

    rows: Tensor
    powers: Tensor

    @property
    def counts(self) -> bool:
        """Whether they are heard."""
        return len(self.rows) > 0


def can_learn(problem: Problem) -> bool:
    """Whether there are labels enough for it, of one classification and of less than all items."""
    classes, labels = problem.task.outputs, len(problem.labels)
    single = isinstance(problem.task, Classification)
    return single and EACH * classes <= labels < len(problem.inputs)


def call_witness(problem: Problem, believe: Callable[[Problem], Tensor], asked: Tensor) -> Witness:
    """Train networks on the labels, and let labels that were held out judge them.

    They are heard if those labels are told better with them than from the answers alone, beyond
    chance. The first network's fold ends the matter unless it shows as much as it would, on
    average, of a gain that is just beyond chance on all folds.

    Parameters
    ----------
    problem : Problem
        For which :func:`can_learn` holds.
    believe : Callable[[Problem], Tensor]
        Finds ``(n, C)`` beliefs from the answers and some of the labels.
    asked : Tensor
        ``(k,)`` indices of the items that answers tell of: labels of others do not judge.
    """
    fold, judging = deal(problem.labels, FOLDS, 1, problem.seed)[0], []
    silent = Witness(torch.zeros(0, problem.task.outputs), torch.zeros(2))
    rows = torch.zeros(len(problem.inputs), problem.task.outputs)
    for one in range(FOLDS):
        said = _learnt(problem, fold != one, one)
        out = (fold == one) & torch.isin(problem.labelled, asked)
        where = problem.labelled[out]
        believed = believe(problem.knowing(fold != one))[where]
        judging.append((_logs(believed), _logs(said[where]), problem.labels[out]))
        rows += said / FOLDS
        if one == 0 and not beyond_chance(_gain(*judging[0]), ERRORS / math.sqrt(FOLDS)):
            return silent
    told = tuple(torch.cat(parts) for parts in zip(*judging, strict=True))
    return Witness(rows, torch.tensor(_powers(*told))) if beyond_chance(_gain(*told)) else silent


def joined(problem: Problem, rows: Tensor, witness: Witness) -> Tensor:
    """Join what is believed from the answers with what the networks say.

    With p their mean, and a and b fitted to labels that beliefs and networks were kept from,

        q(y|x)  proportional to  q(y|x)^a p(y|x)^b,    a ~ N(1, 1),  b ~ N(0, 1)

    Parameters
    ----------
    problem : Problem
        Its labelled items keep their labels.
    rows : Tensor
        ``(n, C)`` what is believed.
    witness : Witness
        One that counts.
    """
    a, b = witness.powers
    found: Tensor = (a * _logs(rows) + b * _logs(witness.rows)).softmax(dim=1)
    found[problem.labelled] = rows[problem.labelled]
    return found


def _learnt(problem: Problem, known: Tensor, one: int) -> Tensor:
    """Train a network on the labels that are known; return its ``(n, C)`` probabilities."""
    seed = derive(problem.seed, "witness", one)
    part = replace(problem, seed=seed).knowing(known)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # for networks with dropout
        found = Scratch().fit(part, Answers({}), {}, Stage(), {}).student
    return outputs(found, problem.inputs).softmax(dim=1)


def _gain(believed: Tensor, told: Tensor, labels: Tensor) -> Tensor:
    """Return by how many nats each label is told better by both than by beliefs, ``(m,)``."""
    a, b = _powers(believed, told, labels)
    alone, _ = _powers(believed, None, labels)
    both = F.cross_entropy(a * believed + b * told, labels, reduction="none")
    return F.cross_entropy(alone * believed, labels, reduction="none") - both


def _powers(believed: Tensor, told: Tensor | None, labels: Tensor) -> tuple[float, float]:
    """Fit the powers a of what is believed and, if it is told, b of what networks say."""
    logs = [believed] if told is None else [believed, told]
    stacked, centre = torch.stack(logs).double(), torch.tensor([1.0, 0.0]).double()[: len(logs)]
    powers = centre.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([powers], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        both = torch.einsum("k,kmc->mc", powers, stacked)
        loss = F.cross_entropy(both, labels, reduction="sum")
        loss = loss + 0.5 * (powers - centre).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    a, *b = powers.tolist()
    return a, b[0] if b else 0.0


def _logs(rows: Tensor) -> Tensor:
    return rows.clamp_min(LEAST).log()
