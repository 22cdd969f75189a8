"""What teachers say under the task's own names, and whom the labels bear out."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedsa.problem import Answers
from fedsa.task import Classification
from fedsa.task.classification import plain
from fedsa.transferability.names import borne_out, own_names, places, told_by_name
from tests.fusion.conftest import ITEMS, KNOWN, WORDS, Case, few, make_case, with_names

EVEN = dict.fromkeys(KNOWN, 1 / 3)


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case()


def test_spelling_does_not_matter_and_numbers_are_no_names() -> None:
    every = {"tshirttop": 0, "anklebootmens": 1}
    names = ["T-shirt / top", "7", "ANKLE_BOOT (men's)", "", "t-shirt"]
    expected = torch.tensor([[1.0, 0], [0, 0], [0, 1], [0, 0], [0, 0]])
    assert torch.equal(places(every, names), expected)


def test_the_mean_is_over_those_who_have_the_class(case: Case) -> None:
    named = with_names(few(case, 1))
    told = told_by_name(named.problem, named.answers, EVEN)
    assert told is not None and bool(told.known.all())
    have = {word: [t for t, known in KNOWN.items() if WORDS.index(word) in known] for word in WORDS}
    sure = {
        teacher: borne_out(named.problem, named.answers[teacher], torch.eye(10)[KNOWN[teacher]])
        for teacher in KNOWN
    }
    rows = torch.zeros(ITEMS, 10)
    for column, (word, teachers) in enumerate(have.items()):
        for teacher in teachers:
            own = KNOWN[teacher].index(WORDS.index(word))
            rows[:, column] += sure[teacher] * named.answers[teacher][:, own]
        rows[:, column] /= sum(sure[teacher] for teacher in teachers)
    torch.testing.assert_close(told.rows, rows / rows.sum(dim=1, keepdim=True))


def test_who_misuses_names_is_not_believed(case: Case) -> None:
    """A teacher that calls its classes by each other's names: four labels of them refute it."""
    named = with_names(few(case, 1))
    turned = dict(named.answers.names) | {"low": [WORDS[d] for d in (1, 2, 3, 4, 0)]}
    lying = Answers(named.answers, names=turned)
    place = places({word: column for column, word in enumerate(WORDS)}, turned["low"])
    assert borne_out(named.problem, lying["low"], place) < 0.05
    told = told_by_name(named.problem, lying, EVEN)
    honest = told_by_name(named.problem, lying.of(["even", "high"]), EVEN)
    assert told is not None and honest is not None
    assert torch.equal(told.rows, honest.rows)
    assert told.known.tolist() == [digit in KNOWN["even"] + KNOWN["high"] for digit in range(10)]


def test_who_was_not_asked_about_an_item_does_not_deny_it(case: Case) -> None:
    """'high' alone knows 7 and 9, and answers half of the items."""
    half = case.answers["high"].clone()
    asked = (torch.arange(ITEMS) % 2 == 0) | torch.isin(torch.arange(ITEMS), case.problem.labelled)
    half[~asked] = torch.nan
    named = with_names(case, Answers({**case.answers, "high": half}))
    told = told_by_name(named.problem, named.answers, EVEN)
    assert told is not None and told.whole
    torch.testing.assert_close(told.rows.sum(dim=1), torch.ones(ITEMS))
    torch.testing.assert_close(
        told.rows[~asked][:, [7, 9]], torch.full((int((~asked).sum()), 2), 0.1)
    )
    whole = told_by_name(named.problem, with_names(case).answers, EVEN)
    assert whole is not None
    torch.testing.assert_close(told.rows[asked], whole.rows[asked], atol=1e-3, rtol=0)


def test_a_name_that_two_classes_claim_says_nothing() -> None:
    task = Classification(("C", "C++", "Java"), (("Go",), ("java", "go"), ()))
    every, owner = own_names(task)
    assert list(every) == ["java"] and owner.tolist() == [[0.0, 0.0, 1.0]]
    assert plain("Ame\u0301lie") == plain("AMÉLIE") and plain("17") == ""


@given(st.floats(0.0, 1.0), st.integers(0, 6))
def test_the_odds_by_their_definition(p: float, labels: int) -> None:
    problem: Any = SimpleNamespace(
        labelled=torch.arange(labels), labels=torch.zeros(labels, dtype=torch.long)
    )
    rows = torch.tensor([[p, (1 - p) / 2, (1 - p) / 2]]).repeat(8, 1)
    odds = 4.0 * (0.9 * 3 * p + 0.1) ** labels
    found = borne_out(problem, rows, torch.eye(3))
    assert found == pytest.approx(odds / (1 + odds), rel=1e-3, abs=1e-6)


def test_a_class_without_a_name_has_an_even_share(case: Case) -> None:
    named = with_names(few(case, 1))
    fewer = named.answers.of(["low"])
    told = told_by_name(named.problem, fewer, EVEN)
    assert told is not None and told.known.tolist() == [True] * 5 + [False] * 5
    torch.testing.assert_close(told.rows.sum(dim=1), torch.ones(ITEMS))
    torch.testing.assert_close(told.rows[:, 5:], torch.full((ITEMS, 5), 0.1))
    assert not told.whole


def test_other_names_and_members_of_a_class_count(case: Case) -> None:
    """Five coarse classes of two digits each: their members' names are theirs."""
    pairs = tuple(WORDS[2 * k : 2 * k + 2] for k in range(5))
    task = Classification(tuple("ABCDE"), pairs)
    named = with_names(few(case, 1))
    problem = replace(named.problem, task=task, labels=named.problem.labels // 2)
    told = told_by_name(problem, named.answers, EVEN)
    assert told is not None and bool(told.known.all())
    hits = (told.rows.argmax(dim=1) == case.truth // 2).float().mean()
    assert float(hits) > 0.8
