"""The mean of all teachers' answers under the task's own names of its classes, distilled."""

from __future__ import annotations

from fedsa.fusion.by_name import ByName
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection.simple import All
from fedsa.strategy import Amalgamation, Wiring


def strategy(problem: Problem, scenario: Scenario, wiring: Wiring) -> Amalgamation:
    """Compose the strategy."""
    return Amalgamation(
        problem,
        selector=All(scenario.selection),
        fusion=ByName(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
