"""What the selected teachers' answers say about the new task, item by item, before distillation.

The stack reads the answers with the labels, each teacher by its competence around the item, and
what is seen of the items where that tells more; its beliefs are calibrated to the class shares that
the answers show; a discriminant fitted on the whole transfer set under these beliefs adds how the
answers are distributed, which a few labels cannot; and what is believed of an item spreads to those
that are answered alike, or look alike where no teacher knows the classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.fusion.heads import own_weights, stack_tells_more
from fedsa.fusion.names import hold, strangers
from fedsa.fusion.shares import shares
from fedsa.fusion.sight import beside, called_in, explains_more, seen
from fedsa.fusion.spreading import FAR, spread
from fedsa.fusion.stack import features, regress
from fedsa.fusion.values import regress_values
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem
from fedsa.prototypes.competence import clusters, competence
from fedsa.transferability.names import told_by_name

SHARE = 0.05
"""Weight of an unlabelled item against a labelled one in the discriminant."""
RIDGE = 0.1
"""Share of the mean variance added to every direction."""
DIFFER = 0.05
"""Share of the items in whose class names and discriminant differ, up to which the names are heard
alone; the discriminant has all of its part from twice as many on."""
ITERATIONS = 20
FEW = 30.0
"""Labels a class at which the discriminant has half the say that it has with the fewest: with many,
the stack speaks for itself."""


class Believed(NamedTuple):
    """What is believed of the transfer set.

    Parameters
    ----------
    rows : Tensor
        ``(n, C)`` q(y|x).
    looked : bool
        Whether held-out labels are told better from the items' own look than from all answers, as
        they are where no teacher knows the classes.
    """

    rows: Tensor
    looked: bool


def beliefs(
    problem: Problem,
    answers: Answers,
    weights: Mapping[str, float],
    options: FusionOptions | None = None,
    known: Tensor | None = None,
) -> Tensor:
    """Return the rows of :func:`believe`."""
    return believe(problem, answers, weights, options, known).rows


def believe(
    problem: Problem,
    answers: Answers,
    weights: Mapping[str, float],
    options: FusionOptions | None = None,
    known: Tensor | None = None,
) -> Believed:
    """Find q(y|x) on the transfer set; labelled items have their labels.

    Of several heads each has its own, side by side: of classes by the teachers that tell of them
    (:func:`fedsa.fusion.heads.own_weights`), by the stack alone where held-out labels ask for that
    (:func:`fedsa.fusion.heads.stack_tells_more`); of values by a ridge regression on all answers,
    and on the items' own look where labels left out ask for it.

    Parameters
    ----------
    problem : Problem
        Task and labels.
    answers : Answers
        The teachers' answers.
    weights : Mapping[str, float]
        The selection's weights; teachers without a positive one are left out.
    options : FusionOptions | None
        Whether competence counts, whether items are looked at, and how far beliefs spread.
    known : Tensor | None
        ``(C,)`` the class shares of the transfer set, of a single classification, in place of what
        :func:`fedsa.fusion.shares.shares` makes of labels and answers. Where names tell all classes
        (:mod:`fedsa.transferability.names`) nothing is calibrated to shares.
    """
    options = options or FusionOptions()
    items, found = torch.unique(torch.cat([answers.covered(weights), problem.labelled])), []
    for head, part in problem.parts():
        if not part.task.distributions:
            found.append(_values(part, features(answers, weights), options))
            continue
        if head.label is None:
            return _classes(part, answers, weights, items, options, known)
        found.append(_of_several(part, answers, weights, items, options))
    return Believed(torch.cat(found, dim=1), looked=False)


def _values(problem: Problem, columns: Tensor, options: FusionOptions) -> Tensor:
    if options.sight:
        wider = beside(columns, seen(problem))
        columns = wider if explains_more(problem, columns, wider) else columns
    found = regress_values(columns, problem.labelled, problem.labels)
    found[problem.labelled] = problem.labels
    return found


def _of_several(
    problem: Problem,
    answers: Answers,
    weights: Mapping[str, float],
    items: Tensor,
    options: FusionOptions,
) -> Tensor:
    own = own_weights(problem, answers, weights)
    columns = features(answers, own)

    def whole(problem: Problem) -> Tensor:
        return _classes(problem, answers, own, items, options, None).rows

    if not stack_tells_more(problem, columns, whole):
        return whole(problem)
    found = regress(columns, problem.labelled, problem.labels, problem.task.outputs)
    found[problem.labelled] = problem.task.truth(problem.labels)
    return found


def _classes(
    problem: Problem,
    answers: Answers,
    weights: Mapping[str, float],
    items: Tensor,
    options: FusionOptions,
    known: Tensor | None,
) -> Believed:
    classes, where, labels = problem.task.outputs, problem.labelled, problem.labels
    truth = F.one_hot(labels, classes).to(torch.float32)
    plain = features(answers, weights)
    columns = plain
    if options.competence:
        a = torch.zeros(len(plain), options.prototypes)
        a[items] = clusters(plain[items], options.prototypes, problem.seed)
        columns = features(answers, weights, competence(answers, a, weights))
    told = told_by_name(problem, answers, weights) if options.names else None
    near, reach, looked = plain, options.spreading, False
    if options.sight:
        sight = seen(problem)
        strange = options.names and strangers(problem, answers, weights)
        wanted, looked = called_in(problem, columns, sight, strange)
        if wanted:
            columns, plain = beside(columns, sight), beside(plain, sight)
            alone = looked or strange  # then answers make worse neighbours than looks
            near, reach = (sight, max(reach, FAR)) if alone else (plain, reach)
            told = None  # who has to look for himself hears nothing that is worth a name
    if told is not None and not hold(told, problem, columns):
        told = None
    if told is not None and told.whole:
        stack = regress(columns, where, labels, classes, told.logs, lean=True)
        gaussian = discriminant(columns, stack, where, truth, items)
        others = items[~torch.isin(items, where)]
        part = _part(len(labels) / classes) * _apart(stack[others], gaussian[others])
        found = _joined(stack, gaussian, part).softmax(dim=1)
        found[where] = truth
        return Believed(found, looked)
    prior = shares(problem, plain, items) if known is None else known
    before = None if told is None else told.logs
    stack = calibrate(regress(columns, where, labels, classes, before), prior, items)
    gaussian = discriminant(columns, stack, where, truth, items)
    part = _part(len(labels) / classes) if options.spreading > 0 else 0.5
    logs = _joined(stack, gaussian, part)
    found = calibrate(logs.softmax(dim=1), prior, items)
    if options.spreading > 0:
        among = torch.searchsorted(items, where)
        found[items] = spread(near[items], found[items], among, truth, reach)
        found = calibrate(found, prior, items)
    found[where] = truth
    return Believed(found, looked)


def _part(each: float) -> float:
    """Return the discriminant's part beside the stack, by the number of labels a class."""
    return 0.5 * FEW / (FEW + each)


def _apart(stack: Tensor, gaussian: Tensor) -> float:
    """Return the share of its part that a discriminant has beside names, in [0, 1].

    Where the two differ in the class of few items, names tell well, and are right there more often
    than not.
    """
    if not len(stack):
        return 0.0
    differ = float((stack.argmax(dim=1) != gaussian.argmax(dim=1)).float().mean())
    return min(1.0, max(0.0, differ / DIFFER - 1.0))


def _joined(stack: Tensor, gaussian: Tensor, part: float) -> Tensor:
    """Return the logarithms of both, mixed."""
    return (1 - part) * stack.clamp_min(1e-6).log() + part * gaussian.clamp_min(1e-6).log()


def calibrate(beliefs: Tensor, prior: Tensor, items: Tensor) -> Tensor:
    """Shift the classes' log-odds until the mean belief over ``items`` is the prior.

    A stack on a few labels strays from the class shares that they and the answers show
    (:func:`fedsa.fusion.shares.shares`); Saerens et al. (Neural Computation 2002) give the same
    correction for a known prior.

    Parameters
    ----------
    beliefs : Tensor
        ``(n, C)`` rows on the simplex.
    prior : Tensor
        ``(C,)`` on the simplex.
    items : Tensor
        ``(k,)`` indices of the items that the mean is taken over.
    """
    logs = beliefs.clamp_min(1e-6).log()
    shift = torch.zeros(beliefs.shape[1])
    for _ in range(ITERATIONS):
        mean = (logs[items] + shift).softmax(dim=1).mean(dim=0)
        shift = shift + prior.log() - mean.clamp_min(1e-6).log()
    return (logs + shift).softmax(dim=1)


def discriminant(
    columns: Tensor, beliefs: Tensor, labelled: Tensor, truth: Tensor, items: Tensor
) -> Tensor:
    """Fit a linear discriminant on all items under soft labels; return its posterior.

    Gaussian classes with one covariance and even priors: one step of expectation maximisation,
    as more of them drift away from the labels.

    Parameters
    ----------
    columns : Tensor
        ``(n, F)`` features.
    beliefs : Tensor
        ``(n, C)`` soft labels.
    labelled, truth : Tensor
        ``(m,)`` indices and ``(m, C)`` one-hot labels, which count in full.
    items : Tensor
        ``(k,)`` indices of the items that count.

    Returns
    -------
    Tensor
        ``(n, C)`` rows on the simplex.
    """
    rows = columns.double()
    mass = torch.zeros(beliefs.shape, dtype=torch.float64)
    mass[items] = SHARE * beliefs[items].double()
    mass[labelled] = truth.double()
    size, total = mass.sum(dim=0).clamp_min(1e-9), mass.sum()
    means = (mass.T @ rows) / size[:, None]
    within = (rows.T * mass.sum(dim=1)) @ rows / total - (means.T * size / total) @ means
    ridge = RIDGE * within.diagonal().mean().clamp_min(1e-9)
    within = within + ridge * torch.eye(len(within), dtype=torch.float64)
    directions = torch.linalg.solve(within, means.T)
    scores: Tensor = rows @ directions - 0.5 * (means * directions.T).sum(dim=1)
    return scores.softmax(dim=1).to(columns.dtype)
