"""The default: evidence in layers selects, prototype distributions fuse."""

from __future__ import annotations

from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection.evidence import EvidenceSelector
from fedsa.strategy import Amalgamation, Wiring


def strategy(problem: Problem, scenario: Scenario, wiring: Wiring) -> Amalgamation:
    """Compose the strategy."""
    return Amalgamation(
        problem,
        selector=EvidenceSelector(scenario.selection),
        fusion=PrototypeFusion(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
