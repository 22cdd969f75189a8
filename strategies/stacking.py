"""Stacking: a regression on all answers labels the transfer set for the student."""

from __future__ import annotations

from fedsa.fusion.stacking import Stacking
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection.simple import All
from fedsa.strategy import Amalgamation, Wiring


def strategy(problem: Problem, scenario: Scenario, wiring: Wiring) -> Amalgamation:
    """Compose the strategy."""
    return Amalgamation(
        problem,
        selector=All(scenario.selection),
        fusion=Stacking(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
