"""What is believed of the items, learnt without prototypes: that, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.fusion import beliefs, plain, prototypes
from fedsa.fusion.base import Fused, Stage
from fedsa.fusion.beliefs import Believed
from fedsa.fusion.hearing import Heard, hear
from fedsa.fusion.plain import PlainBeliefs
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.options import FusionOptions
from fedsa.problem import Answers
from tests.fusion.conftest import KNOWN, Case

EVEN = dict.fromkeys(KNOWN, 1 / 3)
OPTIONS = FusionOptions(prototypes=12)


def learn(case: Case, answers: Answers | None = None) -> Fused:
    answers = case.answers if answers is None else answers
    return PlainBeliefs(OPTIONS).fit(case.problem, answers, EVEN, Stage(), {})


def bits(fused: Fused) -> Tensor:
    return torch.cat([value.flatten().double() for value in fused.student.state_dict().values()])


def test_answers_count_by_what_is_believed_of_them_alone(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [F.one_hot((case.truth + turn) % 10, 10).float() for turn in (0, 1)]
    other = Answers({name: rows.flip(0) for name, rows in case.answers.items()})
    found = []
    for rows, answers in ((told[0], case.answers), (told[0], other), (told[1], other)):
        heard = Heard(Believed(rows, looked=False), {})
        monkeypatch.setattr(plain, "hear", lambda *_, heard=heard: heard)
        found.append(learn(case, answers))
    assert torch.equal(bits(found[0]), bits(found[1]))
    assert case.accuracy(found[0].student) > 0.8 > 0.2 > case.accuracy(found[2].student)


def test_it_hears_what_the_prototype_fusion_hears(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []

    def listen(*args: Any) -> Heard:
        found = hear(*args)
        heard.append((args[:4], found))
        return found

    for module in (plain, prototypes):
        monkeypatch.setattr(module, "hear", listen)
    learn(case)
    PrototypeFusion(OPTIONS).fit(case.problem, case.answers, EVEN, Stage(), {})
    (asked, one), (again, other) = heard
    assert all(a is b for a, b in zip(asked[:3], again[:3], strict=True)) and asked[3] == again[3]
    assert torch.equal(one.believed.rows, other.believed.rows)


def test_items_that_are_looked_at_are_learnt_from_changed_views(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = learn(case)
    monkeypatch.setattr(beliefs, "called_in", lambda *_: (False, True))
    looked = learn(case)
    assert not usual.notes and "changed views" in " ".join(looked.notes)
    assert not torch.equal(bits(usual), bits(looked)) and case.accuracy(looked.student) > 0.6
