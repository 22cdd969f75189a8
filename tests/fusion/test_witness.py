"""The witness is heard where labels that it was kept from say so, and costs nothing elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.data.transfer import TransferSet
from fedsa.fusion import beliefs, witness
from fedsa.fusion.base import Stage
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.fusion.witness import EACH, Heard, can_learn, hear
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem
from fedsa.transferability.cross_validation import FOLDS, deal
from tests.fusion.conftest import ITEMS, Case

MANY = int(EACH)
LABELLED = torch.arange(10 * MANY)
HIDDEN = torch.arange(10 * MANY, ITEMS)


@pytest.fixture(scope="module")
def many(case: Case) -> Problem:
    """The digits with as many labels as the witness asks for, and few steps to learn them."""
    student = case.problem.student.model_copy(update={"steps": 30})
    labels = case.truth[LABELLED]
    return replace(case.problem, labelled=LABELLED, labels=labels, student=student)


def blurred(truth: Tensor, wrong: float) -> Tensor:
    """Return beliefs in a class as sure as they are right; it is a wrong one of some items."""
    generator = torch.Generator().manual_seed(3)
    astray = torch.rand(len(truth), generator=generator) < wrong
    found = torch.where(astray, (truth + 1) % 10, truth)
    sure = 1.0 - wrong
    return (sure - (1.0 - sure) / 9) * F.one_hot(found, 10).float() + (1.0 - sure) / 9


def heard(problem: Problem, rows: Tensor, said: Tensor | None = None) -> Heard:
    """Hear networks beside beliefs that answers alone make, whatever the labels."""
    settled = rows.clone()
    settled[problem.labelled] = F.one_hot(problem.labels, 10).float()
    return hear(problem, settled, lambda part: rows, said)


@pytest.fixture(scope="module")
def blind(many: Problem) -> Problem:
    """The same labels of items that show nothing of them."""
    order = torch.randperm(ITEMS, generator=torch.Generator().manual_seed(0))
    return replace(many, transfer=TransferSet(many.transfer.array[order.numpy()]))


@pytest.fixture(scope="module")
def beside_weak(case: Case, many: Problem) -> Heard:
    return heard(many, blurred(case.truth, 0.4))


def right(case: Case, rows: Tensor) -> float:
    return float((rows.argmax(dim=1) == case.truth)[HIDDEN].float().mean())


def test_beside_weak_beliefs_networks_count(case: Case, many: Problem, beside_weak: Heard) -> None:
    weak = blurred(case.truth, 0.4)
    alone = right(case, beside_weak.said.mean(dim=0))
    assert beside_weak.counts and beside_weak.said.shape == (FOLDS, ITEMS, 10)
    assert right(case, beside_weak.rows) > max(alone, right(case, weak) + 0.2)
    torch.testing.assert_close(beside_weak.rows.sum(dim=1), torch.ones(ITEMS))
    assert torch.equal(beside_weak.rows[LABELLED].argmax(dim=1), many.labels)
    assert torch.equal(beside_weak.rows[LABELLED].amax(dim=1), torch.ones(len(LABELLED)))


def test_where_items_show_nothing_the_first_network_ends_the_matter(
    case: Case, blind: Problem
) -> None:
    good = blurred(case.truth, 0.1)
    found = heard(blind, good)
    assert not found.counts and len(found.said) == 1
    assert torch.equal(found.rows[HIDDEN], good[HIDDEN])
    again = heard(blind, blurred(case.truth, 0.4), found.said)
    assert not again.counts and len(again.said) == 1, "it is not tried anew in every round"


def test_what_was_said_is_not_asked_again(
    case: Case, many: Problem, beside_weak: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "train", None)
    again = heard(many, blurred(case.truth, 0.4), beside_weak.said)
    assert torch.equal(again.rows, beside_weak.rows)


def test_a_network_never_sees_its_fold(case: Case, many: Problem, beside_weak: Heard) -> None:
    """Other labels on a fold's items change what all networks say but its own."""
    fold = deal(many.labels, FOLDS, 1, many.seed)[0]
    out = (fold == 2).nonzero()[:, 0]
    # Within the fold labels change places: the folds are dealt as before.
    mixed = many.labels.clone()
    mixed[out] = many.labels[out.roll(1)]
    swapped = replace(many, labels=mixed)
    own = witness._learnt(swapped, fold, 2)
    assert torch.equal(own, beside_weak.said[2])
    assert not torch.equal(witness._learnt(swapped, fold, 0), beside_weak.said[0])


def test_beliefs_judge_on_labels_they_were_kept_from(case: Case, many: Problem) -> None:
    """Beliefs that know the labels they are given, and no others, are held to the others."""
    seen: list[Tensor] = []

    def parrot(part: Problem) -> Tensor:
        rows = torch.full((ITEMS, 10), 0.1)
        rows[part.labelled] = F.one_hot(part.labels, 10).float()
        seen.append(part.labelled)
        return rows

    found = hear(many, parrot(many), parrot)
    assert found.counts and right(case, found.rows) > 0.7
    assert [len(part) for part in seen[1:]] == [8 * MANY] * (1 + FOLDS)


def test_chosen_labels_stand_for_the_whole_in_every_fold(case: Case, blind: Problem) -> None:
    masses = torch.rand(len(LABELLED), generator=torch.Generator().manual_seed(0)).double()
    chosen = replace(blind, masses=masses / masses.sum())

    def checks(part: Problem) -> Tensor:
        assert part.masses is not None and float(part.masses.sum()) == pytest.approx(1.0)
        assert len(part.masses) == len(part.labels)
        return blurred(case.truth, 0.1)

    assert not hear(chosen, blurred(case.truth, 0.1), checks).counts


def test_labels_must_be_many_and_not_all(case: Case, many: Problem) -> None:
    every = replace(many, labelled=torch.arange(ITEMS), labels=case.truth)
    fewer = replace(many, labelled=LABELLED[:-1], labels=many.labels[:-1])
    assert can_learn(many) and not can_learn(every) and not can_learn(fewer)


def test_the_fusion_hears_it_once_the_task_has_joined(
    case: Case, many: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A teacher of half of the classes, where looks are not called in: the witness counts."""
    monkeypatch.setattr(beliefs, "called_in", lambda *_: (False, False))
    answers, even = Answers({"even": case.answers["even"]}), {"even": 1.0}
    fusion = PrototypeFusion(FusionOptions(prototypes=12, adapt_share=0.75))
    first = fusion.fit(many, answers, even, Stage(1, 4), {})
    second = fusion.fit(many, answers, even, Stage(2, 4), first.state)
    third = fusion.fit(many, answers, even, Stage(3, 4), second.state)
    assert "witness" not in first.state and not first.notes
    assert torch.equal(second.state["witness"], third.state["witness"])
    assert any("Networks that learnt the labels alone" in note for note in third.notes)
    off = PrototypeFusion(FusionOptions(prototypes=12, adapt_share=0.75, sight=False))
    assert "witness" not in off.fit(many, answers, even, Stage(2, 4), first.state).state
    monkeypatch.setattr(beliefs, "called_in", lambda *_: (True, True))
    looked = fusion.fit(many, answers, even, Stage(2, 4), first.state)
    assert "witness" not in looked.state, "changed views of the items are a witness already"
