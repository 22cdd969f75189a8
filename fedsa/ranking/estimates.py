"""What each estimator says of each teacher, by how good the student is that it compares with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fedsa.fusion.base import Stage
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.fusion.training import outputs
from fedsa.options import SelectionOptions
from fedsa.problem import Problem
from fedsa.ranking.pool import Pool
from fedsa.saliency import METHODS
from fedsa.selection.base import Evidence
from fedsa.selection.evidence import LOOKS, EvidenceSelector
from fedsa.selection.layers import measure
from fedsa.selection.ranked import WITHOUT_LABELS
from fedsa.strategy import pupil, questions
from fedsa.transferability import ESTIMATORS
from fedsa.transferability import LOOKS as COMPARISONS
from fedsa.transferability.looks import fedsa_score
from fedsa.whitebox.reference import cam

Scores = dict[str, dict[str, float]]
"""Estimator to teacher to score, higher is better."""

RAW = {"fedsa-score": "grad-cam", "attribution-affinity": "gradient-x-input"}
"""Estimators that compare maps as they are, and the method of the paper that they are from (of
Song et al.'s methods the best). The maps are those that travel: small, and of few bits."""

PUBLISHED = "fedsa-score (grad-cam as published)"
"""FedSA's score by its authors' maps: whole, and with one added. No gateway gives such."""

PARTS = (0.0, 0.7, 1.0)
"""Parts of the looks in the strength of the evidence selector that are compared."""


@dataclass(frozen=True)
class Stand:
    """A student to compare with, and the labels that are known when it stands.

    Parameters
    ----------
    problem : Problem
        With its labels.
    student : nn.Module
        Inputs to logits.
    answers : Tensor
        ``(n, C)`` its distributions on the transfer set.
    """

    problem: Problem
    student: nn.Module
    answers: Tensor


def stands(pool: Pool, more: float, steps: int) -> dict[str, Stand]:
    """Return students of three qualities, by name.

    Parameters
    ----------
    pool : Pool
        Its problem has the scenario's labels.
    more : float
        The share of labels of the second student.
    steps : int
        Steps of the third: fused from the teachers that the default selects with the first by
        their answers, as looks are what is to be judged.
    """
    share, every = pool.scenario.task.label_share, tuple(pool.answers)
    pool.progress("first students")
    first = _stand(pool.problem, pupil.first(pool.problem))
    many = pool.with_labels(more)
    chosen = EvidenceSelector(SelectionOptions()).select(evidence(pool, first, every))
    options = pool.problem.student.model_copy(update={"steps": steps})
    fused = PrototypeFusion(pool.scenario.fusion).fit(
        replace(pool.problem, student=options), pool.answers, chosen.weights, Stage(), {}
    )
    return {
        f"{100 * share:g} % labels": first,
        f"{100 * more:g} % labels": _stand(many, pupil.first(many)),
        f"fused, {100 * share:g} % labels": _stand(pool.problem, fused.student),
    }


def evidence(
    pool: Pool,
    stand: Stand,
    teachers: Iterable[str],
    closeness: Mapping[str, float] | None = None,
) -> Evidence:
    """Return what a selector would be given of some of the teachers."""
    names, problem = tuple(sorted(teachers)), stand.problem
    asked = questions.response_items(problem, pool.scenario.selection.response_items)
    marks = torch.zeros(len(problem.transfer))
    marks[torch.from_numpy(asked).long()] = 1
    return Evidence(
        problem=problem,
        round=1,
        rounds=1,
        teachers=names,
        closeness={name: value for name, value in (closeness or {}).items() if name in names},
        answers=pool.answers.of(names).among(dict.fromkeys(names, marks)),
        student=stand.answers,
    )


def estimates(pool: Pool, stand: Stand) -> Scores:
    """Return every estimator's score of every teacher of the scenario."""
    pool.progress("estimators")
    seen = evidence(pool, stand, pool.answers)
    found: Scores = {name: _told(name, seen) for name in ESTIMATORS.builtins if name != "gain"}
    layers = measure(seen)
    found["gain"] = {name: one.gain or 0.0 for name, one in layers.items()}
    found["leep, above chance"] = {name: one.leep or 0.0 for name, one in layers.items()}
    mine = cam(stand.student, pool.problem.inputs[pool.problem.probe])
    found[PUBLISHED] = {name: fedsa_score(maps, mine) for name, maps in pool.cams.items()}
    return found | looks(pool, stand, tuple(METHODS.builtins))


def looks(pool: Pool, stand: Stand, methods: Sequence[str]) -> Scores:
    """Return the closeness of looks by each method, and those estimators that take maps raw."""
    found: Scores = {}
    for method in methods:
        mine = torch.from_numpy(pool.look(stand.student, method).dense())
        theirs = pool.looks(method)
        raw = {name: method for name, own in RAW.items() if own == method}
        for name, label in {"closeness": f"look: {method}", **dict.fromkeys(raw, "")}.items():
            compare = COMPARISONS.get(name)
            found[label or f"{name} ({method}, raw)"] = {
                teacher: compare(torch.from_numpy(maps.dense()), mine)
                for teacher, maps in theirs.items()
            }
    return found


def defaults(
    pool: Pool, stand: Stand, teachers: Iterable[str], look: Mapping[str, float]
) -> Scores:
    """Return the default selector's scores of a pool's teachers, and with other parts of looks."""
    seen = evidence(pool, stand, teachers, look)
    return {
        name: dict(selector.select(seen).scores)
        for name, selector in with_parts(SelectionOptions()).items()
    }


def with_parts(options: SelectionOptions) -> dict[str, EvidenceSelector]:
    """Return the default selector by name, first as it is, then with each of ``PARTS`` of looks."""
    found = {"default": EvidenceSelector(options)}
    for part in PARTS:
        if part != LOOKS:
            name = f"evidence, {100 * part:.0f} % looks" if part else "evidence without looks"
            found[name] = EvidenceSelector(options, part)
    return found


def _told(name: str, seen: Evidence) -> dict[str, float]:
    """Return an estimator's figures as published, on labelled items or on all response items."""
    estimator = ESTIMATORS.get(name)
    found = {}
    for teacher in seen.teachers:
        items = seen.problem.labelled
        if name in WITHOUT_LABELS:
            items = seen.answers.asked(teacher).nonzero()[:, 0]
        given = seen.answers[teacher][items], seen.problem.labels, seen.student[items]
        found[teacher] = float(estimator(*given))
    return found


def _stand(problem: Problem, student: nn.Module) -> Stand:
    answers = problem.task.answer(outputs(student.eval(), problem.inputs))
    return Stand(problem, student, answers)
