"""What is seen of the items themselves, beside what teachers answer about them.

Where teachers know the task's classes their answers say all there is, and pixels are noise. Where
none does, pixels tell classes apart that all teachers answer alike. Cross-validation on the labels
decides, so the gate stays shut where labels are too few to be held out, unless no teacher calls a
class by a name of the task's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.fusion.stack import POWERS, left_out, regressions, scale, told
from fedsa.problem import Problem
from fedsa.seeding import torch_generator
from fedsa.transferability.cross_validation import judges
from fedsa.transferability.ridge import explained

DIRECTIONS = 32
"""Leading directions of the inputs."""
WIDE = 1024
"""Numbers of an item at most; larger images are shrunk, longer vectors projected at random."""
ERRORS = 1.645
"""Standard errors by which labels must be told better: chance does that once in twenty times."""
FEWEST = 3.0
"""Labels, on average, of the classes that have several: of two, one would learn and one judge."""


def seen(problem: Problem) -> Tensor:
    """Return the inputs on their leading principal directions, ``(n, <= 32)``, of unit rms."""
    inputs = problem.inputs
    if inputs.ndim == 4 and inputs[0].numel() > WIDE:
        side = max(1, math.isqrt(WIDE // inputs.shape[1]))  # of many channels each one's mean
        inputs = F.adaptive_avg_pool2d(inputs, side)
    flat = inputs.flatten(1)
    if flat.shape[1] > WIDE:
        generator = torch_generator(problem.seed, "fusion", "sight")
        flat = flat @ torch.randn(flat.shape[1], WIDE, generator=generator)
    flat = flat - flat.mean(dim=0)
    directions = torch.linalg.eigh((flat.T @ flat).double()).eigenvectors[:, -DIRECTIONS:]
    return scale(flat @ directions.to(flat.dtype))


def beside(columns: Tensor, sight: Tensor) -> Tensor:
    """Put what is seen beside what is answered, both with the same total variance."""
    return scale(torch.cat([columns, sight * (columns.shape[1] / sight.shape[1]) ** 0.5], dim=1))


def called_in(problem: Problem, columns: Tensor, sight: Tensor, strange: bool) -> tuple[bool, bool]:
    """Whether the items' own look is taken in, and whether it tells more even by itself.

    Parameters
    ----------
    problem : Problem
        Its labels judge.
    columns, sight : Tensor
        ``(n, F)`` what is answered and ``(n, D)`` what is seen.
    strange : bool
        Whether no teacher calls a class by a name of the task's. Most likely none knows them, so
        with labels too few to be held out the look is taken in unasked, and else if it tells them
        better at all.
    """
    wider = beside(columns, sight)
    judged = problem.labelled, problem.labels, problem.seed
    better = _better(columns, wider, *judged)
    if better is None:
        return strange, False
    if beyond_chance(better):
        return True, tells_more(columns, sight, *judged)
    return strange and float(better.mean()) > 0, False


def explains_more(problem: Problem, columns: Tensor, wider: Tensor) -> bool:
    """Whether wider features explain labels that are values better when left out, beyond chance.

    Parameters
    ----------
    problem : Problem
        Of one head of values; its labels judge.
    columns, wider : Tensor
        ``(n, F)`` and ``(n, G)`` features.
    """
    if len(problem.labels) < 2 * FEWEST:  # a quantity asks for as many as two classes
        return False
    less, more = (explained(rows[problem.labelled], problem.labels) for rows in (columns, wider))
    return beyond_chance(more - less)


def tells_more(columns: Tensor, wider: Tensor, labelled: Tensor, labels: Tensor, seed: int) -> bool:
    """Whether held-out labels are told better from wider, or other, features, beyond chance.

    Both regressions' probabilities are sharpened or flattened by one temperature each, the best on
    the held-out labels: with few labels the penalty makes wide features look bold, which is no
    merit.

    Parameters
    ----------
    columns, wider : Tensor
        ``(n, F)`` and ``(n, G)`` features; the second are to tell more.
    labelled, labels : Tensor
        ``(m,)`` row indices and classes.
    seed : int
        Root of the draw of the folds.
    """
    better = _better(columns, wider, labelled, labels, seed)
    return better is not None and beyond_chance(better)


def _better(
    columns: Tensor, wider: Tensor, labelled: Tensor, labels: Tensor, seed: int
) -> Tensor | None:
    """Return by how much each label is told better, in nats, or None if labels are too few.

    Those that are the only ones of their class are left aside: they cannot be held out.
    """
    some, classes = judges(len(labels), seed, "fusion"), len(torch.unique(labels))
    labelled, labels = labelled[some], labels[some]
    several = torch.bincount(labels)[labels] > 1
    labelled, labels = labelled[several], labels[several]
    if not can_judge(len(torch.unique(labels)), classes, len(labels)):
        return None
    held = left_out(labels, seed)
    less, more = (_held_out(rows[labelled], labels, held) for rows in (columns, wider))
    return more - less


def can_judge(kinds: int, classes: int, labels: int) -> bool:
    """Whether labels can be held out: enough of them, and of most classes.

    Parameters
    ----------
    kinds : int
        Classes with two labels and more.
    classes : int
        All that are to be told apart.
    labels : int
        Labels of those ``kinds``.
    """
    return kinds >= 2 and kinds > classes / 2 and labels >= FEWEST * kinds


def beyond_chance(better: Tensor, errors: float = ERRORS) -> bool:
    """Whether differences of held-out labels, ``(m,)``, are above zero by so many errors."""
    return float(better.mean()) > errors * float(better.std()) / math.sqrt(len(better))


def _held_out(rows: Tensor, labels: Tensor, held: Tensor) -> Tensor:
    every, classes = torch.arange(len(labels)), int(labels.max()) + 1
    return likelihood(told(rows, regressions(rows, every, labels, classes, ~held)), labels, held)


def likelihood(logs: Tensor, labels: Tensor, held: Tensor) -> Tensor:
    """Return each item's mean held-out log-likelihood at the best temperature, ``(m,)``.

    Parameters
    ----------
    logs : Tensor
        ``(B, m, C)`` log-probabilities, of each fold on all items.
    labels : Tensor
        ``(m,)`` classes.
    held : Tensor
        ``(B, m)`` bool, what each fold holds out.
    """
    every = torch.arange(len(labels))
    right = [(t * logs).log_softmax(dim=2)[:, every, labels] for t in POWERS]
    each = [(one * held).sum(dim=0) / held.sum(dim=0).clamp_min(1) for one in right]
    best: Tensor = max(each, key=lambda one: float(one.mean()))
    return best
