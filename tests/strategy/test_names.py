"""What institutions call their classes reaches the fusion; names that fit nothing are noted."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsa.data.splits import split
from fedsa.fusion.base import Fused
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.problem import Problem
from fedsa.runs.conduct import make_problem
from fedsa.selection import Evidence, Selection
from fedsa.selection.simple import All
from fedsa.strategy import aside
from fedsa.task import Classification
from tests.strategy.conftest import LocalGrid, scenario
from tests.strategy.harness import Events, make

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture
def named(pool: Path, tmp_path: Path) -> Path:
    """The pool, whose institutions call the digits by words."""
    folder = shutil.copytree(pool, tmp_path / "pool")
    for path in folder.glob("*/teacher.toml"):
        line, rest = re.split(r"(?m)(?<=\])$", path.read_text(encoding="utf-8"), maxsplit=1)
        assert "classes" in line
        told = re.sub(r'"(\d)"', lambda digit: f'"{WORDS[int(digit[1])]}"', line)
        path.write_text(told + rest, encoding="utf-8")
    return folder


def test_names_come_with_the_answers(named: Path, tmp_path: Path) -> None:
    also = {str(n): [word.upper()] for n, word in enumerate(WORDS)}
    options = scenario(task={"also": also}, student={"steps": 8})
    events = Events()
    fusion = PrototypeFusion(options.fusion)
    problem = make_problem(options, split(options))
    strategy = make(problem, tmp_path / "run", events, options, fusion=fusion)
    strategy.start(LocalGrid(named), num_rounds=1)
    told = strategy.inquiry.store.dense().names
    assert told["low"] == WORDS[:5] and sorted(told) == ["even", "high", "low"]
    assert events.of("note") == []


@pytest.mark.parametrize("heeds", [True, False])
def test_a_selector_is_told_names_where_the_fusion_heeds_them(
    problem: Problem, named: Path, tmp_path: Path, heeds: bool
) -> None:
    told: list[dict[str, tuple[str, ...]]] = []

    class Listening(All):
        def select(self, evidence: Evidence) -> Selection:
            told.append(dict(evidence.answers.names))
            return super().select(evidence)

    options = scenario(student={"steps": 8}, fusion={"names": heeds})
    fusion, selector = PrototypeFusion(options.fusion), Listening(options.selection)
    strategy = make(problem, tmp_path / "run", Events(), options, fusion=fusion, selector=selector)
    strategy.start(LocalGrid(named), num_rounds=1)
    told.append(dict(aside.evidence(strategy).answers.names))
    assert [bool(names) for names in told] == [heeds, heeds]


def test_strange_names_are_noted(problem: Problem, named: Path, tmp_path: Path) -> None:
    """They are to whoever calls the digits otherwise, and said once."""
    task = Classification(tuple(f"Ziffer {digit}" for digit in range(10)))
    problem, events = replace(problem, task=task), Events()
    options = scenario(student={"steps": 8})
    fusion = PrototypeFusion(options.fusion)
    make(problem, tmp_path / "run", events, options, fusion=fusion).start(
        LocalGrid(named), num_rounds=2
    )
    (note,) = events.of("note")
    assert "task.also" in note["sentence"]


def test_figures_are_no_names(problem: Problem, pool: Path, tmp_path: Path) -> None:
    events = Events()
    options = scenario(student={"steps": 8})
    fusion = PrototypeFusion(options.fusion)
    make(problem, tmp_path / "run", events, options, fusion=fusion).start(
        LocalGrid(pool), num_rounds=1
    )
    assert events.of("note") == []


def test_what_a_fusion_notes_is_told_once(problem: Problem, pool: Path, tmp_path: Path) -> None:
    class Wordy(PrototypeFusion):
        def fit(self, *given: Any) -> Fused:
            notes = "All went well.", f"Round {given[3].round}."
            return replace(super().fit(*given), notes=notes)

    events, options = Events(), scenario(student={"steps": 8})
    make(problem, tmp_path / "run", events, options, fusion=Wordy(options.fusion)).start(
        LocalGrid(pool), num_rounds=2
    )
    said = [note["sentence"] for note in events.of("note")]
    assert said == ["All went well.", "Round 1.", "Round 2."]
