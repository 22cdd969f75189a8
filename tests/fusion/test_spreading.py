"""Beliefs spread along what is answered alike, and no farther."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from fedsa.fusion import spreading
from fedsa.fusion.spreading import leading, neighbours, spread


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.integers(2, 5), st.floats(0.0, 0.99), st.integers(0, 10**6))
def test_rows_stay_on_the_simplex_and_labels_stay(
    items: int, classes: int, share: float, seed: int
) -> None:
    before = draw(items, classes, seed=seed).softmax(dim=1)
    truth = torch.eye(classes)[:1]
    found = spread(draw(items, 3, seed=seed), before, torch.tensor([1]), truth, share)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(items))
    assert bool((found >= 0).all())
    if share > 0:
        assert torch.equal(found[1], truth[0])


def test_two_labels_tell_two_clouds() -> None:
    kind = torch.arange(80) % 2
    columns = draw(80, 2) + 8.0 * kind[:, None]
    even = torch.full((80, 2), 0.5)
    found = spread(columns, even, torch.tensor([0, 1]), torch.eye(2), 0.8)
    assert float((found.argmax(dim=1) == kind).float().mean()) > 0.95


def test_a_larger_share_reaches_farther() -> None:
    """Two chains of items, a label at the head of each: who is far off hears of it all the same."""
    along = torch.arange(100) / 4.0
    chains = [torch.stack([along, torch.full((100,), side)], dim=1) for side in (0.0, 30.0)]
    even = torch.full((200, 2), 0.5)
    near, far = (
        spread(torch.cat(chains), even, torch.tensor([0, 100]), torch.eye(2), share)
        for share in (0.8, 0.99)
    )
    for found in (near, far):
        assert bool((found[1:10, 0] > 0.51).all()) and bool((found[101:110, 1] > 0.51).all())
    assert float(near[99, 0]) < 0.5001 and float(near[199, 1]) < 0.5001
    assert float(far[99, 0]) > 0.51 and float(far[199, 1]) > 0.51


def test_there_is_an_end_whatever_the_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "MOST", 20)
    given = draw(30, 2), draw(30, 3).softmax(dim=1), torch.tensor([0]), torch.eye(3)[:1]
    torch.testing.assert_close(spread(*given, 1 - 1e-9), spread(*given, 1 - 1e-7))


def test_what_nobody_doubts_stays_and_nothing_spreads_without_a_share() -> None:
    columns, before = draw(30, 2), draw(30, 3).softmax(dim=1)
    none = torch.zeros(0, dtype=torch.long), torch.zeros(0, 3)
    assert torch.equal(spread(columns, before, *none, 0.0), before)
    alike = torch.tensor([0.2, 0.3, 0.5]).expand(30, 3)
    torch.testing.assert_close(spread(columns, alike, *none, 0.9), alike)


def test_neighbours_by_hand() -> None:
    """On a line at 0, 1, 3: the nearest two, by exp(-d^2 / d_2^2)."""
    where, weights = neighbours(torch.tensor([[0.0], [1.0], [3.0]]), 2)
    assert where.tolist() == [[1, 2], [0, 2], [1, 0]]
    near = torch.exp(torch.tensor([-1 / 9, -1 / 4, -4 / 9]))
    far = torch.exp(torch.tensor(-1.0))
    torch.testing.assert_close(weights[:, 0], near / (near + far))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))


def test_leading_directions_are_those_of_principal_components(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spreading, "DIRECTIONS", 3)
    columns = draw(50, 8) * torch.arange(1, 9)
    found = leading(columns)
    rival = torch.from_numpy(PCA(3).fit_transform(columns.numpy()))
    torch.testing.assert_close(
        (found[:, None] - found).norm(dim=2), (rival[:, None] - rival).norm(dim=2)
    )
