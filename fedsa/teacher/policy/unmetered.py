"""One question where nothing is metered: a simulation whose teachers have no policy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fedsa.messages import CompactAnswers, Predict, Saliency, Score
from fedsa.saliency.closeness import closeness
from fedsa.saliency.compact import CompactMaps
from fedsa.teacher.faults import Fault
from fedsa.teacher.policy.asked import BATCH, Asked
from fedsa.teacher.policy.hearing import DECIMALS
from fedsa.teacher.teacher import Teacher


class OpenHearing:
    """How one question is answered without a policy; methods as of ``Hearing``.

    Parameters
    ----------
    teacher : Teacher
        Who answers.
    cancelled : Callable[[], bool]
        Asked before each batch of answers.
    """

    def __init__(self, teacher: Teacher, cancelled: Callable[[], bool]) -> None:
        self._teacher = teacher
        self._cancelled = cancelled

    def predict(self, request: Predict, asked: Asked) -> CompactAnswers:
        """Answer in the form asked for."""
        parts = []
        for start in range(0, len(asked), BATCH):
            if self._cancelled():
                raise Fault("cancelled")
            parts.append(self._teacher.predict(asked.take(slice(start, start + BATCH))))
        kind = self._teacher.card.answers
        return CompactAnswers.encode(np.concatenate(parts), request.form, kind)

    def saliency(self, request: Saliency, asked: Asked) -> CompactMaps:
        """Answer with compact maps."""
        return self._maps(asked, request.method, request.grid, request.bits)

    def score(self, request: Score, asked: Asked, grid: int) -> float:
        """Answer with the closeness of the teacher's maps on a grid and those of the question."""
        own = self._maps(asked, request.method, grid, request.maps.bits)
        if own.values.shape != request.maps.values.shape:
            raise Fault("shape")
        return round(closeness(own, request.maps), DECIMALS)

    def close(self, request: Predict | Saliency | Score, outcome: str) -> None:
        """Do nothing: there are no records."""

    def _maps(self, asked: Asked, method: str, grid: int, bits: int) -> CompactMaps:
        if self._cancelled():
            raise Fault("cancelled")
        return self._teacher.compact_maps(
            asked.take(slice(None)), method, grid, bits, self._cancelled
        )
