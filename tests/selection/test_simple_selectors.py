"""The selectors to measure against do what their names say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from fedsa.options import SelectionOptions
from fedsa.problem import Answers
from fedsa.selection.base import Evidence
from fedsa.selection.simple import All, BestSingle, RandomK

Maker = Callable[..., Evidence]


def test_all_counts_everybody_alike(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=4)
    selection = All(SelectionOptions(k=2)).select(evidence)
    assert selection.weights == pytest.approx(dict.fromkeys(evidence.teachers, 1 / 8))
    assert selection.selected == evidence.teachers


def test_random_draws_k_anew_each_round_and_the_same_again(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=4)
    selector = RandomK(SelectionOptions(k=3))
    drawn = [selector.select(replace(evidence, round=r)).selected for r in range(1, 9)]
    assert all(len(names) == 3 for names in drawn)
    assert len(set(drawn)) > 1
    assert drawn[0] == selector.select(evidence).selected


def test_best_single_finds_the_teacher_that_knows_all(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=6)
    truth = torch.arange(len(evidence.student)) % 6
    oracle = 0.94 * torch.eye(6)[truth] + 0.01
    answers = Answers({**evidence.answers, "useful-3": oracle})
    selection = BestSingle(SelectionOptions()).select(replace(evidence, answers=answers))
    assert selection.weights == {"useful-3": 1.0}
    assert selection.reasons["useful-3"].startswith("best at")
