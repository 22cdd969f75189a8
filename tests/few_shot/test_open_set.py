"""Beliefs about items of the task among many of other classes: known answers on made clusters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fedsa.few_shot import open_set
from fedsa.few_shot.open_set import Eyes, believe

SIZE = 30


def clusters() -> tuple[Tensor, Tensor]:
    """Four clusters of items, of which the first two are the task's, the last an expert's."""
    generator = torch.Generator().manual_seed(1)
    centres = 10 * torch.eye(4)
    truth = torch.arange(4).repeat_interleave(SIZE)
    return centres[truth] + torch.randn(len(truth), 4, generator=generator), truth


def test_one_label_tells_its_cluster() -> None:
    features, truth = clusters()
    votes = 0.9 * (truth == 3).float()[:, None]
    told = believe(features, torch.tensor([0, SIZE]), torch.tensor([0, 1]), 2, votes)
    mine = truth < 2
    assert bool((told.classes[mine].argmax(dim=1) == truth[mine]).all())
    torch.testing.assert_close(told.classes.sum(dim=1)[mine], torch.ones(int(mine.sum())))
    assert float(told.concern[mine].min()) > 0.8 and float(told.concern[truth == 3].max()) < 0.2
    assert float(told.concern.min()) >= 0.0 and float(told.concern.max()) <= 1.0


def test_votes_decide_where_labels_are_few() -> None:
    features, truth = clusters()
    merged = features.clone()
    merged[truth == 1] = merged[truth == 0]  # the two look alike, and only votes part them
    votes = torch.nn.functional.one_hot(truth.clamp_max(1), 2).float() * (truth < 2)[:, None]
    others = (truth == 3).float()[:, None]
    told = believe(
        merged, torch.tensor([0, SIZE]), torch.tensor([0, 1]), 2, others, 0.98 * votes + 0.01
    )
    mine = truth < 2
    assert bool((told.classes[mine].argmax(dim=1) == truth[mine]).all())


def test_firm_beliefs_say_the_same_with_fewer_doubts(monkeypatch: pytest.MonkeyPatch) -> None:
    features, truth = clusters()
    asked = (features, torch.tensor([0, SIZE]), torch.tensor([0, 1]), 2)
    votes = 0.9 * (truth == 3).float()[:, None]
    firm = believe(*asked, votes)
    monkeypatch.setattr(open_set, "FIRM", 1.0)
    plain = believe(*asked, votes)
    odds = [(told.classes[:, 0] / told.classes[:, 1]).log() for told in (firm, plain)]
    free = (plain.classes.amin(dim=1) > 1e-3).nonzero().flatten()
    assert len(free) > SIZE
    torch.testing.assert_close(odds[0][free], 3 * odds[1][free], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(firm.concern, plain.concern)


def test_looks_weigh_pixels_twice_the_answers() -> None:
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(50, 1, 8, 8, generator=generator)
    answers = torch.rand(50, 6, generator=generator).softmax(dim=1)
    found = Eyes(images)(images, answers)
    pixels, told = found[:, :32], found[:, 32:]
    assert torch.isclose(pixels.square().mean(), torch.tensor(1.0), atol=1e-4)
    ratio = told.square().sum() / pixels.square().sum()
    assert torch.isclose(ratio, torch.tensor(0.25), atol=1e-3)
