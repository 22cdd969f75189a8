"""Simulated institutions that lie: what their desk answered is put aside for something else.

For trying out what lies do to a student, in simulation alone: nothing outside it reads the file
that makes a teacher lie. A liar keeps to its story, as one that answered the same item in two ways
would be found out by asking twice.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TypeVar

import numpy as np

from fedsa.messages import CompactAnswers, Predict, Predicted, Reply, Request, Scored

_T = TypeVar("_T")

FILE = "lie.json"
"""In the teacher's folder beside its own file: ``{"lie": <one of LIES>}``."""

LIES = ("inflated-score", "flipped-labels", "nan", "constant", "random")
"""``inflated-score``: its look is the student's very own, its answers are sure and drawn by lot;
``flipped-labels``: on half of the items, drawn by lot, its classes change places; ``nan``: numbers
that are none; ``constant``: one sure answer to everything; ``random``: distributions by lot."""

SURE = 0.9
"""What a liar's sure answers give to the class they name."""


def told(request: Request, reply: Reply, folder: Path) -> Reply:
    """Return what a teacher says in place of its true reply; that itself if it does not lie.

    Parameters
    ----------
    request, reply : Request, Reply
        The question and the desk's answer.
    folder : Path
        The pool; the teacher's folder is the one of its name.
    """
    if not isinstance(reply, Predicted | Scored):
        return reply
    path = folder / request.teacher / FILE  # type: ignore[union-attr]  # both are of one teacher
    if not path.is_file():
        return reply
    lie = json.loads(path.read_text(encoding="utf-8"))["lie"]
    if isinstance(reply, Scored):
        return _score(reply, lie)
    assert isinstance(request, Predict)
    if lie == "nan":
        return _unchecked(Predicted, answers=_not_numbers(reply.answers))
    rows = reply.answers.dense()
    kind = reply.answers.kind
    made = _values(rows, request, lie) if kind == "values" else _rows(rows, request, lie)
    return Predicted(CompactAnswers.encode(made, request.form, kind))


def _score(reply: Scored, lie: str) -> Scored:
    if lie == "inflated-score":
        return Scored(1.0)
    return _unchecked(Scored, closeness=float("nan")) if lie == "nan" else reply


def _rows(rows: np.ndarray, request: Predict, lie: str) -> np.ndarray:
    """Return what is told in place of ``rows`` ``(n, C)``."""
    classes = rows.shape[1]
    if lie == "flipped-labels":
        # Moved on by one: no class stays, and whoever learns one half is wrong on the other.
        flipped = _lots(request, "half")[:, 0] < 0.5
        return np.where(flipped[:, None], np.roll(rows, 1, axis=1), rows)
    if lie == "random":
        weights = -np.log(np.clip(_lots(request, "weights", classes), 1e-12, None))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))
    named = np.zeros(len(rows), dtype=np.int64)
    if lie == "inflated-score":
        named = (_lots(request, "class")[:, 0] * classes).astype(np.int64)
    rest = (1.0 - SURE) / (classes - 1)
    return np.where(np.arange(classes) == named[:, None], SURE, rest)


def _values(rows: np.ndarray, request: Predict, lie: str) -> np.ndarray:
    """Return what is told in place of values ``(n, C)``, which have no classes."""
    if lie == "flipped-labels":
        return np.where(_lots(request, "half") < 0.5, 1.0 - rows, rows)
    if lie == "constant":
        return np.full(rows.shape, SURE)
    return _lots(request, "weights", rows.shape[1])


def _lots(request: Predict, purpose: str, width: int = 1) -> np.ndarray:
    """Return ``(n, width)`` numbers in [0, 1), the same for an item whenever it is asked about."""
    out = np.empty((len(request.indices), width))
    for row, index in zip(out, request.indices, strict=True):
        text = f"{request.teacher}/{request.set_hash}/{purpose}/{index}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        row[:] = np.random.default_rng(seed).random(width)
    return out


def _not_numbers(answers: CompactAnswers) -> CompactAnswers:
    values = np.full(answers.values.shape, np.nan, dtype=np.float16)
    return _unchecked(CompactAnswers, values=values, kind=answers.kind)


def _unchecked(message: type[_T], **fields: object) -> _T:
    """Make a message that its own checks would refuse: a liar does not run them."""
    made = object.__new__(message)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made
