"""An institution's records, a teacher behind a guard, and a clock that tests turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fedsa.data.transfer import content_hash
from fedsa.messages import Reply, Request, offers
from fedsa.policy import PolicySection
from fedsa.teacher.desk import answer
from fedsa.teacher.policy.guard import Guard
from fedsa.teacher.policy.office import Office
from fedsa.teacher.teacher import Teacher

NOON = 1_771_070_400.0
"""2026-02-14, a Saturday, 12:00 UTC."""


class Clock:
    """Seconds since 1970, turned by hand."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _one_thread(_threads: None) -> None:
    torch.set_num_threads(1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    office = Office(tmp_path / "state", clock)
    yield office
    office.close()


def section(**changes: Any) -> PolicySection:
    """Return a policy that opens everything to everybody, with changes."""
    document = {
        "calls": ["predict", "saliency", "score"],
        "coordinators": ["*"],
        "any-set": True,
        "budget": {"predict": 100, "saliency": 5000, "score": 5000},
    }
    return PolicySection.model_validate(document | changes)


class Desk:
    """A guarded teacher that holds a set; callable with a request."""

    def __init__(self, guard: Guard, office: Office, items: np.ndarray) -> None:
        self.guard, self.office, self.items = guard, office, items
        self.set_hash = content_hash(items)
        for offer in offers(guard.card.id, self.set_hash, items):
            office.sets.receive(offer)

    def __call__(self, request: Request, caller: str = "north", **options: Any) -> Reply:
        guards = {self.guard.card.id: self.guard}
        return answer(request, guards, self.office.sets, caller=caller, **options)

    def spent(self, caller: str = "north", call: str = "predict") -> int:
        return sum(
            r.spent for r in self.office.spent() if (r.coordinator, r.call) == (caller, call)
        )


@pytest.fixture
def mint(make_teacher: Callable[..., Path]) -> Teacher:
    return Teacher.load(make_teacher())


@pytest.fixture
def open_desk(mint: Teacher, office: Office, items: np.ndarray) -> Callable[..., Desk]:
    """Return a maker of desks; keywords change the policy."""

    def make(**changes: Any) -> Desk:
        return Desk(Guard(mint, section(**changes), office), office, items)

    return make


class Counting:
    """Counts a backend's forward passes by items; stands before the real one."""

    def __init__(self, teacher: Teacher, monkeypatch: pytest.MonkeyPatch) -> None:
        self.items = 0
        backend = teacher.backend
        forward = backend.forward

        def counted(inputs: Tensor) -> Tensor:
            self.items += len(inputs)
            return forward(inputs)

        monkeypatch.setattr(backend, "forward", counted)
