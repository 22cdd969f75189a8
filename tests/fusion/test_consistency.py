"""Consistency of views: known answers of the loss, and when the prototype fusion learns by it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.fusion import prototypes, sight
from fedsa.fusion.base import Stage
from fedsa.fusion.beliefs import believe
from fedsa.fusion.consistency import LEAST, Consistency
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.options import FusionOptions
from fedsa.problem import Answers
from tests.fusion.conftest import ITEMS, KNOWN, Case

LEANS = torch.tensor([4.0] + [0.0] * 9)
"""What the network says of every item: class 0, with a probability of .86."""
BATCH = torch.arange(40, 60)
EVEN = dict.fromkeys(KNOWN, 1 / 3)


def head(embedded: Tensor) -> Tensor:
    return LEANS.expand(len(embedded), -1)


def loss(case: Case, about: Tensor) -> Tensor:
    return Consistency(case.problem, about, 1)(lambda inputs: inputs, head, BATCH)[1]


def of_labels(case: Case) -> Tensor:
    """The labelled items' part: a batch of them in the order that the generator draws."""
    views = Consistency(case.problem, torch.full((ITEMS, 10), 0.1), 1)
    some = torch.randperm(len(case.problem.labels), generator=views.generator)[: len(BATCH)]
    return F.cross_entropy(head(some), case.problem.labels[some])


def test_nothing_is_learnt_where_nobody_is_sure(case: Case) -> None:
    about = torch.full((ITEMS, 10), 0.1)
    torch.testing.assert_close(loss(case, about), of_labels(case))


@pytest.mark.parametrize("believed", [0, 1])
def test_belief_and_network_together_make_the_target(case: Case, believed: int) -> None:
    about = torch.full((ITEMS, 10), LEAST)
    about[:, believed] = 1 - 9 * LEAST
    agreed = (LEANS.softmax(dim=0) * about[0]).div((LEANS.softmax(dim=0) * about[0]).sum())
    assert float(agreed[believed]) > 0.95
    expected = -(agreed * LEANS.log_softmax(dim=0)).sum()
    torch.testing.assert_close(loss(case, about) - of_labels(case), expected, atol=1e-4, rtol=1e-4)


def test_only_items_that_are_sure_count(case: Case) -> None:
    about = torch.full((ITEMS, 10), 0.1)
    about[BATCH[:5]] = F.one_hot(torch.zeros(5, dtype=torch.long), 10).float()
    sure = torch.full((ITEMS, 10), 0.0)
    sure[:, 0] = 1.0
    part, whole = loss(case, about) - of_labels(case), loss(case, sure) - of_labels(case)
    torch.testing.assert_close(part, whole * 5 / len(BATCH), atol=1e-5, rtol=1e-4)


def test_what_is_embedded_are_the_items_themselves(case: Case) -> None:
    views = Consistency(case.problem, torch.full((ITEMS, 10), 0.1), 1)
    embedded, _ = views(lambda inputs: inputs, head, BATCH)
    assert torch.equal(embedded, case.problem.inputs[BATCH])


def test_a_look_that_only_adds_to_the_answers_is_not_enough(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two gates: what answers and look tell together, and what the look tells alone."""
    asked: list[int] = []
    surely, hardly = torch.full((30,), 1.0), torch.full((30,), -1.0)

    def judge(columns: Tensor, other: Tensor, *rest: object) -> Tensor:
        asked.append(other.shape[1])
        # Answers and look together tell more, but not the look alone.
        return surely if len(asked) == 1 else hardly

    monkeypatch.setattr(sight, "_better", judge)
    assert not believe(case.problem, case.answers, EVEN).looked
    assert len(asked) == 2 and asked[0] > asked[1]
    monkeypatch.setattr(sight, "_better", lambda *given: surely)
    assert believe(case.problem, case.answers, EVEN).looked
    monkeypatch.setattr(sight, "_better", lambda *given: hardly)
    assert not believe(case.problem, case.answers, EVEN).looked


def test_only_a_student_that_has_to_look_for_itself_learns_by_views(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(1)
    blind = {n: torch.randn(ITEMS, 5, generator=generator).softmax(dim=1) for n in EVEN}
    used: list[int] = []

    class Noted(Consistency):
        def __call__(self, *given: object) -> tuple[Tensor, Tensor]:
            used.append(1)
            return super().__call__(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(prototypes, "Consistency", Noted)
    fusion = PrototypeFusion(FusionOptions(prototypes=12, adapt_share=0.75))
    fused = fusion.fit(case.problem, case.answers, EVEN, Stage(), {})
    assert not used and not fused.notes
    fused = fusion.fit(case.problem, Answers(blind), EVEN, Stage(), {})
    assert len(used) == 75 and "changed views" in fused.notes[0]
    off = FusionOptions(prototypes=12, adapt_share=0.75, sight=False)
    without = PrototypeFusion(off).fit(case.problem, Answers(blind), EVEN, Stage(), {})
    assert len(used) == 75
    assert case.accuracy(fused.student) > case.accuracy(without.student) + 0.2
