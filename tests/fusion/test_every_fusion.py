"""What holds for every fusion alike."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from fedsa.fusion import FUSIONS
from fedsa.fusion.base import Fused, Stage
from fedsa.options import FusionOptions
from fedsa.problem import Answers
from tests.fusion.conftest import ITEMS, Case, with_names

OPTIONS = FusionOptions(prototypes=16)
EVEN = {"even": 1 / 3, "high": 1 / 3, "low": 1 / 3}
BUILT_IN = sorted(FUSIONS.builtins)
ALONE = ("fixmatch", "scratch", "self-training")
FROM_ANSWERS = [name for name in BUILT_IN if name not in ALONE]


def fit(
    name: str,
    case: Case,
    answers: Answers | None = None,
    weights: Mapping[str, float] = EVEN,
    stage: Stage = Stage(),  # noqa: B008  (frozen)
    state: Mapping[str, Tensor] | None = None,
) -> Fused:
    answers = case.answers if answers is None else answers
    if name == "by-name":  # the others are told none: they must do without
        case = with_names(case, answers)
        answers = case.answers
    return FUSIONS.get(name)(OPTIONS).fit(case.problem, answers, weights, stage, state or {})


def same(one: Fused, other: Fused) -> bool:
    a, b = one.student.state_dict(), other.student.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module")
def whole(case: Case) -> dict[str, Fused]:
    """Every fusion on all answers, in one round."""
    return {name: fit(name, case) for name in BUILT_IN}


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_student_is_much_better_than_chance(
    name: str, case: Case, whole: dict[str, Fused]
) -> None:
    student = whole[name].student
    raw = student(case.problem.inputs[:3])
    assert raw.shape == (3, 10) and bool(torch.isfinite(raw).all())
    # Fit to be used: an item's logits do not depend on the batch it comes in.
    torch.testing.assert_close(student(case.problem.inputs[:1]), raw[:1])
    assert case.accuracy(student) > (0.6 if name in FROM_ANSWERS else 0.4)  # chance is 0.1


@pytest.mark.parametrize("name", FROM_ANSWERS)
def test_answers_are_worth_more_than_the_labels_alone(
    name: str, case: Case, whole: dict[str, Fused]
) -> None:
    floor = case.accuracy(whole["scratch"].student)
    assert case.accuracy(whole[name].student) > floor + 0.03


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_rerun_gives_the_same_bits(name: str, case: Case, whole: dict[str, Fused]) -> None:
    torch.manual_seed(99)  # the global generator has no say
    before = torch.get_rng_state()
    assert same(fit(name, case), whole[name])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", FROM_ANSWERS)
def test_a_teacher_without_weight_has_no_say(
    name: str, case: Case, whole: dict[str, Fused]
) -> None:
    wild = torch.rand(ITEMS, 7, generator=torch.Generator().manual_seed(0))
    more = Answers({**case.answers, "aa-wild": wild / wild.sum(dim=1, keepdim=True)})
    assert same(fit(name, case, more, EVEN | {"aa-wild": 0.0}), whole[name])
    assert same(fit(name, case, more, EVEN), whole[name])


@pytest.mark.parametrize("name", ALONE)
def test_these_need_no_answers(name: str, case: Case, whole: dict[str, Fused]) -> None:
    assert same(fit(name, case, Answers({}), {}), whole[name])


@pytest.mark.parametrize("name", FROM_ANSWERS)
def test_items_not_asked_are_coped_with(name: str, case: Case) -> None:
    """Each teacher answers another half; one item of the labelled is answered by nobody."""
    part = {}
    for i, (teacher, rows) in enumerate(case.answers.items()):
        rows = rows.clone()
        rows[torch.arange(ITEMS) % 2 == i % 2] = torch.nan
        rows[case.problem.labelled[0]] = torch.nan
        part[teacher] = rows
    fused = fit(name, case, Answers(part))
    assert case.accuracy(fused.student) > 0.4
    for tensors in (fused.student.state_dict(), fused.state, fused.views):
        assert all(bool(torch.isfinite(value.float()).all()) for value in tensors.values())
    assert bool(torch.isnan(part["even"]).any())  # what was handed in is as it was


@pytest.mark.parametrize("name", FROM_ANSWERS)
def test_a_teacher_may_join_and_another_leave(name: str, case: Case) -> None:
    first = fit(name, case, weights={"even": 0.5, "low": 0.5}, stage=Stage(1, 2))
    second = fit(
        name, case, weights={"high": 0.5, "low": 0.5}, stage=Stage(2, 2), state=first.state
    )
    assert case.accuracy(second.student) > 0.5
    # What 'high' knows came with it: the digits 5, 7 and 9, of which the first two know nothing.
    new = torch.isin(case.truth, torch.tensor([5, 7, 9]))
    new[case.problem.labelled] = False
    raw = second.student(case.problem.inputs[new])
    assert case.problem.task.metric(raw, case.truth[new]) > 0.5


@pytest.mark.parametrize("name", FROM_ANSWERS)
def test_one_teacher_is_enough(name: str, case: Case) -> None:
    fused = fit(name, case, weights={"low": 1.0})
    low = case.truth < 5
    low[case.problem.labelled] = False
    raw = fused.student(case.problem.inputs[low])
    assert case.problem.task.metric(raw, case.truth[low]) > 0.6


def test_a_class_that_was_never_answered_stands_for_none(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of B+: else its votes would all go to the task's first class."""
    rows = torch.zeros(ITEMS, 3)
    rows[:, 0], rows[:, 1] = (case.truth == 1).float(), (case.truth != 1).float()
    hidden = torch.ones(ITEMS, dtype=torch.bool)
    hidden[case.problem.labelled] = False
    rows[hidden & (case.truth == 7)] = torch.tensor([0.0, 0.0, 1.0])  # told of no labelled item
    told: list[Tensor] = []
    monkeypatch.setattr(
        "fedsa.fusion.bplus.distil", lambda problem, beliefs, *_: told.append(beliefs)
    )
    FUSIONS.get("b-plus")(OPTIONS).fit(
        case.problem, Answers({"one": rows}), {"one": 1.0}, Stage(), {}
    )
    unheard = told[0][hidden & (case.truth == 7)]
    torch.testing.assert_close(unheard, torch.full_like(unheard, 0.1))
