"""The desk where questions are answered: every reply of an institution is made here."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

import numpy as np

from fedsa.errors import TeacherFileError
from fedsa.messages import (
    CompactAnswers,
    Describe,
    Described,
    Offer,
    Predict,
    Predicted,
    Reply,
    Request,
    Saliency,
    Salient,
    Score,
    Scored,
)
from fedsa.saliency.closeness import closeness
from fedsa.teacher.faults import Fault, failure
from fedsa.teacher.sets import SetStore
from fedsa.teacher.teacher import Teacher

LOOKS = 4096
"""Items of one question about saliency: a map can cost a hundred times an answer."""
BYTES = 2**30
"""Bytes of items that one question may name."""
DECIMALS = 4
"""Digits of a closeness that leave."""

_log = logging.getLogger("fedsa.teacher")  # stays at the institution


def answer(request: Request, teachers: Mapping[str, Teacher], sets: SetStore) -> Reply:
    """Answer a question, whatever happens.

    Parameters
    ----------
    request : Request
        Already validated as a message.
    teachers : Mapping[str, Teacher]
        This node's; looking one up may load it.
    sets : SetStore
        The transfer sets held here.

    Returns
    -------
    Reply
        The answer, or a :class:`~fedsa.messages.Failure` with a code of
        :data:`~fedsa.teacher.faults.SENTENCES`; nothing is raised.
    """
    try:
        return _answer(request, teachers, sets)
    except Fault as fault:
        if fault.__cause__ is not None:
            _log.warning("%s failed: %s", type(request).__name__, fault, exc_info=fault)
        return failure(fault.code)
    except Exception as error:  # nothing of it may leave
        _log.warning("%s failed", type(request).__name__, exc_info=error)
        return failure("internal")


def _answer(request: Request, teachers: Mapping[str, Teacher], sets: SetStore) -> Reply:
    match request:
        case Describe():
            return _describe(teachers)
        case Offer():
            _find(request.teacher, teachers)
            return sets.receive(request)
        case Predict():
            teacher = _find(request.teacher, teachers)
            items = _items(request, sets)
            return Predicted(CompactAnswers.encode(teacher.predict(items), request.form))
        case Saliency():
            teacher = _find(request.teacher, teachers)
            _permit(teacher, request.method, request.grid, request.bits)
            items = _items(request, sets, LOOKS)
            return Salient(teacher.compact_maps(items, request.method, request.grid, request.bits))
        case Score():
            return _score(request, _find(request.teacher, teachers), sets)


def _describe(teachers: Mapping[str, Teacher]) -> Described:
    cards, lost = [], False
    for name in sorted(teachers):
        try:
            cards.append(_find(name, teachers).card)
        except Fault as fault:  # one broken teacher must not hide the others
            _log.warning("teacher '%s' is left out", name, exc_info=fault)
            lost = True
    if lost and not cards:
        raise Fault("loading")
    return Described(tuple(cards))


def _score(request: Score, teacher: Teacher, sets: SetStore) -> Scored:
    cells = request.maps.values.shape[1]
    # Vectors keep fewer cells than grid x grid; the least grid that holds them gives the same.
    grid = math.isqrt(cells - 1) + 1
    _permit(teacher, request.method, grid, request.maps.bits)
    items = _items(request, sets, LOOKS)
    own = teacher.compact_maps(items, request.method, grid, request.maps.bits)
    if own.values.shape != request.maps.values.shape:
        raise Fault("shape")
    return Scored(round(closeness(own, request.maps), DECIMALS))


def _find(name: str, teachers: Mapping[str, Teacher]) -> Teacher:
    if name not in teachers:
        raise Fault("unknown-teacher")
    try:
        return teachers[name]
    except TeacherFileError as error:
        raise Fault("loading") from error


def _permit(teacher: Teacher, method: str, grid: int, bits: int) -> None:
    if method not in teacher.card.methods:
        raise Fault("method")
    if grid > teacher.card.grid or bits > teacher.card.bits:
        raise Fault("refused")


def _items(
    request: Predict | Saliency | Score, sets: SetStore, most: int | None = None
) -> np.ndarray:
    held = sets.open(request.set_hash)
    indices = request.indices
    if int(indices.max()) >= len(held) or (most is not None and len(indices) > most):
        raise Fault("indices")
    if len(indices) * held[:1].nbytes > BYTES:
        raise Fault("indices")
    items: np.ndarray = np.asarray(held[indices])
    return items
