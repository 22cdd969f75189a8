"""No selection: every teacher alike, multi-head distillation, then fine-tuning."""

from __future__ import annotations

from fedsa.fusion.multihead import MultiHead
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection.simple import All
from fedsa.strategy import Amalgamation, Wiring


def strategy(problem: Problem, scenario: Scenario, wiring: Wiring) -> Amalgamation:
    """Compose the strategy."""
    return Amalgamation(
        problem,
        selector=All(scenario.selection),
        fusion=MultiHead(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
