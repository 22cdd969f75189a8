"""What the strategy knows after a round: enough to go on from there as if never interrupted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fedsa.saliency.compact import CompactMaps
from fedsa.selection.base import Selection

_STATE = "state."


@dataclass
class Account:
    """What was asked of one teacher (items) and what it cost (bytes, in compact form)."""

    queries: int = 0
    to_teacher: int = 0
    from_teacher: int = 0


@dataclass
class Memory:
    """The strategy's state between rounds.

    Parameters
    ----------
    round : int
        The last finished round; 0 before the first.
    state : dict[str, Tensor]
        The fusion's state.
    student_answers : Tensor | None
        ``(n, C)`` the student's distribution on the transfer set.
    student_maps : CompactMaps | None
        The student's compact maps on the probe.
    marks : dict[str, Tensor]
        ``(n,)`` uint8 per teacher: items whose answers the finished rounds used.
    selection : Selection | None
        The choice in force.
    history : list[dict[str, Any]]
        One entry a round: ``round, selected, weights, student, facts``.
    views : dict[str, Tensor]
        Tensors worth a look in the report.
    accounts : dict[str, Account]
        What was asked of each teacher and what it cost.
    seconds : dict[str, float]
        Time spent by kind of work.
    fingerprints : dict[str, str]
        Of the teachers that took part, so that a changed pool is noticed.
    """

    round: int = 0
    state: dict[str, Tensor] = field(default_factory=dict)
    student_answers: Tensor | None = None
    student_maps: CompactMaps | None = None
    marks: dict[str, Tensor] = field(default_factory=dict)
    selection: Selection | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    views: dict[str, Tensor] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)

    def charge(self, teacher: str, queries: int, sent: int, received: int) -> None:
        """Add items and bytes to a teacher's account."""
        account = self.accounts.setdefault(teacher, Account())
        account.queries += queries
        account.to_teacher += sent
        account.from_teacher += received

    def record(
        self,
        round_: int,
        weights: Mapping[str, float],
        student: float | None,
        facts: dict[str, float],
    ) -> None:
        """Add a finished round to the history: who took part, and the student's metric."""
        self.history.append(
            {
                "round": round_,
                "selected": sorted(weights),
                "weights": {name: round(weight, 6) for name, weight in sorted(weights.items())},
                "student": student,
                "facts": facts,
            }
        )

    @contextmanager
    def timed(self, kind: str) -> Iterator[None]:
        """Add the seconds that the block takes to one kind."""
        begin = time.monotonic()
        try:
            yield
        finally:
            taken = time.monotonic() - begin
            self.seconds[kind] = round(self.seconds.get(kind, 0.0) + taken, 3)

    def save(self, folder: Path) -> None:
        """Write the memory into ``folder`` (tensors as safetensors, the rest as JSON)."""
        tensors = {_STATE + name: value for name, value in self.state.items()}
        tensors |= {f"marks.{name}": value for name, value in self.marks.items()}
        tensors |= {f"view.{name}": value for name, value in self.views.items()}
        if self.student_answers is not None:
            tensors["student_answers"] = self.student_answers
        if self.student_maps is not None:
            tensors["student_maps"] = torch.from_numpy(np.array(self.student_maps.values))
        # A trained module's tensors may share storage, which safetensors refuses.
        save_file(
            {k: v.detach().clone().contiguous() for k, v in tensors.items()},
            folder / "memory.safetensors",
        )
        document = {
            "round": self.round,
            "bits": self.student_maps.bits if self.student_maps else 0,
            "selection": asdict(self.selection) if self.selection else None,
            "history": self.history,
            "accounts": {name: asdict(account) for name, account in self.accounts.items()},
            "seconds": self.seconds,
            "fingerprints": self.fingerprints,
        }
        (folder / "memory.json").write_text(json.dumps(document, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Memory:
        """Read what :meth:`save` wrote."""
        document = json.loads((folder / "memory.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "memory.safetensors")
        maps = tensors.get("student_maps")
        selection = document["selection"]
        return cls(
            round=document["round"],
            state=_under(tensors, _STATE),
            student_answers=tensors.get("student_answers"),
            student_maps=CompactMaps(maps.numpy(), document["bits"]) if maps is not None else None,
            marks=_under(tensors, "marks."),
            selection=Selection(**selection) if selection else None,
            history=document["history"],
            views=_under(tensors, "view."),
            accounts={name: Account(**one) for name, one in document["accounts"].items()},
            seconds=document["seconds"],
            fingerprints=document["fingerprints"],
        )


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
