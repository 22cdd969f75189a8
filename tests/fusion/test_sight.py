"""The items count beside the answers where held-out labels say so, and only there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from fedsa.data.transfer import TransferSet
from fedsa.fusion.beliefs import beliefs
from fedsa.fusion.sight import DIRECTIONS, beside, called_in, explains_more, seen, tells_more
from fedsa.fusion.spreading import FAR
from fedsa.options import FusionOptions
from fedsa.problem import Answers
from fedsa.task import Regression
from tests.fusion.conftest import Case

EVEN = {"even": 1 / 3, "high": 1 / 3, "low": 1 / 3}


def test_inputs_are_seen_on_few_directions(case: Case) -> None:
    found = seen(case.problem)
    assert found.shape == (300, DIRECTIONS)
    assert float(found.square().mean()) == pytest.approx(1.0, abs=1e-4)
    for shape in ((40, 3, 70, 50), (40, 3000)):
        large = torch.randint(256, shape, dtype=torch.uint8).numpy()
        looked = seen(replace(case.problem, transfer=TransferSet(large)))
        assert looked.shape == (40, DIRECTIONS)
        assert float(looked.square().mean()) == pytest.approx(1.0, abs=1e-4)


def test_both_have_the_same_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    answers, sight = (torch.randn(2000, k, generator=generator) for k in (40, 10))
    both = beside(answers, sight)
    ratio = both[:, :40].square().sum() / both[:, 40:].square().sum()
    assert float(ratio) == pytest.approx(1.0, abs=0.05)


def test_labels_decide_whether_the_items_tell_more(case: Case) -> None:
    problem, truth = case.problem, case.truth
    sight, generator = seen(problem), torch.Generator().manual_seed(0)
    noise = torch.randn(300, 20, generator=generator)
    told = 5.0 * torch.nn.functional.one_hot(truth).float() + 0.1 * noise[:, :10]
    where, labels = problem.labelled, problem.labels
    assert tells_more(noise, beside(noise, sight), where, labels, 0)
    assert not tells_more(told, beside(told, noise), where, labels, 0)
    first = torch.stack([(labels == c).nonzero()[0, 0] for c in range(10)])
    assert not tells_more(noise, beside(noise, sight), where[first], labels[first], 0)


def test_labels_that_are_values_decide_as_well(case: Case) -> None:
    sight, generator = seen(case.problem), torch.Generator().manual_seed(0)
    noise = torch.randn(300, 5, generator=generator)
    values = (0.5 + 0.1 * sight[:, -4:]).clamp(0.0, 1.0)  # the leading ones stand last
    task = Regression(tuple("abcd"))
    problem = replace(case.problem, task=task, labels=values[case.problem.labelled])
    assert explains_more(problem, noise, beside(noise, sight))
    assert not explains_more(problem, sight, beside(sight, noise))
    few = replace(problem, labelled=problem.labelled[:5], labels=problem.labels[:5])
    assert not explains_more(few, noise, beside(noise, sight))
    answers, even = Answers({"noise": noise.sigmoid()}, ["noise"]), {"noise": 1.0}
    error = [
        float((beliefs(problem, answers, even, FusionOptions(sight=on)) - values).square().mean())
        for on in (True, False)
    ]
    assert error[0] < 0.2 * error[1]


def test_two_labels_a_class_cannot_judge() -> None:
    """What tells all would open the gate; two labels a class leave one to learn from."""
    labels = torch.arange(10).repeat(3)
    noise = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    told = torch.cat([noise, 5.0 * torch.nn.functional.one_hot(labels)], dim=1)
    assert tells_more(noise, told, torch.arange(30), labels, 0)
    assert not tells_more(noise, told, torch.arange(20), labels[:20], 0)


def test_where_names_are_strange_labels_need_not_be_sure(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, truth = case.problem, case.truth
    sight, generator = seen(problem), torch.Generator().manual_seed(0)
    noise = torch.randn(300, 20, generator=generator)
    told = 5.0 * torch.nn.functional.one_hot(truth).float() + 0.1 * noise[:, :10]
    first = torch.stack([(problem.labels == c).nonzero()[0, 0] for c in range(10)])
    few = replace(problem, labelled=problem.labelled[first], labels=problem.labels[first])
    assert called_in(problem, noise, sight, False) == (True, True)
    assert called_in(problem, told, noise, False) == (False, False)
    assert called_in(problem, told, noise, True) == (False, False)  # the answers tell more
    for strange in (False, True):
        assert called_in(few, told, sight, strange) == (strange, False)  # nothing to judge by
    # Told better, but not beyond chance: that is enough where names are strange.
    monkeypatch.setattr("fedsa.fusion.sight.beyond_chance", lambda better: False)
    for strange in (False, True):
        assert called_in(problem, noise, sight, strange) == (strange, False)


def test_the_only_label_of_a_class_does_not_keep_others_from_judging() -> None:
    labels = torch.cat([torch.arange(9).repeat(4), torch.tensor([9])])
    noise = torch.randn(37, 4, generator=torch.Generator().manual_seed(0))
    told = torch.cat([noise, 5.0 * torch.nn.functional.one_hot(labels)], dim=1)
    assert tells_more(noise, told, torch.arange(37), labels, 0)


def test_labels_may_come_sorted_by_class() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = (torch.arange(1400) >= 1100).long()  # the first thousand are of one class
    noise = torch.randn(1400, 5, generator=generator)
    told = torch.cat([noise, labels[:, None] + 0.3 * noise[:, :1]], dim=1)
    assert tells_more(noise, told, torch.arange(1400), labels, 0)


def test_where_teachers_know_nothing_the_items_are_looked_at(case: Case) -> None:
    generator = torch.Generator().manual_seed(1)
    blind = {n: torch.randn(300, 5, generator=generator).softmax(dim=1) for n in EVEN}
    hidden = torch.ones(300, dtype=torch.bool)
    hidden[case.problem.labelled] = False

    def right(sight: bool) -> float:
        found = beliefs(case.problem, Answers(blind), EVEN, FusionOptions(sight=sight))
        return float((found.argmax(dim=1) == case.truth)[hidden].float().mean())

    assert right(True) > right(False) + 0.3


def test_who_knows_is_not_disturbed(case: Case) -> None:
    with_, without = (
        beliefs(case.problem, case.answers, EVEN, FusionOptions(sight=sight))
        for sight in (True, False)
    )
    assert torch.equal(with_, without)


@pytest.mark.parametrize("looked", [True, False])
def test_who_is_near_is_seen_alone_where_answers_tell_less(
    looked: bool, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else answers, and what is seen beside them if it is wanted, say who is near."""
    given: list[tuple[torch.Tensor, float]] = []

    def noted(near: torch.Tensor, found: torch.Tensor, *rest: Any) -> torch.Tensor:
        given.append((near, rest[-1]))
        return found

    monkeypatch.setattr("fedsa.fusion.beliefs.spread", noted)
    monkeypatch.setattr("fedsa.fusion.beliefs.called_in", lambda *_: (True, looked))
    for share in (0.8, 0.999, 0.0):
        beliefs(case.problem, case.answers, EVEN, FusionOptions(spreading=share))
    (near, reach), (_, longer) = given  # and nothing spreads where it must not
    if looked:
        assert torch.equal(near, seen(case.problem)) and (reach, longer) == (FAR, 0.999)
    else:
        assert near.shape[1] == 15 + DIRECTIONS and (reach, longer) == (0.8, 0.999)


def test_without_a_look_answers_alone_say_who_is_near(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    near: list[int] = []

    def noted(columns: torch.Tensor, found: torch.Tensor, *_: Any) -> torch.Tensor:
        near.append(columns.shape[1])
        return found

    monkeypatch.setattr("fedsa.fusion.beliefs.spread", noted)
    beliefs(case.problem, case.answers, EVEN)
    assert near == [15]


def test_strange_names_make_neighbours_by_look(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def noted(near: torch.Tensor, found: torch.Tensor, *rest: Any) -> torch.Tensor:
        given.append(rest[-1])
        return found

    monkeypatch.setattr("fedsa.fusion.beliefs.spread", noted)
    monkeypatch.setattr("fedsa.fusion.beliefs.strangers", lambda *_: True)
    monkeypatch.setattr("fedsa.fusion.beliefs.called_in", lambda *_: (True, False))
    beliefs(case.problem, case.answers, EVEN)
    assert given == [FAR]


def test_maps_of_many_channels_can_be_seen(case: Case) -> None:
    maps = torch.randn((40, 1100, 2, 2), generator=torch.Generator().manual_seed(0)).numpy()
    assert seen(replace(case.problem, transfer=TransferSet(maps))).shape == (40, DIRECTIONS)


def test_a_minority_of_the_classes_does_not_judge_for_all() -> None:
    """Six labels of two classes told well: eight other classes have one each."""
    labels = torch.cat([torch.tensor([0, 0, 0, 1, 1, 1]), torch.arange(2, 10)])
    noise = torch.randn(14, 3, generator=torch.Generator().manual_seed(0))
    told = torch.cat([noise, 5.0 * torch.nn.functional.one_hot(labels)], dim=1)
    assert not tells_more(noise, told, torch.arange(14), labels, 0)
    assert tells_more(noise[:6], told[:6], torch.arange(6), labels[:6], 0)
