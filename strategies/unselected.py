"""No selection: every teacher alike, fused as by the default; what selection is worth."""

from __future__ import annotations

from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection.simple import All
from fedsa.strategy import Amalgamation, Wiring


def strategy(problem: Problem, scenario: Scenario, wiring: Wiring) -> Amalgamation:
    """Compose the strategy."""
    return Amalgamation(
        problem,
        selector=All(scenario.selection),
        fusion=PrototypeFusion(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
