"""FedMD (Li and Wang, 2019): the consensus of all teachers' answers, distilled."""

from __future__ import annotations

from fedsa.fusion.consensus import Consensus
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection.simple import All
from fedsa.strategy import Amalgamation, Wiring


def strategy(problem: Problem, scenario: Scenario, wiring: Wiring) -> Amalgamation:
    """Compose the strategy."""
    return Amalgamation(
        problem,
        selector=All(scenario.selection),
        fusion=Consensus(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
