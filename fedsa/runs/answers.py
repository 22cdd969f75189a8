"""The answer store: on disk, keyed by teacher and item, so that nothing is asked twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fedsa.errors import ResumeError
from fedsa.messages import CompactAnswers
from fedsa.messages.answers import most_items
from fedsa.problem import Answers
from fedsa.runs.folder import write_json


class AnswerStore:
    """Compact answers of every teacher on one transfer set.

    One memory-mapped file of values and one of marks a teacher: a value is marked only after it
    is written, so that a killed run loses at most the answers that it had not yet received.

    Parameters
    ----------
    folder : Path
        Made when missing.
    items : int
        Size of the transfer set.
    """

    def __init__(self, folder: Path, items: int) -> None:
        self.folder = folder
        self.items = items
        folder.mkdir(parents=True, exist_ok=True)

    def claim(self, digest: str) -> None:
        """Note what the answers are about, or check that it is still the same.

        Parameters
        ----------
        digest : str
            Of the transfer set and the labels; see :attr:`fedsa.problem.Problem.digest`.

        Raises
        ------
        ResumeError
            If the folder's answers are about other data.
        """
        path = self.folder / "about.txt"
        if not path.exists():
            path.write_text(digest, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != digest:
            raise ResumeError(
                f"The answers in '{self.folder}' are about other items or labels than the data "
                "hold now: bring the old data back, or start a new run."
            )

    def teachers(self) -> list[str]:
        """Return the ids of the teachers that answered anything, sorted."""
        return sorted(path.name.removesuffix(".json") for path in self.folder.glob("*.json"))

    def asked(self, teacher: str) -> NDArray[np.bool_]:
        """Return the ``(items,)`` marks of what ``teacher`` answered."""
        path = self.folder / f"{teacher}.marks.npy"
        if not path.exists():
            return np.zeros(self.items, dtype=np.bool_)
        marks: NDArray[np.bool_] = np.array(np.load(path, allow_pickle=False))
        return marks

    def width(self, teacher: str) -> int:
        """Return the number of outputs that ``teacher`` answered with."""
        return int(self._about(teacher)["width"])

    def missing(self, teacher: str, indices: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return those of ``indices`` that ``teacher`` has not answered yet, in their order."""
        return indices[~self.asked(teacher)[indices]]

    def add(
        self,
        teacher: str,
        indices: NDArray[np.int32],
        answers: CompactAnswers,
        names: Sequence[str] | None = None,
    ) -> None:
        """Keep a teacher's answers, and what it calls its classes where it tells.

        Raises
        ------
        ResumeError
            If the teacher's answers changed their width, form or kind.
        """
        width = answers.values.shape[1]
        own: dict[str, Any] = {"form": answers.form, "width": width}
        if answers.kind != "distributions":
            own["kind"] = answers.kind
        if names is not None and len(names) == width:
            own["names"] = list(names)
        about = self.folder / f"{teacher}.json"
        marks_path = self.folder / f"{teacher}.marks.npy"
        if not about.exists():
            shape = (self.items, width)
            # Written and not mapped: on a full disk a write fails, a mapping kills the process.
            empty = np.zeros(shape, dtype=answers.values.dtype)
            np.save(self._values(teacher), empty, allow_pickle=False)
            np.save(marks_path, np.zeros(self.items, dtype=np.bool_), allow_pickle=False)
            write_json(about, own)
        known = self._about(teacher)
        if any(known.get(key) != own.get(key) for key in ("form", "width", "kind")):
            raise ResumeError(
                f"The teacher '{teacher}' answered with {known['width']} classes as "
                f"{known['form']} before and now with {width} as {answers.form}: start a new run, "
                "or bring the old teacher and options back."
            )
        values = np.lib.format.open_memmap(self._values(teacher), mode="r+")
        values[indices] = answers.values
        values.flush()
        marks = np.lib.format.open_memmap(marks_path, mode="r+")
        marks[indices] = True
        marks.flush()

    def dense(self, among: NDArray[np.bool_] | None = None) -> Answers:
        """Return the answers as numbers in [0, 1].

        Parameters
        ----------
        among : NDArray[np.bool_] | None
            ``(items,)`` marks; answers on other items are left out.
        """
        out, graded, names = {}, set(), {}
        for teacher in self.teachers():
            about = self._about(teacher)
            kind = about.get("kind", "distributions")
            if kind == "values":
                graded.add(teacher)
            if "names" in about:
                names[teacher] = about["names"]
            marks = self.asked(teacher)
            if among is not None:
                marks &= among
            values = np.load(self._values(teacher), allow_pickle=False, mmap_mode="r")
            rows = torch.full((self.items, about["width"]), torch.nan)
            where = np.flatnonzero(marks)
            most = most_items(about["width"], about["form"])
            for start in range(0, len(where), most):  # they came in as many messages, or more
                part = where[start : start + most]
                compact = CompactAnswers(np.array(values[part]), kind)
                rows[torch.from_numpy(part)] = torch.from_numpy(compact.dense())
            out[teacher] = rows
        return Answers(out, graded, names)

    def _about(self, teacher: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / f"{teacher}.json").read_text("utf-8"))
        return found

    def _values(self, teacher: str) -> Path:
        return self.folder / f"{teacher}.values.npy"
