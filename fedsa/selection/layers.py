"""The layers of evidence of each teacher, every one in its own unit, none yet judged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedsa.problem import Answers, Problem
from fedsa.seeding import derive, torch_generator
from fedsa.selection.base import Evidence
from fedsa.transferability.cka import cka
from fedsa.transferability.cross_validation import above_shares, features, judges, rms
from fedsa.transferability.leep import leep
from fedsa.transferability.mutual_information import mutual_information
from fedsa.transferability.ridge import explained

SIGHT = 16
"""Principal directions kept of the inputs, and as many of untrained features."""

EYES = 2
"""Untrained networks whose features are taken."""

SHUFFLES = 12
"""Shuffled copies of the labels that show what LEEP says when there is nothing to say."""


@dataclass(frozen=True)
class Layers:
    """What is known of one teacher.

    Parameters
    ----------
    saliency : float | None
        Closeness of looks in [-1, 1]; None where the teacher gave none.
    mutual_information : float | None
        Of its answers and the student's, over the answered items, in nats; None where either of
        them are values.
    leep, cross_validation : float | None
        Information on the labels in nats: LEEP above its mean on shuffled labels, and held-out
        log-likelihood above the class shares'; None without labels (or none that can be held out).
        Of a head of values there is no LEEP, and cross-validation tells the share of the variance
        that is explained on labels left out.
    gain, error : float | None
        Held-out gain over what is seen without any teacher, and its standard error, in the same
        unit.
    alignment : float | None
        CKA of its answers and the student's, in [-1, 1]; in place of mutual information for a
        head of values, so None for all others.
    """

    saliency: float | None
    mutual_information: float | None
    leep: float | None
    cross_validation: float | None
    gain: float | None
    error: float | None
    alignment: float | None = None

    def document(self) -> dict[str, float]:
        """Return the layers that are known, by name, for the report."""
        named = {
            "saliency": self.saliency,
            "mutual-information": self.mutual_information,
            "leep": self.leep,
            "cross-validation": self.cross_validation,
            "gain": self.gain,
            "gain-error": self.error,
            "alignment": self.alignment,
        }
        return {name: value for name, value in named.items() if value is not None}


def measure(evidence: Evidence) -> dict[str, Layers]:
    """Measure every layer for every teacher that can be reached, in sorted order."""
    evidence = replace(evidence, problem=judging(evidence.problem))
    problem, answers = evidence.problem, evidence.answers
    classes = problem.task.distributions
    names = sorted(evidence.teachers)
    heard = {name: _heard(evidence, name) for name in names}
    rooted = {name: _rooted(answers, name) for name in names if name in answers}
    told = {n: rooted[n][problem.labelled[mark]] for n, mark in heard.items() if bool(mark.any())}
    validated: dict[str, tuple[float, float, float]] = {}
    # A small budget may end among the labelled items: a teacher is judged by those it answered,
    # beside all who answered them too.
    for mark in _kinds([heard[name] for name in told]):
        part = _part(problem, mark)
        beside = [name for name in told if bool(heard[name][mark].all())]
        if _can_hold_out(part):
            figures = _validate(part, {n: rooted[n][part.labelled] for n in beside})
            validated |= {n: figures[n] for n in beside if bool((heard[n] == mark).all())}
    out = {}
    for name in names:
        asked = answers.asked(name) if name in answers else torch.zeros(0, dtype=torch.bool)
        shared = aligned = None
        if bool(asked.any()):
            given, seen = rooted[name][asked], evidence.student[asked]
            if not classes:
                aligned = cka(given, None, seen.square())
            elif name not in answers.graded:
                shared = mutual_information(given, None, seen)
        judged = name in told and classes and name not in answers.graded
        validity = validated.get(name)
        out[name] = Layers(
            saliency=evidence.closeness.get(name),
            mutual_information=shared,
            leep=_surprise(told[name], _part(problem, heard[name])) if judged else None,
            cross_validation=validity[0] if validity else None,
            gain=validity[1] if validity else None,
            error=validity[2] if validity else None,
            alignment=aligned,
        )
    return out


def judging(problem: Problem) -> Problem:
    """Return the problem with those of its labels that judge, in their order."""
    mark = torch.zeros(len(problem.labels), dtype=torch.bool)
    mark[judges(len(mark), problem.seed, "selection")] = True
    return _part(problem, mark)


def _rooted(answers: Answers, name: str) -> Tensor:
    """Return answers whose square roots are features; values are features as they are."""
    return answers[name].square() if name in answers.graded else answers[name]


def _heard(evidence: Evidence, name: str) -> Tensor:
    """Return a ``(m,)`` mask of the labelled items that a teacher answered."""
    labelled = evidence.problem.labelled
    if name not in evidence.answers:
        return torch.zeros(len(labelled), dtype=torch.bool)
    return evidence.answers.asked(name)[labelled]


def _kinds(marks: list[Tensor]) -> list[Tensor]:
    """Return the masks that differ."""
    return list({tuple(mark.tolist()): mark for mark in marks}.values())


def _part(problem: Problem, mark: Tensor) -> Problem:
    """Return the problem with some of its labels only."""
    if bool(mark.all()):
        return problem
    masses = None if problem.masses is None else problem.masses[mark]
    return replace(
        problem,
        labelled=problem.labelled[mark],
        labels=problem.labels[mark],
        masses=None if masses is None else masses / masses.sum(),
    )


def _validate(problem: Problem, told: dict[str, Tensor]) -> dict[str, tuple[float, float, float]]:
    """Return each teacher's held-out information, gain over :func:`sight`, and the gain's error.

    Of classes by logistic regression, of values by ridge regression.

    Complementarity is measured against untrained eyes, not against the student: the student was
    fitted to these very labels, so its answers on them look better than any teacher's, and once
    it learnt from the teachers each of them looks superfluous. All teachers share one scale, as
    in the stack, so that answers that hardly vary count for the little that they say.
    """
    labels, names = problem.labels, list(told)
    scale = rms(list(told.values()))
    alone = [features(told[name], scale) for name in names]
    seen = sight(problem)
    both = [torch.cat([seen, block], dim=1) for block in alone]
    blocks = [seen, *alone, *both]
    if problem.task.distributions:
        figures = above_shares(blocks, labels, problem.seed)
    else:
        figures = torch.stack([explained(block, labels) for block in blocks])
    base, information, joint = figures[0], figures[1 : len(names) + 1], figures[len(names) + 1 :]
    gains = joint - base
    errors = gains.std(dim=1) / math.sqrt(len(labels))
    return {
        name: (float(information[i].mean()), float(gains[i].mean()), float(errors[i]))
        for i, name in enumerate(names)
    }


def sight(problem: Problem) -> Tensor:
    """Return what is seen of the labelled items without any teacher, ``(m, <= 2 * SIGHT)``.

    The inputs on their leading principal directions, and the features of untrained networks of
    the student's architecture on theirs: a teacher for other data also has eyes, and whoever
    looks through any network sees more than pixels. Both halves have a root mean square of one.
    """
    inputs = problem.inputs[problem.labelled]
    features = []
    for copy in range(EYES):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(derive(problem.seed, "selection", "eyes", copy))
            # In training mode, normalisation layers take their statistics from these items.
            network = problem.build(problem.student.embedding).train()
            for module in network.modules():  # a maker with a fixed seed gives one network twice
                if callable(reset := getattr(module, "reset_parameters", None)):
                    reset()
            features.append(network(inputs).flatten(1))
    return torch.cat([_principal(inputs.flatten(1)), _principal(torch.cat(features, dim=1))], dim=1)


def _principal(columns: Tensor) -> Tensor:
    columns = columns.double()
    u, s, _ = torch.linalg.svd(columns - columns.mean(dim=0), full_matrices=False)
    seen: Tensor = (u * s)[:, :SIGHT]
    scale = float(seen.square().mean().sqrt())
    return seen / scale if scale > 1e-9 else torch.zeros_like(seen)


def _can_hold_out(problem: Problem) -> bool:
    """Whether at least half of the labels have another of their class (of values: two differ)."""
    labels = problem.labels
    if not len(labels):
        return False
    if not problem.task.distributions:
        return len(labels) > 2 and bool((labels != labels[0]).any())
    counts = torch.bincount(labels)
    return bool((counts[labels] > 1).double().mean() >= 0.5) and int((counts > 0).sum()) > 1


def _surprise(told: Tensor, problem: Problem) -> float:
    """Return LEEP less its mean on shuffled labels.

    LEEP is fitted and judged on the same items, so with few labels it flatters teachers of many
    classes; on shuffled labels it flatters them just as much.
    """
    labels = problem.labels
    generator = torch_generator(problem.seed, "selection", "shuffle")
    orders = [torch.randperm(len(labels), generator=generator) for _ in range(SHUFFLES)]
    chance = math.fsum(leep(told, labels[order]) for order in orders) / SHUFFLES
    return leep(told, labels) - chance
