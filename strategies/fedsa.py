"""The default: evidence in layers selects, prototype distributions fuse."""

from __future__ import annotations

from fedsa.fusion import FUSIONS
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection import SELECTORS
from fedsa.strategy import Amalgamation, Wiring


def strategy(problem: Problem, scenario: Scenario, wiring: Wiring) -> Amalgamation:
    """Compose the strategy; the scenario may name other selectors and fusions."""
    return Amalgamation(
        problem,
        selector=SELECTORS.get(scenario.selection.selector)(scenario.selection),
        fusion=FUSIONS.get(scenario.fusion.fusion)(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
