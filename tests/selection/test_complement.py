"""Who alone says something by name is let in; who repeats, boasts or misleads is not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fedsa.options import SelectionOptions
from fedsa.problem import Answers, Problem
from fedsa.selection import Evidence
from fedsa.selection import complement as module
from fedsa.selection.complement import complement
from fedsa.selection.evidence import EvidenceSelector, let_in

Maker = Callable[..., Evidence]
LETTERS = "abcdef"


@pytest.fixture
def problem(evidence_of: Maker) -> Problem:
    return evidence_of(0, each=4).problem


def says(problem: Problem, known: str, sure: float = 0.8) -> Tensor:
    """Return answers to the labelled items: ``sure`` of a known class, an even share elsewhere."""
    rows = torch.full((len(problem.transfer), len(known)), torch.nan)
    rows[problem.labelled] = 1.0 / len(known)
    for item, label in zip(problem.labelled.tolist(), problem.labels.tolist(), strict=True):
        if (letter := LETTERS[label]) in known:
            rows[item] = (1.0 - sure) / (len(known) - 1)
            rows[item, known.index(letter)] = sure
    return rows


def pool(problem: Problem, names: dict[str, str], **rows: Tensor) -> Answers:
    told = {name: rows.get(name, says(problem, known)) for name, known in names.items()}
    return Answers(told, names={name: tuple(known) for name, known in names.items()})


def let(problem: Problem, answers: Answers, selected: Sequence[str]) -> list[str]:
    weights = {name: float(name in selected) / len(selected) for name in answers}
    return list(complement(problem, answers, weights))


def test_who_alone_knows_classes_is_let_in_for_what_it_adds(problem: Problem) -> None:
    answers = pool(problem, {"one": "abc", "two": "abc", "other": "def", "same": "abc"})
    found = complement(problem, answers, {"one": 0.5, "two": 0.5, "other": 0.0, "same": 0.0})
    assert list(found) == ["other"]
    gain, error = found["other"]
    # Before: d, e and f at an even share, and of the rest the known ones say their part.
    sixth, power = 1 / 6, 2.0
    known = torch.tensor([0.8, 0.1, 0.1]) * 0.5
    lost = torch.tensor([1 / 3] * 3) * 0.5

    def log(parts: Tensor, others: Tensor, place: int) -> float:
        logs = power * torch.cat([parts, others]).clamp_min(0.1 * sixth).log()
        return float(logs.log_softmax(dim=0)[place])

    even = torch.full((3,), sixth)
    before = torch.tensor([log(known, even, 0)] * 12 + [log(lost, even, 3)] * 12)
    told = torch.cat([known, lost]) / (known.sum() + lost.sum())
    after = torch.full((24,), log(told[:3], told[3:], 0))
    assert gain == pytest.approx(float((after - before).mean()), abs=2e-3)
    assert error == pytest.approx(float((after - before).std()) / math.sqrt(24), abs=2e-3)


def test_one_of_two_that_say_the_same_is_enough(problem: Problem) -> None:
    answers = pool(problem, {"one": "abc", "other": "def", "twin": "def"})
    assert len(let(problem, answers, ["one"])) == 1


def test_who_has_a_part_of_the_weight_may_count_in_full(problem: Problem) -> None:
    wrong = says(problem, "abc")
    wrong[problem.labelled[:6]] = 1 / 3
    answers = pool(problem, {"one": "abc", "part": "abc"}, one=wrong)
    weights = {"one": 0.9, "part": 0.1}
    assert list(complement(problem, answers, weights)) == ["part"]
    raised = let_in(weights, ["part"])
    assert raised == pytest.approx({"one": 0.5, "part": 0.5})


def test_who_answers_by_lot_or_under_wrong_names_stays_out(problem: Problem) -> None:
    turned = says(problem, "def").roll(1, dims=1)
    flat = says(problem, "def", sure=1 / 3)
    names = {"one": "abc", "turned": "def", "flat": "def"}
    answers = pool(problem, names, turned=turned, flat=flat)
    assert let(problem, answers, ["one"]) == []


def test_a_gain_within_its_error_is_enough_only_for_names_beyond_doubt(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of twelve labels of its classes speak against 'other', which is surer than 'third'."""
    rows = says(problem, "def")
    against = problem.labelled[problem.labels >= 3][:3]
    rows[against] = rows[against].roll(1, dims=1)
    names = {"one": "abc", "other": "def", "third": "def"}
    answers = pool(problem, names, other=rows, third=says(problem, "def", sure=0.5))
    weights = {"one": 0.5, "other": 0.0, "third": 0.5}
    gain, error = complement(problem, answers, weights)["other"]
    assert 0 < gain < error
    monkeypatch.setattr(module, "SURE", 0.999)
    assert complement(problem, answers, weights) == {}


def test_without_names_or_with_strange_ones_nobody_is_let_in(problem: Problem) -> None:
    rows = {"one": says(problem, "abc"), "other": says(problem, "def")}
    assert let(problem, Answers(rows), ["one"]) == []
    strange = Answers(rows, names={"one": ("x", "y", "z"), "other": ("u", "v", "w")})
    assert let(problem, strange, ["one"]) == []
    only = Answers(rows, names={"other": ("d", "e", "f")})  # the selected one tells no names
    assert let(problem, only, ["one"]) == ["other"]


@pytest.mark.parametrize("kept", [1, 4])
def test_labels_of_one_class_let_nobody_in(problem: Problem, kept: int) -> None:
    few = replace(problem, labelled=problem.labelled[-kept:], labels=problem.labels[-kept:])
    assert set(few.labels.tolist()) == {5}
    assert let(few, pool(few, {"one": "abc", "other": "def"}), ["one"]) == []


def test_one_label_cannot_speak_for_a_teacher(problem: Problem) -> None:
    """'other' answered a single labelled item; of two it is let in."""
    for answered in (1, 2):
        rows = says(problem, "def")
        rows[problem.labelled[problem.labels >= 3][answered:]] = torch.nan
        rows[problem.labelled[problem.labels < 3]] = torch.nan
        answers = pool(problem, {"one": "abc", "other": "def"}, other=rows)
        assert let(problem, answers, ["one"]) == ["other"][: answered - 1]


def test_who_gains_most_comes_in_first(problem: Problem) -> None:
    names = {"one": "abc", "vague": "def", "whole": "def", "part": "de"}
    answers = pool(problem, names, vague=says(problem, "def", sure=0.5))
    assert let(problem, answers, ["one"])[0] == "whole"


def test_the_selector_lets_in_whom_its_scores_leave_out(evidence_of: Maker) -> None:
    """Who knows one class of six, and that vaguely, tells little; but nobody else names f."""
    evidence = evidence_of(0, each=8)
    truth = torch.arange(len(evidence.problem.transfer)) % 6
    generator = torch.Generator().manual_seed(2)
    strong = torch.where(torch.arange(5)[None] == truth[:, None], 3.0, 0.0)
    weak = torch.where((truth[:, None] == 5) & (torch.arange(6) == 5), 1.2, 0.0)
    rows = {f"useful-{i}": strong for i in range(4)} | {"weak": weak}
    answers = {
        name: (row + 0.3 * torch.randn(row.shape, generator=generator)).softmax(dim=1)
        for name, row in rows.items()
    }
    names = {name: tuple("abcde") for name in answers} | {"weak": tuple("abcdef")}
    teachers = tuple(sorted(answers))
    silent = replace(evidence, answers=Answers(answers), teachers=teachers, closeness={})
    telling = replace(silent, answers=Answers(answers, names=names))
    selector = EvidenceSelector(SelectionOptions())
    before, after = selector.select(silent), selector.select(telling)
    assert before.weights["weak"] < 0.5 * max(before.weights.values())
    assert after.weights["weak"] == pytest.approx(max(after.weights.values()))
    assert math.fsum(after.weights.values()) == pytest.approx(1.0)
    assert after.scores == before.scores
    assert "by name betters the others" in after.reasons["weak"]
    given = EvidenceSelector(SelectionOptions(policy="top-k", k=2)).select(telling)
    assert len(given.selected) == 2
