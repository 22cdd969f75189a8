"""Selection by looks alone follows the closeness of saliency maps and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fedsa.options import SelectionOptions
from fedsa.selection.base import Evidence
from fedsa.selection.looks import SaliencySelector

Maker = Callable[..., Evidence]


def test_the_closest_looks_are_chosen_whatever_the_answers(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=4)
    selection = SaliencySelector(SelectionOptions(policy="top-k", k=2)).select(evidence)
    closest = sorted(evidence.teachers, key=lambda name: -evidence.closeness[name])[:2]
    assert selection.selected == tuple(sorted(closest))


def test_a_teacher_that_shows_no_maps_comes_last(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=4)
    best = max(evidence.teachers, key=lambda name: evidence.closeness[name])
    hidden = {name: value for name, value in evidence.closeness.items() if name != best}
    options = SelectionOptions(policy="top-k", k=len(evidence.teachers) - 1)
    selection = SaliencySelector(options).select(replace(evidence, closeness=hidden))
    assert best not in selection.selected
    assert selection.reasons[best] == "showed no maps"


def test_fedsas_rule_draws_two_and_favours_the_close(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=4)
    selector = SaliencySelector(SelectionOptions(policy="softmax", k=2, temperature=0.5))
    drawn = [selector.select(replace(evidence, round=r)).selected for r in range(1, 61)]
    assert all(len(names) == 2 for names in drawn)
    counts = {name: sum(name in names for names in drawn) for name in evidence.teachers}
    ordered = sorted(evidence.teachers, key=lambda name: evidence.closeness[name])
    assert counts[ordered[-1]] > counts[ordered[0]]
