"""What the tests of whole rounds share: the strategy put together, and an observer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from flwr.serverapp.strategy import Result

from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.fusion.stacking import Stacking
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection.evidence import EvidenceSelector
from fedsa.selection.simple import All
from fedsa.strategy import Amalgamation, Wiring
from tests.strategy.conftest import LocalGrid, scenario

IDS = ["even", "high", "low"]


class Stop(BaseException):
    """The process is killed here."""


@dataclass
class Events:
    """Keeps what it is told; dies when ``stop`` says so."""

    stop: Callable[[str, dict[str, Any]], bool] = lambda event, fields: False

    def __post_init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, **fields: Any) -> None:
        self.seen.append((event, fields))
        if self.stop(event, fields):
            raise Stop

    def of(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.seen if name == event]


class EachRound(Stacking):
    """A cheap fusion that, other than stacking by itself, is called round after round."""

    one_shot = False


def make(
    problem: Problem,
    folder: Path,
    observe: Events | None = None,
    options: Scenario | None = None,
    **parts: Any,
) -> Amalgamation:
    options = options or scenario()
    return Amalgamation(
        problem,
        parts.pop("selector", All(options.selection)),
        parts.pop("fusion", EachRound(options.fusion)),
        options=options,
        wiring=Wiring(folder, observe or Events(), **parts),
    )


def state(strategy: Amalgamation) -> dict[str, torch.Tensor]:
    assert strategy.student is not None
    return dict(strategy.student.state_dict())


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@dataclass
class Reference:
    strategy: Amalgamation
    events: Events
    grid: LocalGrid
    result: Result


def default(problem: Problem, folder: Path, observe: Events | None = None) -> Amalgamation:
    """Return the default strategy, which keeps a state between the rounds."""
    options = scenario()
    return make(
        problem,
        folder,
        observe,
        selector=EvidenceSelector(options.selection),
        fusion=PrototypeFusion(options.fusion),
    )
