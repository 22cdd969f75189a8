"""Requests that must not be answered: damaged, invalid, or about what is not there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fedsa.teacher.gateway.calls import CALLS, MESSAGE_BYTES, SERVICE
from fedsa.teacher.gateway.proto import teacher_pb2 as pb

Question = tuple[str, bytes]
"""Path of a call, and the bytes that go there."""
ODD = (math.nan, math.inf, -math.inf, -0.0, 1e308)


class Fuzz:
    """Generates requests against a teacher that holds one set.

    Parameters
    ----------
    seed : int
        The same seed gives the same requests.
    teacher, set_hash, items : str, str, int
        What is there.
    """

    def __init__(self, seed: int, teacher: str, set_hash: str, items: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._teacher = teacher
        self._hash = set_hash
        self._items = items
        self._kinds: list[Callable[[], Question]] = [
            self._noise,
            self._truncated,
            self._flipped,
            self._elsewhere,
            self._indices,
            self._fields,
            self._maps,
            self._offer,
            self._not_numbers,
            self._path,
        ]

    def __iter__(self) -> Iterator[Question]:
        while True:
            yield self._kinds[self._rng.integers(len(self._kinds))]()

    def large(self) -> Question:
        """Return a request over one of the bounds on bytes."""
        size = (MESSAGE_BYTES + 1, 4 * 2**20 + 1, 7 * 2**20)[self._rng.integers(3)]
        offer = self._named(pb.OfferRequest, dtype=pb.DTYPE_UINT8, shape=[1, size])
        offer.chunk = bytes(size)
        return self._question("Offer", offer)

    def _pick(self, *choices: Any) -> Any:
        return choices[self._rng.integers(len(choices))]

    def _some(self, most: int = 40) -> list[int]:
        return self._rng.integers(0, self._items, self._rng.integers(1, most)).tolist()

    def _bytes(self, most: int) -> bytes:
        return self._rng.bytes(int(self._rng.integers(0, most)))

    @staticmethod
    def _question(call: str, message: Any) -> Question:
        return CALLS[call].path, message.SerializeToString()

    def _named(self, kind: Any, **fields: Any) -> Any:
        return kind(teacher=self._teacher, set_hash=self._hash, **fields)

    def _valid(self, **changes: Any) -> Question:
        """Return a question that would be answered, but for the changes."""
        call = self._pick("Predict", "Saliency", "Score")
        asked: dict[str, Any] = {
            "teacher": self._teacher,
            "set_hash": self._hash,
            "indices": self._some(),
        } | changes
        count = len(asked["indices"])
        if call == "Predict":
            return self._question(call, pb.PredictRequest(**asked, form=pb.DTYPE_UINT8))
        asked["method"] = "gradient-x-input"
        if call == "Saliency":
            return self._question(call, pb.SaliencyRequest(**asked, grid=7, bits=4))
        bits = math.ceil(count * 49 * 4 / 8)
        maps = pb.Maps(bits=4, cells=49, items=count, packed=self._rng.bytes(bits))
        return self._question(call, pb.ScoreRequest(**asked, maps=maps))

    def _noise(self) -> Question:
        return self._pick(*(c for c in CALLS.values() if c.name != "Describe")).path, (
            b"\xff" + self._bytes(300)
        )

    def _truncated(self) -> Question:
        path, data = self._valid()  # what comes last in each message must be there
        return path, data[: self._rng.integers(0, len(data))]

    def _flipped(self) -> Question:
        # Of a set that is not there, so that no damage can make a question that is answered.
        path, data = self._valid(set_hash="f" * 64)
        damaged = bytearray(data)
        for _ in range(self._rng.integers(1, 6)):
            damaged[self._rng.integers(len(damaged))] ^= 1 << self._rng.integers(8)
        return path, bytes(damaged)

    def _elsewhere(self) -> Question:
        names = ("thyme", "", "Mint", "../mint", "mint\n", "x" * 65, "mïnt", "*")
        hashes = ("0" * 64, "", "F" * 64, "/etc/passwd", self._hash[:-1], self._hash.upper())
        changes = ({"teacher": self._pick(*names)}, {"set_hash": self._pick(*hashes)})
        return self._valid(**self._pick(*changes))

    def _indices(self) -> Question:
        some = self._some()
        bad = self._pick(-1, -(2**31), 2**31 - 1, self._items, self._items + 7)
        return self._valid(indices=self._pick([], [*some, bad], [bad, *some]))

    def _fields(self) -> Question:
        some, number = self._some(), int(self._rng.integers(9, 2**32 - 1))
        if self._rng.integers(2):
            form = self._pick(pb.DTYPE_UNSPECIFIED, pb.DTYPE_FLOAT32, 99, -5)
            return self._question(
                "Predict", self._named(pb.PredictRequest, indices=some, form=form)
            )
        look = {"method": "gradient-x-input", "grid": 7, "bits": 4}
        odd = ("", "a b", "x" * 129, "os:system", "\u202e", "../x")
        look |= self._pick({"method": self._pick(*odd)}, {"grid": number}, {"bits": number})
        look |= self._pick({}, {"bits": 0}, {"grid": 0}, {"grid": 32, "bits": 8})
        return self._question("Saliency", self._named(pb.SaliencyRequest, indices=some, **look))

    def _maps(self) -> Question:
        some = self._some()
        sizes = {"bits": 4, "cells": 49, "items": len(some)}
        odd = self._pick("bits", "cells", "items")
        # No square number of cells but that of the teacher's own grid: smaller ones may be asked.
        sizes[odd] = self._pick(0, 2, 3, 8, 50, 1024, 65_537, 2**32 - 1)
        fits = math.ceil(min(sizes["items"] * sizes["cells"] * min(sizes["bits"], 9), 2**20) / 8)
        maps = pb.Maps(**sizes, packed=self._rng.bytes(self._pick(fits, fits + 1, 0, 7)))
        ask = self._named(pb.ScoreRequest, indices=some, method="gradient-x-input", maps=maps)
        if odd != "cells":  # fewer bits may be asked too, and the number of items be right
            ask.set_hash = "1" * 64
        return self._question("Score", ask)

    def _offer(self) -> Question:
        shapes = ([], [0], [4, 0], [2**31, 2**31], [1] * 7, [3, 5], [2**32 - 1], [1, 2**31 - 1])
        offer = pb.OfferRequest(
            teacher=self._pick(self._teacher, "thyme", ""),
            set_hash=self._rng.bytes(32).hex(),
            dtype=self._pick(0, 1, 2, 3, 77),
            shape=self._pick(*shapes),
            start=self._pick(0, 1, 4, 2**32 - 1),
        )
        if self._rng.integers(4):
            offer.chunk = self._bytes(200)
        return self._question("Offer", offer)

    def _not_numbers(self) -> Question:
        items = self._rng.random((4, 12), dtype=np.float32)
        items[self._rng.integers(4), self._rng.integers(12)] = np.float32(self._pick(*ODD[:3]))
        offer = pb.OfferRequest(
            teacher=self._teacher,
            set_hash=self._rng.bytes(32).hex(),
            dtype=pb.DTYPE_FLOAT32,
            shape=items.shape,
            chunk=items.tobytes(),
        )
        return self._question("Offer", offer)

    def _path(self) -> Question:
        names = ("Weights", "", "Describe/", "predict", "Stop", "../Predict")
        return f"/{SERVICE}/{self._pick(*names)}", self._bytes(50)
