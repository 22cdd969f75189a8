"""The one teacher that does best on the labelled items, distilled and fine-tuned."""

from __future__ import annotations

from fedsa.fusion.multihead import MultiHead
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection.simple import BestSingle
from fedsa.strategy import Amalgamation, Wiring


def strategy(problem: Problem, scenario: Scenario, wiring: Wiring) -> Amalgamation:
    """Compose the strategy."""
    return Amalgamation(
        problem,
        selector=BestSingle(scenario.selection),
        fusion=MultiHead(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
