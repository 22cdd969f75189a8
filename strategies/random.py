"""Selection by lot: k teachers at random each round, fused as by the default."""

from __future__ import annotations

from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection.simple import RandomK
from fedsa.strategy import Amalgamation, Wiring


def strategy(problem: Problem, scenario: Scenario, wiring: Wiring) -> Amalgamation:
    """Compose the strategy."""
    return Amalgamation(
        problem,
        selector=RandomK(scenario.selection),
        fusion=PrototypeFusion(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
