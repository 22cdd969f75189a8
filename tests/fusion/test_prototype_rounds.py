"""The prototype fusion over several rounds: its state is all that it needs to go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fedsa.data.transfer import TransferSet
from fedsa.fusion.base import Fused, Stage
from fedsa.fusion.beliefs import beliefs
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.fusion.training import outputs
from fedsa.options import FusionOptions
from fedsa.problem import Answers
from fedsa.prototypes.posterior import task_emission
from tests.fusion.conftest import ITEMS, Case

WEIGHTS = {"even": 0.2, "high": 0.3, "low": 0.5}
FUSION = PrototypeFusion(FusionOptions(prototypes=12, adapt_share=0.5))


@pytest.fixture(scope="module")
def rounds(case: Case) -> list[Fused]:
    """Four rounds in memory: the task joins in the third."""
    found: list[Fused] = []
    for number in (1, 2, 3, 4):
        state = found[-1].state if found else {}
        found.append(FUSION.fit(case.problem, case.answers, WEIGHTS, Stage(number, 4), state))
    return found


@pytest.mark.parametrize("number", [2, 3, 4])
def test_going_on_from_a_file_is_going_on_in_memory(
    number: int, case: Case, rounds: list[Fused], tmp_path: Path
) -> None:
    kept = {key: value.clone().contiguous() for key, value in rounds[number - 2].state.items()}
    save_file(kept, tmp_path / "state.safetensors")
    state = load_file(tmp_path / "state.safetensors")
    found = FUSION.fit(case.problem, case.answers, WEIGHTS, Stage(number, 4), state)
    expected = rounds[number - 1]
    assert found.state.keys() == expected.state.keys()
    assert all(torch.equal(value, expected.state[key]) for key, value in found.state.items())
    one, other = found.student.state_dict(), expected.student.state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert found.facts == expected.facts


def test_a_round_leaves_the_state_it_began_with_alone(case: Case, rounds: list[Fused]) -> None:
    before = {key: value.clone() for key, value in rounds[0].state.items()}
    FUSION.fit(case.problem, case.answers, WEIGHTS, Stage(2, 4), rounds[0].state)
    assert all(torch.equal(value, before[key]) for key, value in rounds[0].state.items())


def test_every_round_gives_a_student_and_the_last_is_good(case: Case, rounds: list[Fused]) -> None:
    accuracy = [case.accuracy(fused.student) for fused in rounds]
    assert min(accuracy) > 0.3 and accuracy[-1] > 0.7 and accuracy[-1] >= accuracy[0]


def test_a_teacher_that_pauses_is_not_forgotten(case: Case, rounds: list[Fused]) -> None:
    without = {"even": 0.5, "high": 0.5}
    paused = FUSION.fit(case.problem, case.answers, without, Stage(2, 4), rounds[0].state)
    before = {key for key in rounds[0].state if "low" in key}
    assert before and before <= paused.state.keys()
    assert all(torch.equal(paused.state[key], rounds[0].state[key]) for key in before)


def test_items_that_nobody_was_asked_about_say_nothing_of_the_task(case: Case) -> None:
    """The posterior is that of the labels and the asked items; in others no teacher spoke."""
    asked = torch.zeros(ITEMS)
    asked[::8] = 1
    asked[case.problem.labelled] = 1
    some = case.answers.among(dict.fromkeys(WEIGHTS, asked))
    found = FUSION.fit(case.problem, some, WEIGHTS, Stage(1, 4), {})  # no labels yet: no adaptation
    believed = beliefs(case.problem, some, WEIGHTS, FUSION.options)
    items = asked.nonzero()[:, 0]
    among = torch.searchsorted(items, case.problem.labelled)
    a = found.views["responsibilities"][items]
    wanted = task_emission(a, among, case.problem.labels, believed[items])
    torch.testing.assert_close(found.views["emission"], wanted, atol=1e-4, rtol=1e-4)


def test_views_are_what_the_report_shows(rounds: list[Fused]) -> None:
    for fused in rounds:
        views = fused.views
        assert views["responsibilities"].shape == (ITEMS, 12)
        torch.testing.assert_close(views["responsibilities"].sum(dim=1), torch.ones(ITEMS))
        assert views["emission"].shape == (12, 10)
        torch.testing.assert_close(views["emission"].sum(dim=1), torch.ones(12))
        assert views["coverage"].shape == (3, 12)
        assert bool(((views["coverage"] >= 0) & (views["coverage"] <= 1)).all())
        assert not any(view.requires_grad for view in views.values())
        assert 1 <= fused.facts["prototypes_used"] <= 12


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_budget_may_go_to_one_stage_alone(share: float, case: Case) -> None:
    fusion = PrototypeFusion(FusionOptions(prototypes=12, adapt_share=share))
    fused = fusion.fit(case.problem, case.answers, WEIGHTS, Stage(), {})
    assert case.accuracy(fused.student) > 0.3
    assert ("adapt_loss" in fused.facts) == (share == 1.0)


@pytest.mark.parametrize("number", [1, 4])
def test_a_student_taken_apart_is_the_student(number: int, case: Case, rounds: list[Fused]) -> None:
    fused, inputs = rounds[number - 1], case.problem.inputs[:20]
    a, remainder = FUSION.taken_apart(case.problem, fused.state, inputs)
    torch.testing.assert_close(a, fused.views["responsibilities"][:20])
    with torch.no_grad():
        logits = (a @ fused.views["emission"]).clamp_min(1e-8).log() + remainder
        torch.testing.assert_close(logits, fused.student(inputs))


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_the_task_joins_whatever_the_number_of_items(share: float, case: Case) -> None:
    """The trunk answers batch by batch, and a last batch of one item is a batch as well."""
    items = torch.from_numpy(case.problem.transfer.array).repeat(2, 1)[:513]
    problem = replace(case.problem, transfer=TransferSet(items.numpy()))
    answers = Answers({name: case.answers[name].repeat(2, 1)[:513] for name in case.answers})
    fusion, state = PrototypeFusion(FusionOptions(prototypes=12, adapt_share=share)), {}
    for number in (1, 2):
        fused = fusion.fit(problem, answers, WEIGHTS, Stage(number, 2), state)
        state = fused.state
    assert case.accuracy(fused.student) > 0.5


def test_where_the_head_starts_does_not_depend_on_who_is_in_the_batch(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = FUSION.fit(case.problem, case.answers, WEIGHTS, Stage(1, 2), {})
    seen: list[bool] = []

    def watched(module: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        seen.append(module.training)
        return outputs(module, inputs)

    monkeypatch.setattr("fedsa.fusion.prototypes.outputs", watched)
    FUSION.fit(case.problem, case.answers, WEIGHTS, Stage(2, 2), first.state)
    assert seen and not any(seen)
