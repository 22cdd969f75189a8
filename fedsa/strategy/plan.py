"""What a round asks within terms, written down before it goes out.

How much may be asked follows from what a budget has left, and a question that was put has spent
of it: a run that was killed and goes on could not tell any more what it had been about to ask.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsa.runs.folder import write_json


class Plan:
    """The questions of the round under way, and whose maps are paid for.

    Parameters
    ----------
    path : Path
        The file that it is kept in; read where it is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        kept: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        self._round: int = kept.get("round", 0)
        self._items: dict[str, dict[str, list[int]]] = kept.get("items", {})
        self.paid: set[tuple[str, str, str]] = {(t, c, m) for t, c, m in kept.get("paid", [])}
        """Teacher, call and method of maps that were made: each costs one item from then on."""

    def begin(self, round_: int) -> None:
        """Begin a round, or go on with it; what an earlier one had planned is done with."""
        if round_ != self._round:
            self._round, self._items = round_, {}

    def items(self, step: str, teacher: str) -> NDArray[np.int32] | None:
        """Return what a teacher was to be asked in a step of this round; None if that is open."""
        found = self._items.get(step, {}).get(teacher)
        return None if found is None else np.array(found, dtype=np.int32)

    def put(self, step: str, items: Mapping[str, NDArray[np.int32]]) -> None:
        """Write down, by teacher, what is about to be asked in a step of this round."""
        if items:
            own = self._items.setdefault(step, {})
            own |= {name: asked.tolist() for name, asked in items.items()}
            self._save()

    def pay(self, teacher: str, call: str, method: str) -> None:
        """Note that a teacher's maps were made."""
        if (teacher, call, method) not in self.paid:
            self.paid.add((teacher, call, method))
            self._save()

    def _save(self) -> None:
        paid = sorted(list(one) for one in self.paid)
        write_json(self._path, {"round": self._round, "items": self._items, "paid": paid})
