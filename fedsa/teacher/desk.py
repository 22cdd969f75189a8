"""The desk where questions are answered: every reply of an institution is made here."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping

from fedsa import __version__
from fedsa.errors import TeacherFileError
from fedsa.messages import (
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
from fedsa.messages.answers import most_items
from fedsa.messages.checks import MAX_ASKED_BYTES
from fedsa.teacher.faults import Fault, failure
from fedsa.teacher.policy.asked import Asked
from fedsa.teacher.policy.guard import Guard
from fedsa.teacher.sets import SetStore
from fedsa.teacher.teacher import Teacher

LOOKS = 4096
"""Items of one question about saliency: a map can cost a hundred times an answer."""

Answering = Guard | Teacher
"""Who can be asked; a teacher without a guard answers everything, as in a simulation."""

_log = logging.getLogger("fedsa.teacher")  # stays at the institution


def never() -> bool:
    """Say that a question was not cancelled."""
    return False


def answer(
    request: Request,
    teachers: Mapping[str, Answering],
    sets: SetStore,
    *,
    caller: str = "local",
    cancelled: Callable[[], bool] = never,
) -> Reply:
    """Answer a question, whatever happens.

    Parameters
    ----------
    request : Request
        Already validated as a message.
    teachers : Mapping[str, Answering]
        This node's; looking one up may load it.
    sets : SetStore
        The transfer sets held here.
    caller : str
        Who asks, as the door has made sure of it: the common name of a client's certificate, or
        ``local``.
    cancelled : Callable[[], bool]
        Asked between batches of items; once it is true nothing further is inferred or spent.

    Returns
    -------
    Reply
        The answer, or a :class:`~fedsa.messages.Failure` with a code of
        :data:`~fedsa.teacher.faults.SENTENCES`; nothing is raised.
    """
    try:
        return _answer(request, teachers, sets, caller, cancelled)
    except Fault as fault:
        if fault.__cause__ is not None:
            _log.warning("%s failed: %s", type(request).__name__, fault, exc_info=fault)
        return failure(fault.code)
    except Exception as error:  # nothing of it may leave
        _log.warning("%s failed", type(request).__name__, exc_info=error)
        return failure("internal")


def _answer(
    request: Request,
    teachers: Mapping[str, Answering],
    sets: SetStore,
    caller: str,
    cancelled: Callable[[], bool],
) -> Reply:
    if isinstance(request, Describe):
        return _describe(teachers, caller)
    guard = _find(request.teacher, teachers)
    if isinstance(request, Offer):
        return guard.offer(request, sets, caller)
    with guard.hear(request, caller, cancelled) as hearing:
        match request:
            case Predict():
                most = most_items(guard.card.outputs, request.form)
                return Predicted(hearing.predict(request, _items(request, sets, most)))
            case Saliency():
                _permit(guard, request.method, request.grid, request.bits)
                return Salient(hearing.saliency(request, _items(request, sets, LOOKS)))
            case Score():
                cells = request.maps.values.shape[1]
                # Vectors keep fewer cells than grid x grid; the least grid that holds them
                # gives the same.
                grid = math.isqrt(cells - 1) + 1
                _permit(guard, request.method, grid, request.maps.bits)
                return Scored(hearing.score(request, _items(request, sets, LOOKS), grid))


def _describe(teachers: Mapping[str, Answering], caller: str) -> Described:
    cards, lost = [], set()
    for name in sorted(teachers):
        try:
            cards.append(_find(name, teachers).card_for(caller))
        except Fault as fault:  # one broken teacher must not hide the others
            _log.warning("teacher '%s' is left out", name, exc_info=fault)
            lost.add(fault.code)
    if lost and not cards:
        raise Fault(lost.pop() if len(lost) == 1 else "loading")
    return Described(tuple(cards), f"fedsa {__version__}", time.time())


def _find(name: str, teachers: Mapping[str, Answering]) -> Guard:
    if name not in teachers:
        raise Fault("unknown-teacher")
    try:
        found = teachers[name]
        return found if isinstance(found, Guard) else Guard(found)
    except TeacherFileError as error:
        raise Fault("loading") from error


def _permit(guard: Guard, method: str, grid: int, bits: int) -> None:
    card = guard.card
    if method not in card.methods:
        raise Fault("method")
    if grid > card.grid or bits > card.bits:
        raise Fault("refused")


def _items(request: Predict | Saliency | Score, sets: SetStore, most: int) -> Asked:
    """Return the items asked about, at most so many: more are refused before they are paid for."""
    held = sets.open(request.set_hash)
    indices = request.indices
    if int(indices.max()) >= len(held) or len(indices) > most:
        raise Fault("indices")
    if len(indices) * held[:1].nbytes > MAX_ASKED_BYTES:
        raise Fault("indices")
    return Asked(held, indices)
