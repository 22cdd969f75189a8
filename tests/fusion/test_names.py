"""When what is said under names counts, and what it is worth."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from fedsa.data.transfer import TransferSet
from fedsa.fusion import names
from fedsa.fusion.beliefs import beliefs, believe
from fedsa.fusion.names import hold, strangers
from fedsa.fusion.stack import features, regress
from fedsa.options import FusionOptions, StudentOptions
from fedsa.problem import Answers, Problem
from fedsa.task import Classification
from fedsa.transferability.names import told_by_name
from tests.fusion.conftest import ITEMS, KNOWN, WORDS, Case, answer, few, with_names

EVEN = dict.fromkeys(KNOWN, 1 / 3)
OFF = FusionOptions(names=False)


def right(case: Case, rows: torch.Tensor) -> float:
    hidden = torch.ones(ITEMS, dtype=torch.bool)
    hidden[case.problem.labelled] = False
    return float((rows.argmax(dim=1) == case.truth)[hidden].float().mean())


def test_names_tell_more_than_a_label_of_each_class(case: Case) -> None:
    unsure = {t: rows.sqrt().softmax(dim=1) for t, rows in case.answers.items()}
    generator = torch.Generator().manual_seed(1)
    for rows in unsure.values():
        rows += 0.3 * torch.rand(rows.shape, generator=generator)
        rows /= rows.sum(dim=1, keepdim=True)
    named = with_names(few(case, 1), Answers(unsure))
    without = beliefs(named.problem, named.answers, EVEN, OFF)
    found = beliefs(named.problem, named.answers, EVEN)
    assert right(named, found) > right(named, without) + 0.05
    assert torch.equal(without, beliefs(named.problem, Answers(named.answers), EVEN))
    torch.testing.assert_close(found.sum(dim=1), torch.ones(ITEMS))
    where = named.problem.labelled
    assert torch.equal(found[where].argmax(dim=1), named.problem.labels)


def test_names_do_not_hide_what_is_seen(case: Case) -> None:
    """Answers at random under the right names; three labels a class tell the items' look."""
    generator = torch.Generator().manual_seed(0)
    noise = {t: torch.rand(ITEMS, 5, generator=generator).softmax(dim=1) for t in KNOWN}
    named = with_names(case, Answers(noise))
    found = right(named, beliefs(named.problem, named.answers, EVEN))
    assert found > right(named, beliefs(named.problem, named.answers, EVEN, OFF)) - 0.02


def test_a_class_with_one_label_does_not_silence_the_others(case: Case) -> None:
    """All teachers swap two names; a third class has a single label, the rest have enough."""
    problem = with_names(case).problem
    once = (problem.labels != 5) | (problem.labels == 5).cumsum(0).eq(1)
    fewer = replace(problem, labelled=problem.labelled[once], labels=problem.labels[once])
    assert int((fewer.labels == 5).sum()) == 1
    swapped = [WORDS[1], WORDS[0], *WORDS[2:]]
    rows = answer(case.truth, list(range(10)), seed=7)
    every = Answers(dict.fromkeys(KNOWN, rows), names=dict.fromkeys(KNOWN, swapped))
    told = told_by_name(fewer, every, EVEN)
    assert told is not None and not hold(told, fewer, features(every, EVEN))


def test_labels_overrule_names(case: Case) -> None:
    """All teachers mean by two names the other, and all else is as it is called."""
    swapped = list(WORDS)
    swapped[0], swapped[1] = swapped[1], swapped[0]
    told = {t: [swapped[digit] for digit in known] for t, known in KNOWN.items()}
    problem = with_names(case).problem
    rows = Answers(case.answers, names=told)
    found = told_by_name(problem, rows, EVEN)
    # A teacher whose names are mostly right may pass for honest; held-out labels tell.
    assert found is not None and not hold(found, problem, features(rows, EVEN))
    plain = right(case, beliefs(problem, rows, EVEN, OFF))
    assert right(case, beliefs(problem, rows, EVEN)) > plain - 0.02


@pytest.mark.parametrize("judge", ["likelihood", "_hits"])
@pytest.mark.parametrize(("errors", "held"), [(1.8, True), (2.1, False)])
def test_two_tests_may_err_as_often_as_one(
    judge: str, errors: float, held: bool, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What 1.645 errors would be of a single test, 1.96 are of two."""
    named = with_names(case)
    told = told_by_name(named.problem, named.answers, EVEN)
    assert told is not None
    count = len(named.problem.labels)
    noise = torch.randn(count, generator=torch.Generator().manual_seed(0))
    worse = (noise - noise.mean()) / noise.std() + errors / math.sqrt(count)
    figures = iter([worse, torch.zeros(count)])  # of who knows no names, then of who does
    for name in ("likelihood", "_hits"):
        equal = name != judge
        monkeypatch.setattr(
            names, name, lambda *_, equal=equal: torch.zeros(count) if equal else next(figures)
        )
    assert hold(told, named.problem, features(named.answers, EVEN)) is held


def test_strange_names_are_noticed_and_silence_is_not(case: Case) -> None:
    named = with_names(case)
    assert not strangers(named.problem, named.answers, EVEN)
    other = Answers(case.answers, names={t: [f"kind {d}" for d in range(5)] for t in KNOWN})
    assert strangers(named.problem, other, EVEN)
    assert not strangers(named.problem, case.answers, EVEN)
    numbers = Answers(case.answers, names={t: ["1", "2", "3", "4", "5"] for t in KNOWN})
    assert not strangers(named.problem, numbers, EVEN)
    mostly = Answers(case.answers, names={"low": ["a"] * 5})
    assert not strangers(named.problem, mostly, EVEN)
    assert strangers(named.problem, mostly, {"low": 0.6, "even": 0.4})
    other = Answers(case.answers, names={t: ["0", "1", "2", "3", "other"] for t in KNOWN})
    assert not strangers(case.problem, other, EVEN)  # its classes are figures too


def test_where_names_are_strange_the_items_are_looked_at(case: Case) -> None:
    """Teachers of letters answer at random about digits; one label of each class is too few."""
    fewer = with_names(few(case, 1))
    generator = torch.Generator().manual_seed(0)
    noise = {t: torch.rand(ITEMS, 5, generator=generator).softmax(dim=1) for t in KNOWN}
    told = Answers(noise, names={t: list("abcde") for t in KNOWN})
    blind = beliefs(fewer.problem, told, EVEN, FusionOptions(sight=False))
    found = believe(fewer.problem, told, EVEN)
    assert right(fewer, found.rows) > right(fewer, blind) + 0.2
    assert not found.looked  # by its names, not by its labels, which are too few to learn views by


def test_a_lean_regression_leaves_what_is_known_before(case: Case) -> None:
    """With useless columns, or one label, the prediction is a power of what was known."""
    before = answer(case.truth, list(range(10)), seed=3).log()
    columns = features(case.answers, EVEN)
    where, labels = case.problem.labelled[:1], case.problem.labels[:1]
    found = regress(columns, where, labels, 10, before, lean=True)
    agree = (found.argmax(dim=1) == before.argmax(dim=1)).float().mean()
    assert float(agree) > 0.97
    power = (found.log()[:, :1] - found.log()[:, 1:2]) / (before[:, :1] - before[:, 1:2])
    assert math.isclose(float(power.median()), 2.0, abs_tol=0.3)


@pytest.mark.parametrize("seed", [0, 3])
def test_honest_names_hold_though_some_classes_have_a_single_label(seed: int) -> None:
    """Six classes with many labels, four with one: who judges knows which can occur."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(10, (600,), generator=generator)
    words = tuple(f"word {letter}" for letter in "abcdefghij")
    known = {"one": [0, 1, 2, 3, 4], "two": [5, 6, 7, 8, 9], "three": [0, 2, 4, 6, 8]}
    rows = {
        name: (
            1.0 * (truth[:, None] == torch.tensor(own)).float()
            + torch.randn((600, 5), generator=generator)
        ).softmax(dim=1)
        for name, own in known.items()
    }
    names = {name: [words[c] for c in own] for name, own in known.items()}
    counts = [30] * 6 + [1] * 4
    where = torch.cat([(truth == c).nonzero()[:n, 0] for c, n in enumerate(counts)])
    problem = Problem(
        task=Classification(words),
        transfer=TransferSet(torch.zeros(600, 4).numpy()),
        labelled=where,
        labels=truth[where],
        probe=torch.arange(8),
        build=lambda outputs: torch.nn.Linear(4, outputs),
        student=StudentOptions(),
        seed=seed,
    )
    answers, even = Answers(rows, names=names), dict.fromkeys(rows, 1 / 3)
    told = told_by_name(problem, answers, even)
    assert told is not None and hold(told, problem, features(answers, even))


def test_how_answers_are_distributed_mends_names_that_tell_badly_and_no_others(case: Case) -> None:
    """Teachers that are unsure of what they know, and whose answers show it in their own way."""
    named = with_names(few(case, 1))
    told = told_by_name(named.problem, named.answers, EVEN)
    assert told is not None and told.whole
    where, labels = named.problem.labelled, named.problem.labels
    columns = features(named.answers, EVEN)
    off = FusionOptions(competence=False, sight=False)
    alone = regress(columns, where, labels, 10, told.logs, lean=True)
    believed = beliefs(named.problem, named.answers, EVEN, off)
    hidden = torch.ones(ITEMS, dtype=torch.bool)
    hidden[where] = False
    torch.testing.assert_close(believed[hidden], alone[hidden])  # nearly all are right by name

    generator = torch.Generator().manual_seed(4)
    unsure = {}
    for teacher, known in KNOWN.items():
        shift = 0.8 * torch.randn(len(known), generator=generator)  # its favourites
        mark = 1.2 * (case.truth[:, None] == torch.tensor(known)).float()
        noise = 0.5 * torch.randn((ITEMS, len(known)), generator=generator)
        unsure[teacher] = (mark + shift + noise).softmax(dim=1)
    weak = with_names(few(case, 1), Answers(unsure))
    told = told_by_name(weak.problem, weak.answers, EVEN)
    assert told is not None and told.whole
    alone = regress(features(weak.answers, EVEN), where, labels, 10, told.logs, lean=True)
    assert right(weak, beliefs(weak.problem, weak.answers, EVEN, off)) > right(weak, alone) + 0.02
