"""B+ (Hoang et al., ICML 2020): the sum of all teachers' votes, distilled."""

from __future__ import annotations

from fedsa.fusion.bplus import BPlus
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection.simple import All
from fedsa.strategy import Amalgamation, Wiring


def strategy(problem: Problem, scenario: Scenario, wiring: Wiring) -> Amalgamation:
    """Compose the strategy."""
    return Amalgamation(
        problem,
        selector=All(scenario.selection),
        fusion=BPlus(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
