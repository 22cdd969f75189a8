"""Cross-validated log-likelihood of a logistic regression on answers, and its gain.

How well the labels of *held-out* items are told from the answers by L2 logistic regression on
sqrt(p), centred and divided by one global root mean square (a scale for each column would
inflate the near-constant ones). Complementarity is the gain in that figure when a teacher's
answers are put beside what is known without it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.seeding import torch_generator
from fedsa.transferability.logistic import fit_predict

FOLDS = 5
JUDGED = 1000
"""Labels that judge, at most: more hardly tell more, and cost their square."""
STRENGTH = 0.1
DIRECTIONS = 100
"""Leading directions of a block of features that are kept; with the L2 penalty the rest is idle."""
_ENOUGH = 240
"""Held-out figures after which repeating the folds no longer pays: 4 repeats of 60 labels."""
_CELLS = 2**23
"""Numbers in one batch of problems: bounds memory whatever the number of teachers."""


def cross_validation(
    answers: Tensor, labels: Tensor, student: Tensor | None = None, seed: int = 0
) -> float:
    """Return the mean held-out log-likelihood of the labels in nats, never above 0.

    Parameters
    ----------
    answers : Tensor
        ``(m, C_i)`` the teacher's distributions on the labelled items.
    labels : Tensor
        ``(m,)`` their labels.
    student : Tensor | None
        Not used.
    seed : int
        Root of the draw of the folds.
    """
    return float(held_out([features(answers)], labels, seed).mean())


def gain(answers: Tensor, labels: Tensor, student: Tensor, seed: int = 0) -> float:
    """Return by how many nats an item the teacher's answers better the student's (folds shared).

    Both fits use the student's scale: if the scale followed the columns that are put in, a
    teacher of near-constant answers would loosen the penalty on the student's, and seem to help.
    ``student`` must not have been fitted to the labels of these items, or nothing seems to be
    left to gain: give answers made without them.
    """
    scale = rms([student])
    known = features(student, scale=scale)
    more = torch.cat([known, features(answers, scale=scale)], dim=1)
    alone, both = held_out([known, more], labels, seed).mean(dim=1)
    return float(both - alone)


def rms(answers: Sequence[Tensor]) -> float:
    """Return the root mean square of all centred sqrt(p) together; 1 if all are constant."""
    squares = torch.cat([_roots(part).square().flatten() for part in answers])
    found = float(squares.mean().sqrt())
    return found if found > 1e-6 else 1.0


def features(answers: Tensor, scale: float | None = None) -> Tensor:
    """Return sqrt(p) centred over ``scale`` (by default its own rms), ``(m, C_i)`` float64."""
    return _roots(answers) / (rms([answers]) if scale is None else scale)


def held_out(blocks: Sequence[Tensor], labels: Tensor, seed: int = 0, folds: int = FOLDS) -> Tensor:
    """Return each item's held-out log-likelihood under each block of features.

    The mean over repeats of stratified folds, the same for all blocks, so that differences
    between blocks are paired; the fewer the labels, the more repeats.

    Parameters
    ----------
    blocks : Sequence[Tensor]
        Features ``(m, F)`` of each problem; widths may differ.
    labels : Tensor
        ``(m,)`` labels, from 0.

    Returns
    -------
    Tensor
        ``(len(blocks), m)`` float64 in nats. An item that is the only one of its class cannot
        be held out: it gets the chance level, minus the log of the number of classes.
    """
    targets = F.one_hot(labels).to(torch.float32)
    targets = targets[:, targets.sum(dim=0) > 0]
    out = torch.full((len(blocks), len(labels)), -math.log(max(1, targets.shape[1])))
    out = out.double()
    repeats = max(1, min(4, math.ceil(_ENOUGH / max(1, len(labels)))))
    fold = deal(targets.argmax(dim=1), folds, repeats, seed)
    testable = (fold >= 0).all(dim=0)
    if not bool(testable.any()) or targets.shape[1] < 2:
        return out
    train = torch.stack([row != part for row in fold for part in range(folds)]).float()
    tested = ~train.bool()
    narrow = [_narrow(block) for block in blocks]
    for group in _batches(narrow, len(train), targets.shape[1]):
        width = max(narrow[i].shape[1] for i in group)
        stacked = torch.stack([F.pad(narrow[i], (0, width - narrow[i].shape[1])) for i in group])
        problems = stacked.repeat_interleave(len(train), dim=0)
        fitted = fit_predict(problems, targets, train.repeat(len(group), 1), STRENGTH)
        told = (fitted * targets).sum(dim=2).double().view(len(group), len(train), -1)
        out[group] = torch.where(testable, (told * tested).sum(dim=1) / repeats, out[group])
    return out


def above_shares(blocks: Sequence[Tensor], labels: Tensor, seed: int = 0) -> Tensor:
    """Return :func:`held_out` above what the class shares alone tell, ``(len(blocks), m)``.

    Where classes are uneven, an intercept tells more than the log of their number: only above it
    does zero mean that a teacher says nothing. Items that cannot be held out have zero.
    """
    found = held_out([torch.zeros(len(labels), 1), *blocks], labels, seed)
    return found[1:] - found[0]


def _roots(answers: Tensor) -> Tensor:
    roots = answers.double().clamp_min(0.0).sqrt()
    centred: Tensor = roots - roots.mean(dim=0)
    return centred


def _narrow(block: Tensor) -> Tensor:
    """Turn a block onto its leading directions: a rotation, which an L2 penalty does not see."""
    if block.shape[1] <= min(DIRECTIONS, len(block)):
        return block.float()
    u, s, _ = torch.linalg.svd(block.double(), full_matrices=False)
    turned: Tensor = u * s
    return turned[:, :DIRECTIONS].float()


def deal(labels: Tensor, folds: int, repeats: int, seed: int) -> Tensor:
    """Deal each class's items over the folds, ``(repeats, m)``; -1 where a class has one item."""
    out = torch.full((repeats, len(labels)), -1)
    for repeat in range(repeats):
        generator = torch_generator(seed, "cross-validation", repeat)
        dealt = 0
        for label in range(int(labels.max()) + 1):
            items = (labels == label).nonzero()[:, 0]
            if len(items) < 2:
                continue
            order = items[torch.randperm(len(items), generator=generator)]
            out[repeat, order] = (torch.arange(len(items)) + dealt) % folds
            dealt += len(items)
    return out


def judges(count: int, seed: int, purpose: str) -> Tensor:
    """Return the places of the labels that judge: all, or ``JUDGED`` of them drawn at random.

    At random, as a person's labels may come sorted by class.
    """
    if count <= JUDGED:
        return torch.arange(count)
    return torch.randperm(count, generator=torch_generator(seed, purpose, "judged"))[:JUDGED]


def folds(dealt: Tensor, count: int) -> Tensor:
    """Return which items each fold of :func:`deal` holds out, ``(B, m)`` bool; empty ones not."""
    held = torch.stack([row == part for row in dealt for part in range(count)])
    return held[held.any(dim=1)]


def _batches(blocks: Sequence[Tensor], splits: int, classes: int) -> list[list[int]]:
    """Group problems of like width, so that padding and memory stay small."""
    groups: list[list[int]] = []
    for i in sorted(range(len(blocks)), key=lambda i: (blocks[i].shape[1], i)):
        size = splits * len(blocks[i]) * (blocks[i].shape[1] + 2 * classes + 1)
        if groups and (len(groups[-1]) + 1) * size <= _CELLS:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups
