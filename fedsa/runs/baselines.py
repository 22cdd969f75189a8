"""What else one could do with the same answers: trained after the run, outside its budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from fedsa.errors import ScenarioError
from fedsa.fusion import FUSIONS
from fedsa.fusion.base import Stage
from fedsa.options import FusionOptions, SelectionOptions
from fedsa.problem import Answers, Problem
from fedsa.selection.base import Evidence
from fedsa.selection.simple import BestSingle

FUSED = {
    "uniform": "multi-head",
    "best_single": "multi-head",
    "stacking": "stacking",
    "fedmd": "consensus",
    "bplus": "b-plus",
    "scratch": "scratch",
}
"""Baselines to the fusion that makes them; all but best_single and scratch use every teacher."""


def check(names: Sequence[str]) -> None:
    """Refuse baselines that do not exist.

    Raises
    ------
    ScenarioError
        Naming each.
    """
    faults = [
        f"baselines: there is no baseline '{name}'; choose from {', '.join(FUSED)}."
        for name in names
        if name not in FUSED
    ]
    if faults:
        raise ScenarioError(faults)


def train(
    name: str, problem: Problem, ask: Callable[[], Answers], evidence: Callable[[], Evidence]
) -> nn.Module:
    """Train one baseline's student, with the same labels, items, trunk and steps as the run's.

    Parameters
    ----------
    name : str
        One of :data:`FUSED`.
    problem : Problem
        The run's.
    ask : Callable[[], Answers]
        Fetches every teacher's answers on the whole transfer set.
    evidence : Callable[[], Evidence]
        What ``best_single`` chooses its teacher by.
    """
    fusion = FUSIONS.get(FUSED[name])(FusionOptions())
    if name == "scratch":
        student: nn.Module = fusion.fit(problem, Answers({}), {}, Stage(), {}).student
        return student
    answers = ask()
    if name == "best_single":
        weights = dict(BestSingle(SelectionOptions()).select(evidence()).weights)
    else:
        weights = {teacher: 1.0 / len(answers) for teacher in answers}
    student = fusion.fit(problem, answers, weights, Stage(), {}).student
    return student
