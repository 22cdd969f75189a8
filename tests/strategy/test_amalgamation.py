"""Whole rounds with real teachers behind the real ClientApp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import ArrayRecord, Error, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import Result

from fedsa.data.splits import Split
from fedsa.data.transfer import to_float
from fedsa.errors import RunError
from fedsa.fusion.bplus import BPlus
from fedsa.fusion.consensus import Consensus
from fedsa.fusion.multihead import MultiHead
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.fusion.stacking import Stacking
from fedsa.fusion.training import outputs
from fedsa.messages import Scored, to_record
from fedsa.options import FusionOptions, SelectionOptions
from fedsa.problem import Problem
from fedsa.runs.memory import Memory
from fedsa.scenario import Scenario
from fedsa.selection.base import Evidence, Selection
from fedsa.selection.evidence import EvidenceSelector
from fedsa.selection.simple import All
from fedsa.strategy import AllTeachersGone, Amalgamation, Wiring, inquiry
from tests.strategy.conftest import FIRST_NODE, LocalGrid, scenario

SECRET = "/srv/hospital/weights.safetensors"
IDS = ["even", "high", "low"]


class Stop(BaseException):
    """The process is killed here."""


@dataclass
class Events:
    """Keeps what it is told; dies when ``stop`` says so."""

    stop: Callable[[str, dict[str, Any]], bool] = lambda event, fields: False

    def __post_init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, **fields: Any) -> None:
        self.seen.append((event, fields))
        if self.stop(event, fields):
            raise Stop

    def of(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.seen if name == event]


class EachRound(Stacking):
    """A cheap fusion that, other than stacking by itself, is called round after round."""

    one_shot = False


def make(
    problem: Problem,
    folder: Path,
    observe: Events | None = None,
    options: Scenario | None = None,
    **parts: Any,
) -> Amalgamation:
    options = options or scenario()
    return Amalgamation(
        problem,
        parts.pop("selector", All(options.selection)),
        parts.pop("fusion", EachRound(options.fusion)),
        options=options,
        wiring=Wiring(folder, observe or Events(), **parts),
    )


def state(strategy: Amalgamation) -> dict[str, torch.Tensor]:
    assert strategy.student is not None
    return dict(strategy.student.state_dict())


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@dataclass
class Reference:
    strategy: Amalgamation
    events: Events
    grid: LocalGrid
    result: Result


def default(problem: Problem, folder: Path, observe: Events | None = None) -> Amalgamation:
    """Return the default strategy, which keeps a state between the rounds."""
    options = scenario()
    return make(
        problem,
        folder,
        observe,
        selector=EvidenceSelector(options.selection),
        fusion=PrototypeFusion(options.fusion),
    )


@pytest.fixture(scope="module")
def _found() -> dict[str, Reference]:
    return {}


@pytest.fixture
def reference(
    _found: dict[str, Reference],
    problem: Problem,
    pool: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Reference:
    """The default strategy, never interrupted; run once for all tests."""
    if not _found:
        events, grid = Events(), LocalGrid(pool)
        strategy = default(problem, tmp_path_factory.mktemp("reference"), events)
        _found["it"] = Reference(strategy, events, grid, strategy.start(grid, num_rounds=2))
    return _found["it"]


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
    "stop",
    [
        lambda event, fields: event == "phase" and fields == {"phase": "query", "round": 1},
        lambda event, fields: event == "round" and fields["round"] == 1,
        lambda event, fields: event == "selection" and fields["round"] == 2,
        lambda event, fields: event == "phase" and fields == {"phase": "fusion", "round": 2},
    ],
    ids=["before-any-checkpoint", "after-round-1", "after-selecting", "with-answers-in-the-store"],
)
def test_a_killed_run_goes_on_as_if_never_killed(
    reference: Reference,
    problem: Problem,
    pool: Path,
    tmp_path: Path,
    stop: Callable[[str, dict[str, Any]], bool],
) -> None:
    killed, grid = default(problem, tmp_path, Events(stop)), LocalGrid(pool)
    with pytest.raises(Stop):
        killed.start(grid, num_rounds=2)
    del killed
    events = Events()
    resumed, again = default(problem, tmp_path, events), LocalGrid(pool)
    resumed.start(again, num_rounds=2)
    whole = reference.strategy
    assert equal(state(resumed), state(whole))
    assert equal(resumed.memory.state, whole.memory.state)
    assert resumed.memory.accounts == whole.memory.accounts
    assert resumed.memory.history == whole.memory.history
    assert equal(resumed.memory.marks, whole.memory.marks)
    # What was answered before is not asked again: together they asked what the whole run asked.
    together = grid.asked.count("query.predict") + again.asked.count("query.predict")
    assert together == reference.grid.asked.count("query.predict")


def test_answers_beyond_the_plan_change_nothing(
    reference: Reference, problem: Problem, pool: Path, tmp_path: Path
) -> None:
    """As when the baselines have asked every teacher about everything before."""
    other, grid = default(problem, tmp_path), LocalGrid(pool)
    answers = other.survey(grid)
    assert [bool(answers.asked(name).all()) for name in answers] == [True] * 3
    asked = grid.asked.count("query.predict")
    evidence = other.evidence(grid)
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
    found = strategy.looks(LocalGrid(pool), problem.probe[:3])
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


def _to_high(asked: Message) -> bool:
    """Tell questions to the second node, where 'high' sits alone, about answers."""
    return (
        asked.metadata.dst_node_id == FIRST_NODE + 1
        and asked.metadata.message_type == "query.predict"
    )


def _late(asked: Message, reply: Message) -> Message | None:
    return None if _to_high(asked) else reply


def _failed(asked: Message, reply: Message) -> Message | None:
    return (
        Message(Error(2, reason=f"OSError: {SECRET}"), reply_to=asked) if _to_high(asked) else reply
    )


def _other_kind(asked: Message, reply: Message) -> Message | None:
    return Message(to_record(Scored(0.5)), reply_to=asked) if _to_high(asked) else reply


def _empty(asked: Message, reply: Message) -> Message | None:
    return Message(RecordDict(), reply_to=asked) if _to_high(asked) else reply


def _not_a_number(asked: Message, reply: Message) -> Message | None:
    if _to_high(asked):
        array = reply.content.array_records["arrays"]["answers"]
        assert array.dtype == "float16"
        array.data = b"\x00\x7e" + array.data[2:]  # a NaN
    return reply


def _too_few(asked: Message, reply: Message) -> Message | None:
    if _to_high(asked):
        array = reply.content.array_records["arrays"]["answers"]
        rows, width = array.shape
        array.shape, array.data = (rows - 1, width), array.data[: -2 * width]
    return reply


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (_late, "late"),
        (_failed, "lost"),
        (_other_kind, "malformed"),
        (_empty, "malformed"),
        (_not_a_number, "malformed"),
        (_too_few, "malformed"),
    ],
)
def test_a_teacher_that_fails_is_done_without(
    problem: Problem, pool: Path, tmp_path: Path, fault: Any, code: str
) -> None:
    options = scenario(federation={"answer-form": "float16"}, student={"steps": 20})
    events = Events()
    strategy = make(problem, tmp_path, events, options)
    strategy.start(LocalGrid(pool, fault=fault), num_rounds=1)
    assert {(f["teacher"], f["code"]) for f in events.of("failure")} == {("high", code)}
    assert SECRET not in repr(events.seen)
    assert strategy.memory.history[0]["selected"] == ["even", "low"]
    assert "high" not in strategy.inquiry.store.teachers()


def test_one_bad_reply_after_selection_takes_the_teacher_out_of_the_round_only(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    """It keeps the answers it gave before, which still count."""
    events, grid = Events(), LocalGrid(pool)
    grid.fault = lambda asked, reply: (
        None if _to_high(asked) and grid.asked.count("query.predict") > 3 else reply
    )
    strategy = make(problem, tmp_path, events, scenario(student={"steps": 20}))
    strategy.start(grid, num_rounds=1)
    assert [f["code"] for f in events.of("failure")] == ["late"]
    assert strategy.memory.history[0]["selected"] == IDS
    marks = {name: int(marks.sum()) for name, marks in strategy.memory.marks.items()}
    assert marks == {"even": 240, "high": 64, "low": 240}


def test_when_all_teachers_are_gone_the_checkpoint_stands(
    reference: Reference, problem: Problem, pool: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(inquiry, "NODES_WAIT", 0.3)
    grid = LocalGrid(pool)
    strategy = default(problem, tmp_path, Events())
    strategy.observe = lambda event, **_: event == "round" and grid.gone.update((11, 12))
    with pytest.raises(AllTeachersGone, match="resume it"):
        strategy.start(grid, num_rounds=2)
    latest = strategy.checkpoints.latest()
    assert latest is not None and Memory.load(latest).round == 1
    assert strategy.student is not None
    # A resume that finds nobody says the same, and can still write down what there is.
    resumed = default(problem, tmp_path)
    with pytest.raises(AllTeachersGone):
        resumed.start(grid, num_rounds=2)
    assert resumed.looks(grid, problem.probe[:2]) == {}
    grid.gone.clear()
    resumed.start(grid, num_rounds=2)
    assert equal(state(resumed), state(reference.strategy))
    assert resumed.memory.accounts == reference.strategy.memory.accounts


def test_when_no_selected_teacher_answers_the_run_stops(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    def nothing(asked: Message, reply: Message) -> Message | None:
        return None if asked.metadata.message_type == "query.predict" else reply

    strategy = make(problem, tmp_path, options=scenario(student={"steps": 8}))
    with pytest.raises(AllTeachersGone, match="No teacher answered"):
        strategy.start(LocalGrid(pool, fault=nothing), num_rounds=1)
    assert strategy.checkpoints.latest() is None


def test_a_teacher_may_come_later_and_restart(problem: Problem, pool: Path, tmp_path: Path) -> None:
    events, grid = Events(), LocalGrid(pool, gone={FIRST_NODE + 1})
    strategy = make(problem, tmp_path, events, scenario(student={"steps": 20}))

    def later(event: str, **fields: Any) -> None:
        events(event, **fields)
        if event == "round":
            grid.gone.clear()

    strategy.observe = later
    strategy.start(grid, num_rounds=2)
    chosen = [entry["selected"] for entry in strategy.memory.history]
    assert chosen == [["even", "low"], IDS]
    assert strategy.memory.accounts["high"].to_teacher > problem.transfer.array.nbytes


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


def test_when_no_question_is_answered_any_more_the_teachers_are_gone(
    problem: Problem, pool: Path, tmp_path: Path
) -> None:
    events, silent = Events(), False

    def fault(question: Message, reply: Message) -> Message | None:
        return None if silent else reply

    def observe(event: str, **fields: Any) -> None:
        nonlocal silent
        silent = silent or event == "round"
        events(event, **fields)

    options = scenario(student={"steps": 8})
    strategy = make(problem, tmp_path, options=options)
    strategy.observe = observe
    with pytest.raises(AllTeachersGone, match="any question of round 2"):
        strategy.start(LocalGrid(pool, fault=fault), num_rounds=3)
    assert strategy.memory.round == 1 and strategy.student is not None


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
