"""Every method on episodes of small digits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fedsa.few_shot.episodes import METHODS, episodes
from fedsa.few_shot.world import Setting, World, world


@pytest.fixture(scope="module")
def digits() -> World:
    return world(Setting(data="digits", steps=300), seed=0)


def means(where: World, kind: str, shots: int, count: int) -> dict[str, float]:
    rows = list(episodes(where, kind, shots, count))
    return {name: sum(row[name] for row in rows) / len(rows) for name in METHODS}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.slow
@pytest.mark.parametrize("mapping", ["pool", "extend"])
def test_seen_classes_are_told_apart_from_one_label_each(digits: World, mapping: str) -> None:
    setting = digits.setting.model_copy(update={"mapping": mapping})
    where = replace(digits, setting=setting)
    found = means(where, "S", 1, 1)
    assert found["hoang"] > 0.75  # chance is 0.5
    assert found["b-plus"] > 0.85 and found["fedsa"] > 0.85


@pytest.mark.slow
def test_unseen_classes_leave_the_votes_at_chance(digits: World) -> None:
    found = means(digits, "U", 5, 1)
    assert abs(found["b-plus"] - 0.5) < 0.1
    assert found["hoang"] > 0.75
    assert found["fedsa"] > 0.85 and found["fedsa"] > found["b-plus"] + 0.3
