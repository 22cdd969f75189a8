"""The layered selector keeps the useful, drops the harmful, and says why."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fedsa.options import SelectionOptions
from fedsa.problem import Answers, Problem
from fedsa.selection import SELECTORS, Evidence
from fedsa.selection import layers as module
from fedsa.selection.evidence import EvidenceSelector, gate, strength
from fedsa.selection.layers import Layers, measure
from fedsa.selection.simple import BestSingle
from fedsa.transferability import cross_validation

Maker = Callable[..., Evidence]


def layers(**known: float) -> Layers:
    names = ("saliency", "mutual_information", "leep", "cross_validation", "gain", "error")
    return Layers(**{name: known.get(name) for name in names})


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_decoys_carry_little_and_useful_teachers_count_alike(evidence_of: Maker, seed: int) -> None:
    selection = EvidenceSelector(SelectionOptions()).select(evidence_of(seed, each=8))
    useful = [selection.weights.get(f"useful-{i}", 0.0) for i in range(5)]
    assert math.fsum(selection.weights.values()) == pytest.approx(1.0)
    assert sum(useful) >= 0.9
    assert min(useful) >= 0.5 * max(useful)


def test_looks_do_not_buy_a_place(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=8)
    liar = replace(evidence, closeness={**evidence.closeness, "decoy-noise": 1.0})
    selection = EvidenceSelector(SelectionOptions()).select(liar)
    assert selection.weights.get("decoy-noise", 0.0) < 0.05


def test_every_teacher_gets_its_score_layers_and_reason(evidence_of: Maker) -> None:
    evidence = evidence_of(1, each=8)
    selection = EvidenceSelector(SelectionOptions()).select(evidence)
    assert set(selection.scores) == set(selection.reasons) == set(evidence.teachers)
    known = {"saliency", "mutual-information", "leep", "cross-validation", "gain", "gain-error"}
    for name in evidence.teachers:
        assert set(selection.evidence[name]) == known
        assert selection.reasons[name]
    assert "adds +" in selection.reasons["useful-0"]
    assert any(selection.reasons[n].startswith("gated") for n in evidence.teachers if "decoy" in n)


def test_the_choice_is_the_same_again_and_in_any_order(evidence_of: Maker) -> None:
    evidence = evidence_of(2, each=5)
    turned = replace(evidence, teachers=tuple(reversed(evidence.teachers)))
    selector = EvidenceSelector(SelectionOptions())
    assert selector.select(evidence) == selector.select(turned)


def test_one_label_a_class_leaves_responses_and_looks(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=1)
    found = measure(evidence)["useful-0"]
    assert found.gain is None and found.cross_validation is None
    selection = EvidenceSelector(SelectionOptions()).select(evidence)
    assert sum(w for n, w in selection.weights.items() if n.startswith("useful")) > 0.75


def test_of_very_many_labels_a_part_judges(
    evidence_of: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence, seen = evidence_of(0, each=40), []
    truth = dict(
        zip(evidence.problem.labelled.tolist(), evidence.problem.labels.tolist(), strict=True)
    )
    validate = module._validate

    def noted(problem: Problem, told: dict[str, Tensor]) -> dict[str, tuple[float, float, float]]:
        seen.append(problem)
        return validate(problem, told)

    monkeypatch.setattr(module, "_validate", noted)
    whole = measure(evidence)
    monkeypatch.setattr(cross_validation, "JUDGED", 60)
    part = measure(evidence)
    assert [len(one.labels) for one in seen] == [240, 60]
    judged = seen[1]
    assert [truth[item] for item in judged.labelled.tolist()] == judged.labels.tolist()
    assert part == measure(evidence) != whole
    for name in ("useful-0", "decoy-noise"):
        assert abs(part[name].gain - whole[name].gain) < 3 * part[name].error


def test_looks_alone_decide_before_anything_is_answered(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=4)
    blind = {name: torch.full_like(evidence.answers[name], math.nan) for name in evidence.teachers}
    looks = dict.fromkeys(evidence.teachers, 0.0) | {"useful-1": 0.4, "useful-2": 0.3}
    unasked = replace(evidence, answers=Answers(blind), closeness=looks)
    options = SelectionOptions(policy="top-k", k=2)
    assert EvidenceSelector(options).select(unasked).selected == ("useful-1", "useful-2")


def test_with_nothing_known_all_take_part(evidence_of: Maker) -> None:
    evidence = replace(evidence_of(0, each=4), answers=Answers({}), closeness={})
    selection = EvidenceSelector(SelectionOptions()).select(evidence)
    assert selection.selected == evidence.teachers


def _heard_of(evidence: Evidence, name: str, labelled: int) -> Evidence:
    """Leave a teacher the answers on its first so many labelled items, of all of them."""
    order = torch.randperm(
        len(evidence.problem.labelled), generator=torch.Generator().manual_seed(3)
    )
    silent = evidence.answers[name].clone()
    silent[evidence.problem.labelled[order[labelled:]]] = math.nan
    return replace(evidence, answers=Answers({**evidence.answers, name: silent}))


def test_a_teacher_is_judged_by_the_labelled_items_it_answered(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=8)
    whole = measure(evidence)
    part = measure(_heard_of(evidence, "useful-0", 40))
    for name in whole:  # the others' scale has lost one teacher, no more
        near = 0.3 if name == "useful-0" else 0.03
        assert part[name].gain == pytest.approx(whole[name].gain, abs=near)
        assert part[name].leep == pytest.approx(whole[name].leep, abs=near)
    selector = EvidenceSelector(SelectionOptions())
    chosen = selector.select(_heard_of(evidence, "useful-0", 40)).weights
    assert chosen["useful-0"] > 0.1
    chosen = selector.select(_heard_of(evidence, "decoy-noise", 40)).weights
    assert chosen.get("decoy-noise", 0.0) < 0.05


def test_a_teacher_that_answered_too_few_labelled_items_stays_out(evidence_of: Maker) -> None:
    for count in (0, 2):
        evidence = _heard_of(evidence_of(0, each=8), "useful-0", count)
        selection = EvidenceSelector(SelectionOptions()).select(evidence)
        assert selection.weights.get("useful-0", 0.0) == 0.0
        assert sum(selection.weights.values()) == pytest.approx(1.0)


def test_best_single_is_among_those_who_answered_the_labelled_items(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=8)
    first = BestSingle(SelectionOptions()).select(evidence)
    (best,) = first.selected
    again = BestSingle(SelectionOptions()).select(_heard_of(evidence, best, 5))
    assert again.selected != (best,) and best not in again.scores
    assert {n: s for n, s in first.scores.items() if n != best} == again.scores


def test_gate_by_hand() -> None:
    found = {
        "adds": layers(gain=0.30, error=0.05),
        "also": layers(gain=0.20, error=0.05),
        "some": layers(gain=0.03, error=0.05),
        "none": layers(gain=-0.01, error=0.05),
    }
    # The better half of the positive gains is .25 in the mean, so it is open from .3 x .25 = .075.
    assert gate(found) == pytest.approx({"adds": 1.0, "also": 1.0, "some": 0.4, "none": 0.0})
    halved = gate(found | {"silent": layers()}, firmness=0.5)
    assert halved == pytest.approx({"adds": 1, "also": 1, "some": 0.7, "none": 0.5, "silent": 0})
    # Where no gain is above its error, gates would close by chance.
    unsure = {name: found[name] for name in ("some", "none")}
    assert gate(unsure) == {"some": 1.0, "none": 1.0}


def test_strength_by_hand() -> None:
    found = {"a": layers(mutual_information=0.4), "b": layers(mutual_information=0.1)}
    assert strength(found, 0.75) == pytest.approx({"a": 1.0, "b": 0.25})
    found = {
        "a": layers(mutual_information=0.4, leep=0.2, saliency=0.1),
        "b": layers(mutual_information=0.1, leep=0.8, saliency=0.3),
    }
    # Parts .15 looks, .2125 LEEP (cross-validation is unknown), .425 mutual information.
    total = 0.15 + 0.2125 + 0.425
    assert strength(found, 0.5, looks=0.15) == pytest.approx(
        {"a": (0.2125 * 0.25 + 0.425) / total, "b": (0.225 + 0.2125 + 0.425 * 0.25) / total}
    )


@pytest.mark.parametrize("part", [0.0, 0.15, 0.7])
def test_looks_have_the_part_that_is_asked_for(evidence_of: Maker, part: float) -> None:
    evidence = evidence_of(0, each=8)
    selector = EvidenceSelector(SelectionOptions(), looks=part)
    looks = dict.fromkeys(evidence.teachers, 0.1)
    first, last = (replace(evidence, closeness=looks | {"useful-1": v}) for v in (0.2, 0.0))
    moved = selector.select(first).scores["useful-1"] - selector.select(last).scores["useful-1"]
    assert moved == pytest.approx(1.5 * part)  # from first to last, a rank falls by 1.5


def test_hundred_teachers_take_seconds(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=10, teachers=100)
    started = time.process_time()
    EvidenceSelector(SelectionOptions()).select(evidence)
    assert time.process_time() - started < 10.0


def test_registry_makes_every_selector(evidence_of: Maker) -> None:
    evidence = evidence_of(0, each=4)
    for name in SELECTORS.names():
        selection = SELECTORS.get(name)(SelectionOptions()).select(evidence)
        assert math.fsum(selection.weights.values()) == pytest.approx(1.0)
        assert set(selection.selected) <= set(evidence.teachers)
