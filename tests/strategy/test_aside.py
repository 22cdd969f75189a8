"""Looks, and what is asked outside the run's account."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fedsa.problem import Problem
from fedsa.selection.base import Evidence, Selection
from fedsa.selection.simple import All
from fedsa.strategy import aside
from tests.strategy.conftest import LocalGrid, scenario
from tests.strategy.harness import (
    IDS,
    Reference,
    default,
    equal,
    make,
    state,
)


def test_answers_beyond_the_plan_change_nothing(
    reference: Reference, problem: Problem, pool: Path, tmp_path: Path
) -> None:
    """As when the baselines have asked every teacher about everything before."""
    other, grid = default(problem, tmp_path), LocalGrid(pool)
    answers = aside.survey(other, grid)
    assert [bool(answers.asked(name).all()) for name in answers] == [True] * 3
    asked = grid.asked.count("query.predict")
    evidence = aside.evidence(other)
    assert evidence.teachers == tuple(IDS) and evidence.closeness == {}
    torch.testing.assert_close(evidence.student.sum(dim=1), torch.ones(240))
    shown = {name: int(evidence.answers.asked(name).sum()) for name in IDS}
    assert shown == dict.fromkeys(IDS, 64)
    other.start(grid, num_rounds=2)
    assert grid.asked.count("query.predict") == asked
    assert equal(state(other), state(reference.strategy))
    assert other.memory.accounts == reference.strategy.memory.accounts


def test_looks_are_asked_for_people_and_charged(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    strategy = make(problem, tmp_path)
    found = aside.looks(strategy, LocalGrid(pool), problem.probe[:3])
    assert sorted(found) == IDS
    assert all(maps.values.shape == (3, 16) for maps in found.values())
    assert [strategy.memory.accounts[name].queries for name in IDS] == [3, 3, 3]


def test_compact_maps_may_come_here_instead_of_a_score(
    reference: Reference, problem: Problem, pool: Path, tmp_path: Path
) -> None:
    class Noted(All):
        def select(self, evidence: Evidence) -> Selection:
            self.closeness = dict(evidence.closeness)
            return super().select(evidence)

    found = {}
    for mode in ("maps", "score"):
        options = scenario(saliency={"mode": mode}, student={"steps": 20})
        selector, grid = Noted(options.selection), LocalGrid(pool)
        make(problem, tmp_path / mode, options=options, selector=selector).start(grid, num_rounds=1)
        found[mode] = selector.closeness
        wanted = "query.saliency" if mode == "maps" else "query.score"
        assert grid.asked.count(wanted) == 3
    # The institution quantises before it compares, so both see the same maps; it tells a score
    # to four digits.
    assert found["maps"] == pytest.approx(found["score"], abs=6e-5)
    assert len({round(value, 6) for value in found["maps"].values()}) == 3
