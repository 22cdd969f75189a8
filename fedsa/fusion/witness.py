"""A witness beside the answers: networks that learn the labels from the items themselves.

Weak teachers know together what each of them knows, and not much more: a student of a thousand
labels may tell as much by itself, and errs about other items. So where labels are many, networks
like the student learn all folds of them but one, and labels that were held out say how far they
count beside what is believed from the answers, and whether they do at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fedsa.fusion.augment import augment
from fedsa.fusion.sight import ERRORS, beyond_chance
from fedsa.fusion.training import outputs, train
from fedsa.problem import Problem
from fedsa.seeding import derive, torch_generator
from fedsa.task import Classification
from fedsa.transferability.cross_validation import FOLDS, deal

EACH = 20.0
"""Labels a class, on average, below which networks learn too little from them alone."""
LEAST = 1e-6
"""Least probability of which a logarithm is taken."""


class Heard(NamedTuple):
    """What is believed once the networks were heard.

    Parameters
    ----------
    rows : Tensor
        ``(n, C)`` on the simplex.
    said : Tensor
        ``(k, n, C)`` what each network says of every item, for the next round. A single one gave
        no hope, and stays the only one.
    counts : bool
        Whether they count.
    """

    rows: Tensor
    said: Tensor
    counts: bool


def can_learn(problem: Problem) -> bool:
    """Whether there are labels enough for it, of one classification and of less than all items."""
    classes, labels = problem.task.outputs, len(problem.labels)
    single = isinstance(problem.task, Classification)
    return single and EACH * classes <= labels < len(problem.inputs)


def hear(
    problem: Problem, rows: Tensor, believe: Callable[[Problem], Tensor], said: Tensor | None = None
) -> Heard:
    """Join what is believed from answers with what networks say that learnt the labels alone.

    With p the mean over the networks, and a and b fitted to labels that both were kept from,

        q(y|x)  proportional to  q(y|x)^a p(y|x)^b,    a ~ N(1, 1),  b ~ N(0, 1)

    if those labels are told better so than with b = 0, beyond chance. The first network's fold
    alone ends the matter unless it shows as much as it would, on average, of a gain that is just
    beyond chance on all folds.

    Parameters
    ----------
    problem : Problem
        For which :func:`can_learn` holds.
    rows : Tensor
        ``(n, C)`` what is believed; labelled items have their labels, and keep them.
    believe : Callable[[Problem], Tensor]
        Finds such rows from some of the labels.
    said : Tensor | None
        What the networks said in an earlier round; without, they are trained.
    """
    fold = deal(problem.labels, FOLDS, 1, problem.seed)[0]
    if said is not None and len(said) == 1:
        return Heard(rows, said, False)
    if said is None:
        said = _learnt(problem, fold, 0)[None]
        first = _held_out(problem, fold, [0], believe, said)
        if not beyond_chance(_gain(*first), ERRORS / math.sqrt(FOLDS)):
            return Heard(rows, said, False)
        rest = [_learnt(problem, fold, one) for one in range(1, FOLDS)]
        said = torch.cat([said, torch.stack(rest)])
    held = _held_out(problem, fold, range(FOLDS), believe, said)
    if not beyond_chance(_gain(*held)):
        return Heard(rows, said, False)
    a, b = _powers(*held)
    found = (a * _logs(rows) + b * _logs(said.mean(dim=0))).softmax(dim=1)
    found[problem.labelled] = rows[problem.labelled]
    return Heard(found, said, True)


def _learnt(problem: Problem, fold: Tensor, one: int) -> Tensor:
    """Train a network on all folds but one; return its ``(n, C)`` probabilities."""
    generator = torch_generator(problem.seed, "witness", "augment", one)
    inputs = problem.inputs[problem.labelled]

    def loss(module: nn.Module, batch: Tensor, step: int) -> Tensor:
        raw = module(augment(inputs[batch], generator, problem.task))
        return problem.task.loss(raw, problem.labels[batch])

    known = (fold != one).nonzero()[:, 0]
    steps, where = problem.student.steps, ("witness", one)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(problem.seed, "witness", one))
        module = problem.build(problem.task.outputs)
        found, _ = train(module, loss, known, steps, problem.student, problem.seed, *where)
    return outputs(found, problem.inputs).softmax(dim=1)


def _held_out(
    problem: Problem,
    fold: Tensor,
    which: Sequence[int],
    believe: Callable[[Problem], Tensor],
    said: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return logarithms of beliefs and networks on folds both were kept from, and the labels."""
    found = []
    for one in which:
        out, known = fold == one, fold != one
        where, labels = problem.labelled[out], problem.labels[out]
        masses = problem.masses if problem.masses is None else problem.masses[known]
        rest = replace(
            problem,
            labelled=problem.labelled[known],
            labels=problem.labels[known],
            masses=masses if masses is None else masses / masses.sum(),
        )
        found.append((_logs(believe(rest)[where]), _logs(said[one][where]), labels))
    believed, told, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
    return believed, told, labels


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
        joined = torch.einsum("k,kmc->mc", powers, stacked)
        loss = F.cross_entropy(joined, labels, reduction="sum")
        loss = loss + 0.5 * (powers - centre).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    a, *b = powers.tolist()
    return a, b[0] if b else 0.0


def _logs(rows: Tensor) -> Tensor:
    return rows.clamp_min(LEAST).log()
