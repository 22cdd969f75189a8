"""Estimators on maps: by hand, and in agreement with what selection uses."""

from __future__ import annotations

import math

import pytest
import torch

from fedsa.saliency.closeness import published
from fedsa.transferability import LOOKS


def test_affinity_is_the_mean_cosine_by_hand() -> None:
    maps = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    other = torch.tensor([[0.0, 3.0], [2.0, 0.0], [1.0, 1.0]])
    affinity = LOOKS.get("attribution-affinity")
    assert affinity(maps, other) == pytest.approx((0 + 1 / math.sqrt(2) + 0) / 3)
    assert affinity(7 * maps, other) == pytest.approx(affinity(other, maps))


@pytest.mark.parametrize("name", sorted(LOOKS.builtins))
def test_more_alike_is_higher(name: str) -> None:
    maps = torch.rand(20, 5, 5, generator=torch.Generator().manual_seed(0))
    noise = torch.rand(20, 5, 5, generator=torch.Generator().manual_seed(1))
    values = [LOOKS.get(name)(maps + share * noise, maps) for share in (0.0, 0.5, 4.0)]
    assert values[0] == pytest.approx(1.0)
    assert values[0] > values[1] > values[2]


def test_fedsas_score_is_turned_so_that_higher_is_closer() -> None:
    maps = torch.rand(9, 16, generator=torch.Generator().manual_seed(2))
    assert LOOKS.get("fedsa-score")(maps, 1 - maps) == pytest.approx(2 - published(maps, 1 - maps))
