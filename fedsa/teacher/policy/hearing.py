"""One question under a policy: the form of its answer, and the record of how it ended."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import numpy as np

from fedsa.messages import CompactAnswers, Predict, Saliency, Score
from fedsa.saliency.closeness import closeness
from fedsa.saliency.compact import CompactMaps, cells, packed_each, pooled, unpacked_each
from fedsa.teacher.faults import Fault
from fedsa.teacher.policy.asked import Asked
from fedsa.teacher.policy.chain import canonical
from fedsa.teacher.policy.mechanism import Form, distributions, noised_maps, values_of
from fedsa.teacher.policy.secret import normals
from fedsa.teacher.policy.till import Till
from fedsa.teacher.preprocessing import check
from fedsa.teacher.teacher import Teacher

DECIMALS = 4
"""Digits of a closeness that leave."""


class Hearing:
    """How one question under a policy is answered.

    Parameters
    ----------
    teacher : Teacher
        Who answers.
    form : Form
        What of it leaves.
    till : Till
        Where it is paid for.
    key : bytes
        The institution's secret, for the noise.
    fingerprint : str
        Of the teacher and the form.
    cost : int
        What a new item is charged.
    """

    def __init__(
        self, teacher: Teacher, form: Form, till: Till, key: bytes, fingerprint: str, cost: int = 1
    ) -> None:
        self._teacher = teacher
        self._form = form
        self._till = till
        self._key = key
        self._fingerprint = fingerprint
        self._cost = cost

    def predict(self, request: Predict, asked: Asked) -> CompactAnswers:
        """Answer with distributions, or with values.

        Raises
        ------
        Fault
            ``refused`` for a form finer than a policy lets out, ``malformed``, ``shape``,
            ``budget``, ``cancelled``, ``storage``, or what the teacher raises.
        """
        if request.form != "uint8":  # sixteen bits would undo the rounding
            raise Fault("refused")

        kind = self._teacher.card.answers

        def make(items: np.ndarray, names: list[bytes]) -> list[bytes]:
            logits = self._teacher.logits(items, self._till.cancelled)
            noise = self._normals(names, logits.shape[1])
            if kind == "values":
                return [row.tobytes() for row in values_of(logits, self._form)]
            return [row.tobytes() for row in distributions(logits, self._form, noise)]

        values = self._till.values(asked, self._names(asked, "answers"), make)
        rows = np.frombuffer(b"".join(values), dtype=np.uint8)
        return CompactAnswers(rows.reshape(len(asked), -1), kind)

    def saliency(self, request: Saliency, asked: Asked) -> CompactMaps:
        """Answer with compact maps.

        Raises
        ------
        Fault
            As :meth:`predict`.
        """
        look = (request.method, request.grid, request.bits)
        return self._maps(asked, self._names(asked, "maps", *look), *look)

    def score(self, request: Score, asked: Asked, grid: int) -> float:
        """Answer with the closeness of the teacher's maps on a grid and those of the question.

        Each new pair of looks is charged, since many scores of one look can be put together to
        the look itself: an item whose map was paid for before as one item, whatever the method.

        Raises
        ------
        Fault
            As :meth:`predict`; ``shape`` if the maps have other cells than this teacher's.
        """
        theirs = request.maps
        if theirs.values.shape[1] != self._cells(grid):
            raise Fault("shape")
        look = (request.method, grid, theirs.bits)
        names = self._names(asked, "maps", *look)
        both = hashlib.sha256(b"".join(names) + theirs.values.tobytes()).digest()
        key = self._till.key(both)
        cache = self._till.cache
        if found := cache.find([key]):
            (known,) = struct.unpack("<d", found[key])
            return float(known)
        score = round(closeness(self._maps(asked, names, *look, again=1), theirs), DECIMALS)
        cache.keep({key: struct.pack("<d", score)})
        return score

    def close(self, request: Predict | Saliency | Score, outcome: str) -> None:
        """Record how it ended: ``answered``, or the code of a failure.

        Raises
        ------
        Fault
            ``storage`` if it cannot be written; then nothing may leave.
        """
        form: dict[str, Any] = {"sigma": self._form.sigma}
        if isinstance(request, Predict):
            form = self._form.document()
        elif isinstance(request, Saliency):
            form |= {"method": request.method, "grid": request.grid, "bits": request.bits}
        else:
            form |= {"method": request.method, "bits": request.maps.bits}
        indices = request.indices.astype("<i4").tobytes()
        self._till.close(
            outcome=outcome,
            count=len(request.indices),
            indices=hashlib.sha256(indices).hexdigest(),
            form=form,
            fingerprint=self._fingerprint,
        )

    def _maps(
        self, asked: Asked, names: list[bytes], method: str, grid: int, bits: int, again: int = 0
    ) -> CompactMaps:
        def make(items: np.ndarray, names: list[bytes]) -> list[bytes]:
            looks = pooled(self._teacher.saliency(items, method, self._till.cancelled), grid)
            noise = self._normals(names, looks.shape[1])
            maps = noised_maps(looks, bits, self._form.sigma, noise)
            return packed_each(maps)

        values = self._till.values(asked, names, make, self._cost, again)
        return unpacked_each(values, self._cells(grid), bits)

    def _names(self, asked: Asked, *kind: str | int) -> list[bytes]:
        """Return, for each item, the hash of all that its answer depends on.

        Refuses what the model cannot take, before anything is spent.
        """
        check(asked.shape, self._teacher.card.shape)
        base = hashlib.sha256(canonical({"teacher": self._fingerprint, "kind": kind}).encode())
        names = []
        for digest in asked.digests():
            name = base.copy()
            name.update(digest)
            names.append(name.digest())
        return names

    def _normals(self, names: list[bytes], width: int) -> np.ndarray | None:
        return normals(self._key, names, width) if self._form.sigma > 0.0 else None

    def _cells(self, grid: int) -> int:
        shape = self._teacher.card.shape
        return cells(shape[1:] if len(shape) > 1 else shape, grid)
