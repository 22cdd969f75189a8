"""Selection for a task of several heads: a specialist of any of them is kept, a decoy is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from fedsa.cli.checks import check_plugins
from fedsa.data.transfer import TransferSet
from fedsa.errors import RunError, ScenarioError
from fedsa.options import SelectionOptions, StudentOptions
from fedsa.problem import Answers, Problem
from fedsa.scenario import load
from fedsa.selection import SELECTORS
from fedsa.selection.base import Evidence
from fedsa.selection.evidence import EvidenceSelector
from fedsa.selection.layers import measure
from fedsa.task import Classification, Regression, Several

SIMULATIONS = Path(__file__).parents[2] / "simulations"
ITEMS, LABELS, WIDTH = 300, 60, 12


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    generator = torch.Generator().manual_seed(0)

    def noise(width: int, size: float = 1.0) -> torch.Tensor:
        return size * torch.randn((ITEMS, width), generator=generator)

    kind = torch.arange(ITEMS) % 3
    place = torch.rand((ITEMS, 2), generator=generator)
    inputs = noise(WIDTH)
    inputs[:, :2] += place
    answers = {
        "kinds": (4.0 * torch.eye(3)[kind] + noise(3)).softmax(dim=1),
        "places": (place + noise(2, 0.05)).clamp(0.0, 1.0),
        "columns": (6.0 * torch.eye(4)[(place[:, 0] * 3.99).long()] + noise(4)).softmax(dim=1),
        "decoy-classes": noise(3, 2.0).softmax(dim=1),
        "decoy-values": noise(2).sigmoid(),
    }
    task = Several({"kind": Classification(("a", "b", "c")), "place": Regression(("x", "y"))})
    labels = torch.cat([kind[:LABELS, None].float(), place[:LABELS]], dim=1)
    problem = Problem(
        task=task,
        transfer=TransferSet(inputs.numpy()),
        labelled=torch.arange(LABELS),
        labels=labels,
        probe=torch.arange(8),
        build=lambda outputs: nn.Linear(WIDTH, outputs),
        student=StudentOptions(),
        seed=1,
    )
    student = task.answer(task.raw(task.truth(torch.cat([kind[:, None], place], dim=1))) * 0.2)
    graded = ["places", "decoy-values"]
    return Evidence(problem, 1, 2, tuple(sorted(answers)), {}, Answers(answers, graded), student)


def test_specialists_of_each_head_have_weight_and_decoys_have_none(evidence: Evidence) -> None:
    chosen = EvidenceSelector(SelectionOptions()).select(evidence)
    assert sum(chosen.weights.values()) == pytest.approx(1.0)
    assert set(chosen.selected) == {"kinds", "places", "columns"}
    assert chosen.weights["kinds"] == pytest.approx(0.5)  # alone with the first head
    assert chosen.reasons["kinds"].startswith("for kind: ")
    assert chosen.reasons["places"].startswith("for place: ")
    assert "place alignment" in chosen.evidence["columns"]


def test_every_head_has_layers_of_its_own_kind(evidence: Evidence) -> None:
    (_, kind), (_, place) = evidence.parts()
    classes, values = measure(kind), measure(place)
    assert classes["kinds"].leep is not None and classes["kinds"].alignment is None
    assert classes["places"].leep is None and classes["places"].mutual_information is None
    assert classes["places"].gain is not None
    for layers in values.values():
        assert layers.leep is None and layers.mutual_information is None
        assert layers.alignment is not None
    told = {name: layers.cross_validation for name, layers in values.items()}
    assert told["places"] > 0.9 and 0.2 < told["columns"] < 0.8  # type: ignore[operator]
    assert max(told["kinds"], told["decoy-values"]) < 0.1  # type: ignore[type-var]


def test_a_head_is_judged_as_if_it_were_alone(evidence: Evidence) -> None:
    whole = EvidenceSelector(SelectionOptions()).select(evidence)
    alone = [EvidenceSelector(SelectionOptions()).select(part) for _, part in evidence.parts()]
    for name in evidence.teachers:
        mean = sum(one.weights.get(name, 0.0) for one in alone) / 2
        assert whole.weights[name] == pytest.approx(mean)


@pytest.mark.parametrize("name", ["all", "random", "saliency", "best-single"])
def test_other_selectors_take_several_heads(name: str, evidence: Evidence) -> None:
    chosen = SELECTORS.get(name)(SelectionOptions()).select(evidence)
    assert sum(chosen.weights.values()) == pytest.approx(1.0)
    if name == "best-single":
        assert chosen.selected in (("kinds",), ("places",))


@pytest.mark.parametrize("name", ["leep", "cka", "mutual-information", "transrate"])
def test_what_compares_classes_says_so(name: str, evidence: Evidence) -> None:
    with pytest.raises(RunError, match="compares classes: use 'evidence'"):
        SELECTORS.get(name)(SelectionOptions()).select(evidence)


@pytest.mark.parametrize("name", ["leep", "cka"])
def test_a_scenario_that_asks_for_it_is_refused_before_anything_starts(name: str) -> None:
    wanted = load(SIMULATIONS / "dsprites.toml", [f"selection.selector={name}"])
    with pytest.raises(ScenarioError, match=f"selector: '{name}' compares classes"):
        check_plugins(wanted)
