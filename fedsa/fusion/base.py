"""What a fusion gets and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from fedsa.errors import RunError
from fedsa.problem import Answers, Problem


@dataclass(frozen=True)
class Stage:
    """Where in the run a fusion is called; a baseline is trained in one stage of one round."""

    round: int = 1
    rounds: int = 1


@dataclass(frozen=True)
class Fused:
    """A trained student and what the next round needs to go on from here.

    Parameters
    ----------
    student : nn.Module
        Maps inputs ``(n, *shape)`` to logits ``(n, C)``.
    state : Mapping[str, Tensor]
        Everything the next round needs, as named tensors (it is checkpointed with safetensors).
    facts : Mapping[str, float]
        Figures worth an event (losses, number of prototypes in use).
    views : Mapping[str, Tensor]
        Tensors worth a look in the report; the prototype fusion gives ``responsibilities``
        ``(n, M)``, ``coverage`` ``(N, M)`` with teachers in sorted order, ``emission`` ``(M, C)``.
    notes : Sequence[str]
        Sentences that who runs it should read; they stand in the run's log and once in its report.
    """

    student: nn.Module
    state: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)
    views: Mapping[str, Tensor] = field(default_factory=dict)
    notes: Sequence[str] = ()


def only_classes(problem: Problem, fusion: str) -> None:
    """Refuse a task that a fusion made for classes cannot serve.

    Raises
    ------
    RunError
        Naming the fusion.
    """
    if not problem.task.distributions:
        raise RunError(
            f"{fusion} is made for one classification, but the task is of the kind "
            f"'{problem.task.kind}': use prototypes, multi-head, stacking or scratch."
        )


class Fusion(Protocol):
    """From the selected teachers' answers to a trained student.

    A fusion that spends the whole budget at each call, and so gains nothing by a second round,
    says so by a class attribute ``one_shot = True``: the strategy then runs a single round, in
    which every selected teacher is asked about the whole transfer set. One that reads what teachers
    call their classes has ``heeds_names = True``: selectors are then told names too, and names that
    are strange to the task are noted. Neither is part of this protocol, since most have none.
    """

    def fit(
        self,
        problem: Problem,
        answers: Answers,
        weights: Mapping[str, float],
        stage: Stage,
        state: Mapping[str, Tensor],
    ) -> Fused:
        """Train the student for one round, going on from ``state`` (empty in the first)."""
