"""Selectors built on one estimator: what they judge, by what zero, and whom they prefer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from fedsa.options import SelectionOptions
from fedsa.problem import Answers
from fedsa.selection import SELECTORS
from fedsa.selection.base import Evidence, Selection
from fedsa.selection.ranked import WITHOUT_LABELS
from fedsa.transferability import ESTIMATORS

Maker = Callable[..., Evidence]
RANKED = sorted(set(SELECTORS.builtins) & set(ESTIMATORS.builtins))
NOISE = "decoy-noise"


def select(name: str, evidence: Evidence, **options: object) -> Selection:
    found: Selection = SELECTORS.get(name)(SelectionOptions.model_validate(options)).select(
        evidence
    )
    return found


def test_every_estimator_but_gain_has_its_selector() -> None:
    assert set(RANKED) == set(ESTIMATORS.builtins) - {"gain"}


@pytest.mark.parametrize("name", RANKED)
def test_useful_teachers_stand_above_decoys(name: str, evidence_of: Maker) -> None:
    """Each useful teacher knows three of the six classes; the decoys know nothing."""
    evidence = evidence_of(3, each=8)
    scores = select(name, evidence).scores
    useful = [scores[teacher] for teacher in scores if teacher.startswith("useful")]
    decoys = [scores[teacher] for teacher in scores if teacher.startswith("decoy")]
    assert sum(useful) / 5 > max(decoys) and min(useful) > 0


@pytest.mark.parametrize("name", RANKED)
def test_zero_is_a_teacher_that_knows_nothing(name: str, evidence_of: Maker) -> None:
    """Noise scores around zero, on one side as often as on the other, and far below the useful."""
    found = [select(name, evidence_of(seed, each=6)).scores for seed in range(8)]
    noise = torch.tensor([scores[NOISE] for scores in found])
    useful = torch.tensor([scores["useful-0"] for scores in found])
    assert abs(float(noise.mean())) < 0.3 * float(useful.mean())
    if name != "cross-validation":  # held out, noise is worse than nothing: never above zero
        assert bool((noise > 0).any()) and bool((noise < 0).any())


@pytest.mark.parametrize("name", sorted(set(RANKED) - WITHOUT_LABELS))
def test_uneven_classes_are_no_merit_of_a_teacher(name: str, evidence_of: Maker) -> None:
    """That most labels are of one class, everybody knows without asking."""
    evidence = evidence_of(4, each=60)
    problem = evidence.problem
    kept = (problem.labels == 0) | (torch.arange(len(problem.labels)) % 10 == 0)
    few = replace(problem, labelled=problem.labelled[kept], labels=problem.labels[kept])
    scores = select(name, replace(evidence, problem=few)).scores
    useful = [scores[teacher] for teacher in scores if teacher.startswith("useful")]
    silent = scores["decoy-constant"], scores[NOISE]
    assert max(silent) < 0.15 * max(useful) and max(useful) > 0


@pytest.mark.parametrize("name", RANKED)
def test_wide_noise_is_not_flattered(name: str, evidence_of: Maker) -> None:
    """A teacher of forty classes that answers at random, judged on two labels a class."""
    evidence = evidence_of(1, each=2)
    generator = torch.Generator().manual_seed(5)
    wide = (3 * torch.randn((len(evidence.student), 40), generator=generator)).softmax(dim=1)
    answers = Answers({**evidence.answers, "wide": wide})
    more = replace(evidence, answers=answers, teachers=(*evidence.teachers, "wide"))
    scores = select(name, more).scores
    useful = sorted(scores[teacher] for teacher in scores if teacher.startswith("useful"))
    assert scores["wide"] < useful[2]


def test_the_evidence_shows_the_figure_as_published(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=4)
    where, labels = evidence.problem.labelled, evidence.problem.labels
    shown = select("leep", evidence).evidence["useful-1"]
    wanted = ESTIMATORS.get("leep")(evidence.answers["useful-1"][where], labels, None)
    assert shown["leep"] == pytest.approx(wanted)
    assert shown["above-chance"] == select("leep", evidence).scores["useful-1"]


def test_the_policy_is_the_scenarios(evidence_of: Maker) -> None:
    evidence = evidence_of(2, each=8)
    top = select("logme", evidence, policy="top-k", k=2)
    assert len(top.selected) == 2 and set(top.weights.values()) == {0.5}
    best = sorted(top.scores, key=lambda name: -top.scores[name])[:2]
    assert set(top.selected) == set(best)
    assert len(select("logme", evidence, policy="softmax", k=3).selected) == 3


@pytest.mark.parametrize("name", RANKED)
def test_who_has_not_answered_stays_out(name: str, evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=4)
    silent = {k: v for k, v in evidence.answers.items() if k != "useful-1"}
    part = silent["useful-2"].clone()
    part[evidence.problem.labelled[0]] = torch.nan
    silent["useful-2"] = part
    some = replace(evidence, answers=Answers(silent))
    found = select(name, some, policy="top-k", k=8)
    out = {"useful-1"} if name in WITHOUT_LABELS else {"useful-1", "useful-2"}
    assert set(evidence.teachers) - set(found.selected) == out
    assert all(found.reasons[teacher] == "has not answered" for teacher in out)


def test_nobody_heard_counts_everybody_alike(evidence_of: Maker) -> None:
    nobody = replace(evidence_of(0, each=4), answers=Answers({}))
    assert set(select("parc", nobody).weights.values()) == {1 / 8}


def test_the_same_again(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=4)
    assert select("nce", evidence).scores == select("nce", evidence).scores
