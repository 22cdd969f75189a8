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
from fedsa.fusion.witness import EACH, Witness, call_witness, can_learn, joined
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem
from fedsa.transferability.cross_validation import FOLDS
from tests.fusion.conftest import ITEMS, Case

MANY = int(EACH)
LABELLED = torch.arange(10 * MANY)
ALL = torch.arange(ITEMS)
HIDDEN = torch.arange(10 * MANY, ITEMS)
WEAK = 0.2
"""How often weak beliefs err."""


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


def settled(problem: Problem, rows: Tensor) -> Tensor:
    """Return beliefs in which labelled items have their labels."""
    found = rows.clone()
    found[problem.labelled] = F.one_hot(problem.labels, 10).float()
    return found


@pytest.fixture(scope="module")
def blind(many: Problem) -> Problem:
    """The same labels of items that show nothing of them."""
    order = torch.randperm(ITEMS, generator=torch.Generator().manual_seed(0))
    return replace(many, transfer=TransferSet(many.transfer.array[order.numpy()]))


@pytest.fixture(scope="module")
def beside_weak(case: Case, many: Problem) -> Witness:
    return call_witness(many, lambda part: blurred(case.truth, WEAK), ALL)


def right(case: Case, rows: Tensor) -> float:
    return float((rows.argmax(dim=1) == case.truth)[HIDDEN].float().mean())


def test_beside_weak_beliefs_networks_count(
    case: Case, many: Problem, beside_weak: Witness
) -> None:
    weak = settled(many, blurred(case.truth, WEAK))
    assert beside_weak.counts and beside_weak.rows.shape == (ITEMS, 10)
    both = joined(many, weak, beside_weak)
    assert right(case, both) > max(right(case, beside_weak.rows), right(case, weak))
    torch.testing.assert_close(both.sum(dim=1), torch.ones(ITEMS))
    assert torch.equal(both[LABELLED], weak[LABELLED])


def test_the_powers_make_the_product(many: Problem) -> None:
    rows, told = torch.full((2, ITEMS, 10), 0.05)
    rows[:, 0], told[:, 1] = 0.55, 0.55
    found = joined(many, rows, Witness(told, torch.tensor([2.0, 1.0])))[HIDDEN[0]]
    assert float(found[0] / found[1]) == pytest.approx(0.55 / 0.05, rel=1e-4)
    assert float(found[0] / found[2]) == pytest.approx((0.55 / 0.05) ** 2, rel=1e-4)


def test_where_items_show_nothing_the_first_network_ends_the_matter(
    case: Case, blind: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []

    def learnt(problem: Problem, known: Tensor, one: int) -> Tensor:
        trained.append(one)
        return witness_learnt(problem, known, one)

    witness_learnt = witness._learnt
    monkeypatch.setattr(witness, "_learnt", learnt)
    found = call_witness(blind, lambda part: blurred(case.truth, 0.1), ALL)
    assert not found.counts and trained == [0]


def test_networks_and_beliefs_judge_on_labels_they_were_kept_from(
    case: Case, many: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both know the labels that they are given, and nothing else: they cannot tell the others."""
    given: list[Tensor] = []

    def parrot(part: Problem) -> Tensor:
        given.append(part.labelled)
        return settled(part, torch.full((ITEMS, 10), 0.1))

    def repeat(problem: Problem, known: Tensor, one: int) -> Tensor:
        return settled(problem.knowing(known), torch.full((ITEMS, 10), 0.1))

    assert call_witness(many, parrot, ALL).counts, "what networks learnt is news to it"
    assert len(given) == FOLDS and all(len(part) == 8 * MANY for part in given)
    told = torch.cat([LABELLED[~torch.isin(LABELLED, part)] for part in given])
    assert torch.equal(told.sort().values, LABELLED), "each label judges once"
    monkeypatch.setattr(witness, "_learnt", repeat)
    assert not call_witness(many, parrot, ALL).counts


def test_only_labels_of_items_that_were_asked_about_judge(case: Case, many: Problem) -> None:
    """Of others beliefs say nothing, which would make any network look good."""
    weak = blurred(case.truth, 0.0)
    unasked = LABELLED[::2]
    weak[unasked] = 0.1

    def believe(part: Problem) -> Tensor:
        return weak

    asked = ALL[~torch.isin(ALL, unasked)]
    every, those = (call_witness(many, believe, some) for some in (ALL, asked))
    assert every.counts and float(every.powers[1]) > 0.2
    assert not those.counts or float(those.powers[1]) < 0.1


def test_chosen_labels_stand_for_the_whole_in_every_fold(many: Problem) -> None:
    masses = torch.rand(len(LABELLED), generator=torch.Generator().manual_seed(0)).double()
    chosen = replace(many, masses=masses / masses.sum())
    part = chosen.knowing(torch.arange(len(LABELLED)) < 50)
    assert part.masses is not None and float(part.masses.sum()) == pytest.approx(1.0)
    assert torch.allclose(part.masses, masses[:50] / masses[:50].sum())
    assert len(part.labels) == len(part.labelled) == 50 and part.inputs is chosen.inputs


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
    assert "witness.rows" not in first.state and not first.notes
    assert torch.equal(second.state["witness.rows"], third.state["witness.rows"])
    assert any("Networks that learnt the labels alone" in note for note in third.notes)
    off = PrototypeFusion(FusionOptions(prototypes=12, adapt_share=0.75, sight=False))
    assert "witness.rows" not in off.fit(many, answers, even, Stage(2, 4), first.state).state
    monkeypatch.setattr(beliefs, "called_in", lambda *_: (True, True))
    looked = fusion.fit(many, answers, even, Stage(2, 4), first.state)
    assert "witness.rows" not in looked.state, "changed views of the items are a witness already"
