"""Hoang et al. (ICML 2020) as they have it: every expert, their variational model, distilled."""

from __future__ import annotations

from fedsa.fusion.cvae import VariationalFusion
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection.simple import All
from fedsa.strategy import Amalgamation, Wiring


def strategy(problem: Problem, scenario: Scenario, wiring: Wiring) -> Amalgamation:
    """Compose the strategy."""
    return Amalgamation(
        problem,
        selector=All(scenario.selection),
        fusion=VariationalFusion(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
