"""What can be promised of a finished student, from the labels that were kept from the run."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.fusion.training import outputs
from fedsa.problem import Problem
from fedsa.prototypes.certificate import draw_errors, hold_out, randomised
from fedsa.prototypes.posterior import concentration
from fedsa.seeding import derive
from fedsa.strategy import Amalgamation


def certify(student: nn.Module, inputs: Tensor, labels: Tensor, delta: float) -> dict[str, Any]:
    """Bound a student's error rate on items such as these.

    It holds with probability 1 - delta over the draw of the items, if neither they nor their
    labels had a part in the student.

    Parameters
    ----------
    student : nn.Module
        Inputs to logits.
    inputs, labels : Tensor
        ``(n, *shape)`` float32 and ``(n,)``.
    delta : float
        Chance that the bound does not hold.
    """
    errors = int((outputs(student, inputs).argmax(dim=1) != labels).sum())
    return {"errors": errors, "bound": hold_out(errors, len(labels), delta)}


def certify_randomised(
    strategy: Amalgamation, inputs: Tensor, labels: Tensor, delta: float
) -> dict[str, Any] | None:
    """Bound the error rate of the student with drawn emissions; None for other fusions.

    Parameters
    ----------
    strategy : Amalgamation
        After its last round.
    inputs, labels, delta
        As for :func:`certify`.
    """
    fusion, memory, problem = strategy.fusion, strategy.memory, strategy.problem
    if not isinstance(fusion, PrototypeFusion) or "emission" not in memory.views:
        return None
    a, remainder = fusion.taken_apart(problem, memory.state, inputs)
    alpha = _prior(problem, memory.views)
    wrong = draw_errors(a, remainder, alpha, labels, derive(problem.seed, "certificate", "draws"))
    found = randomised(wrong, delta)
    return {"error": found.error, "divergence": found.divergence, "bound": found.bound}


def certificate(
    strategy: Amalgamation, student: nn.Module, inputs: Tensor, labels: Tensor, delta: float
) -> dict[str, Any]:
    """Return the ``certificate`` of a run's summary: both bounds, each with its own delta."""
    return {
        "labels": len(labels),
        "delta": delta,
        "student": certify(student, inputs, labels, delta),
        "randomised": certify_randomised(strategy, inputs, labels, delta),
    }


def _prior(problem: Problem, views: dict[str, Tensor]) -> Tensor:
    """Return the Dirichlets about the student's emissions, before the certificate's labels."""
    labelled = torch.as_tensor(problem.labelled)
    return concentration(views["emission"], views["responsibilities"], labelled)
