"""Whole rounds with real teachers behind the real ClientApp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import ArrayRecord, MetricRecord

from fedsa.data.splits import Split
from fedsa.data.transfer import to_float
from fedsa.errors import RunError
from fedsa.fusion.bplus import BPlus
from fedsa.fusion.consensus import Consensus
from fedsa.fusion.multihead import MultiHead
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.fusion.stacking import Stacking
from fedsa.fusion.training import outputs
from fedsa.messages import Predict
from fedsa.options import FusionOptions, SelectionOptions
from fedsa.problem import Problem
from fedsa.selection.base import Evidence, Selection
from fedsa.selection.evidence import EvidenceSelector
from fedsa.selection.simple import All
from fedsa.strategy import Amalgamation
from tests.strategy.conftest import LocalGrid, scenario
from tests.strategy.harness import (
    IDS,
    Events,
    Reference,
    default,
    equal,
    make,
    state,
)


def test_two_rounds_train_a_student_from_answers(reference: Reference, parts: Split) -> None:
    strategy, events = reference.strategy, reference.events
    assert strategy.student is not None
    raw = outputs(strategy.student, to_float(parts.test_inputs))
    assert strategy.problem.task.metric(raw, torch.from_numpy(parts.test_labels)) > 0.5
    phases = [fields["phase"] for fields in events.of("phase")]
    once = ["saliency", "evidence", "query", "fusion"]
    assert phases == ["offer", "first look", *once, *once]
    assert not events.of("failure")
    assert [fields["round"] for fields in events.of("round")] == [1, 2]
    assert sorted(events.of("cards")[0]["teachers"]) == IDS
    for chosen in events.of("selection"):
        assert sum(chosen["weights"].values()) == pytest.approx(1.0)
        assert sorted(chosen["scores"]) == IDS
    kept = {path.name for path in strategy.checkpoints.folder.iterdir()}
    assert kept == {"round-01", "round-02"}
    # What Flower gets is the student.
    result = reference.result.arrays.to_torch_state_dict()
    assert equal(dict(result), state(strategy))
    assert sorted(reference.result.train_metrics_clientapp) == [1, 2]


def test_only_the_five_questions_go_out(reference: Reference) -> None:
    asked = reference.grid.asked
    assert set(asked) == {"query.describe", "query.offer", "query.score", "query.predict"}
    # Each node described itself once and each teacher was compared in each round.
    assert asked.count("query.describe") == 2 and asked.count("query.score") == 2 * len(IDS)


def test_nothing_is_asked_twice_and_the_accounts_say_what_was(reference: Reference) -> None:
    """24 labelled and 40 response items of everybody, 120 then 240 of the selected; 10 looks."""
    memory = reference.strategy.memory
    for name in IDS:
        rounds = [entry["round"] for entry in memory.history if name in entry["selected"]]
        answers = max([64, *([120] if 1 in rounds else []), *([240] if 2 in rounds else [])])
        assert int(memory.marks[name].sum()) == answers
        assert memory.accounts[name].queries == answers + 2 * 10
        width = 5
        assert memory.accounts[name].from_teacher >= answers * width
        assert memory.accounts[name].to_teacher > reference.strategy.problem.transfer.array.nbytes


def test_the_order_of_replies_does_not_matter(
    reference: Reference, problem: Problem, pool: Path, tmp_path: Path
) -> None:
    other = default(problem, tmp_path)
    other.start(LocalGrid(pool, nodes=3, shuffle=4), num_rounds=2)
    assert equal(state(other), state(reference.strategy))
    assert other.memory.accounts == reference.strategy.memory.accounts
    assert other.memory.history == reference.strategy.memory.history


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("messages.answers.MAX_ITEMS", 50),
        ("messages.answers.MAX_REPLY_BYTES", 50 * 5 + 4),  # of answers over five classes
        ("strategy.inquiry.MAX_ASKED_BYTES", 50 * 64 * 4 + 255),  # of items of 64 numbers
    ],
)
def test_a_question_about_too_many_items_goes_out_in_parts(
    reference: Reference,
    problem: Problem,
    pool: Path,
    tmp_path: Path,
    monkeypatch: Any,
    limit: str,
    value: int,
) -> None:
    monkeypatch.setattr(f"fedsa.{limit}", value)
    other, grid = default(problem, tmp_path), LocalGrid(pool)
    other.start(grid, num_rounds=2)
    asked = [len(one.indices) for one in grid.sent if isinstance(one, Predict)]
    assert max(asked) == 50 and sum(asked) == sum(
        len(one.indices) for one in reference.grid.sent if isinstance(one, Predict)
    )
    assert equal(state(other), state(reference.strategy))


@pytest.mark.parametrize("fusion", [BPlus, Consensus, MultiHead, Stacking])
def test_a_fusion_that_spends_the_whole_budget_gets_one_round(
    problem: Problem, pool: Path, tmp_path: Path, fusion: type[Stacking]
) -> None:
    events, grid = Events(), LocalGrid(pool)
    options = scenario(student={"steps": 8})
    strategy = make(problem, tmp_path, events, options, fusion=fusion(options.fusion))
    strategy.start(grid, num_rounds=3)
    assert events.of("one-shot") == [{"rounds": 1, "planned": 3}]
    assert [entry["round"] for entry in strategy.memory.history] == [1]
    assert all(marks.all() for marks in strategy.memory.marks.values())  # asked about everything
    again = make(problem, tmp_path, Events(), options, fusion=fusion(options.fusion))
    again.start(grid, num_rounds=3)
    assert again.memory.round == 1


def test_selection_is_renewed_when_it_is_due(problem: Problem, pool: Path, tmp_path: Path) -> None:
    options = scenario(student={"steps": 20}, selection={"every": 2})
    events, grid = Events(), LocalGrid(pool)
    make(problem, tmp_path, events, options).start(grid, num_rounds=3)
    assert [fields["round"] for fields in events.of("selection")] == [1, 3]
    assert grid.asked.count("query.score") == 2 * 3


class Fixed:
    """Returns what it was given."""

    def __init__(self, selection: Any) -> None:
        self.selection = selection

    def select(self, evidence: Evidence) -> Any:
        return self.selection


def test_weights_that_cannot_be_used_stop_the_run(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    bad = Selection({"low": 0.5, "high": 0.2}, {})
    strategy = make(problem, tmp_path, options=scenario(student={"steps": 8}), selector=Fixed(bad))
    with pytest.raises(RunError, match="sum to one"):
        strategy.start(LocalGrid(pool), num_rounds=1)


def test_it_starts_from_a_grid_alone(problem: Problem, pool: Path) -> None:
    """As in any ServerApp that Flower's users write: no scenario, no folder, no observer."""
    measured: list[int] = []

    def evaluate(round_: int, arrays: ArrayRecord) -> MetricRecord:
        measured.append(len(arrays.to_torch_state_dict()))
        return MetricRecord({"tensors": measured[-1]})

    strategy = Amalgamation(problem, All(SelectionOptions()), Stacking(FusionOptions()))
    strategy.summary()
    result = strategy.start(grid=LocalGrid(pool), num_rounds=1, evaluate_fn=evaluate)
    assert equal(dict(result.arrays.to_torch_state_dict()), state(strategy))
    assert measured == [len(state(strategy))] and 1 in result.evaluate_metrics_serverapp
    assert list(strategy.configure_evaluate(1, ArrayRecord(), None, LocalGrid(pool))) == []  # type: ignore[arg-type]
    assert strategy.aggregate_evaluate(1, []) is None


def test_the_measure_is_for_the_record_only(
    reference: Reference, problem: Problem, pool: Path, tmp_path: Path
) -> None:
    options, events = scenario(), Events()
    strategy = make(
        problem,
        tmp_path,
        events,
        selector=EvidenceSelector(options.selection),
        fusion=PrototypeFusion(options.fusion),
        evaluate=lambda student: 0.125,
    )
    result = strategy.start(LocalGrid(pool), num_rounds=2)
    assert equal(state(strategy), state(reference.strategy))
    assert [entry["student"] for entry in strategy.memory.history] == [0.125, 0.125]
    assert result.train_metrics_clientapp[2]["student"] == 0.125
