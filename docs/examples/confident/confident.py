"""A selector of one's own, and a strategy recipe that uses it."""

from __future__ import annotations

from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.options import SelectionOptions
from fedsa.problem import Problem
from fedsa.scenario import Scenario
from fedsa.selection.base import Evidence, Selection
from fedsa.selection.policies import weights
from fedsa.strategy import Amalgamation, Wiring


class Confident:
    """Prefers teachers that are sure of what they answer."""

    def __init__(self, options: SelectionOptions) -> None:
        self.options = options

    def select(self, evidence: Evidence) -> Selection:
        """Score each teacher by the mean of its highest probability."""
        scores = {}
        for name in evidence.teachers:
            answers = evidence.answers[name][evidence.answers.asked(name)]
            scores[name] = float(answers.max(dim=1).values.mean())
        chosen = weights(scores, self.options, evidence.problem.seed, evidence.round)
        reasons = {name: f"sure of {100 * score:.0f} %" for name, score in scores.items()}
        return Selection(weights=chosen, scores=scores, reasons=reasons)


def strategy(problem: Problem, scenario: Scenario, wiring: Wiring) -> Amalgamation:
    """Compose the strategy."""
    return Amalgamation(
        problem,
        selector=Confident(scenario.selection),
        fusion=PrototypeFusion(scenario.fusion),
        options=scenario,
        wiring=wiring,
    )
