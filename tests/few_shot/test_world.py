"""What episodes are drawn from: disjoint images, experts that know theirs, and numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedsa.data import resolve
from fedsa.errors import ScenarioError
from fedsa.few_shot import world as made
from fedsa.few_shot.world import Setting, World, only, world
from fedsa.fusion.training import outputs

DIGITS = Setting(data="digits", steps=3)


@pytest.fixture(scope="module")
def digits() -> World:
    return world(DIGITS, seed=1)


def test_the_same_world_twice(digits: World) -> None:
    other = world(DIGITS, seed=1)
    assert torch.equal(digits.unseen, other.unseen)
    assert torch.equal(digits.answers(digits.test[0]), other.answers(digits.test[0]))
    one, two = (w.model.state_dict() for w in (digits, other))
    assert all(value.equal(two[name]) for name, value in one.items())


def test_every_class_is_an_experts_or_unseen(digits: World) -> None:
    assert sorted([*digits.seen.tolist(), *digits.unseen.tolist()]) == list(range(10))
    assert len(digits.unseen) == 4


def test_experts_know_their_classes(digits: World) -> None:
    for network, group in digits.experts:
        items, truth = only(digits.test, group)
        right = (outputs(network, items).argmax(dim=1) == truth).float().mean()
        assert float(right) > 0.85


def test_no_image_is_in_two_parts() -> None:
    data = resolve("digits")
    parts = made._parts(data, np.arange(10), DIGITS, np.random.default_rng(0))
    rows = [{item.tobytes() for item in items.numpy()} for items, _ in parts]
    for i, one in enumerate(rows):
        assert not any(one & other for other in rows[i + 1 :])


def test_fewer_unlabelled_images_take_none_from_the_other_parts() -> None:
    data, fewer = resolve("digits"), DIGITS.model_copy(update={"unlabelled": 20})
    whole, cut = (
        made._parts(data, np.arange(10), setting, np.random.default_rng(0))
        for setting in (DIGITS, fewer)
    )
    assert np.bincount(cut[1][1]).tolist() == [20] * 10
    kept = [[{item.tobytes() for item in items.numpy()} for items, _ in p] for p in (whole, cut)]
    assert all(kept[0][part] == kept[1][part] for part in (0, 2, 3)) and kept[1][1] < kept[0][1]


def test_experts_are_of_the_network_that_is_named() -> None:
    named = world(DIGITS.model_copy(update={"expert": "conv"}), seed=1)
    kinds = [
        any(isinstance(part, torch.nn.Conv2d) for part in network.modules())
        for network, _ in (*named.experts, *world(DIGITS, seed=1).experts)
    ]
    assert kinds == [True, True, False, False]


def test_a_number_is_its_digits_side_by_side() -> None:
    data = resolve("digits")
    where = [{digit: np.array([digit * 3, digit * 3 + 1]) for digit in range(10)}]
    images = np.zeros((30, 1, 8, 8), dtype=np.uint8)
    images[:] = (8 * (np.arange(30) // 3))[:, None, None, None]
    items, labels = made._items(images, where[0], [7, 42], 2, np.random.default_rng(0))
    assert items.shape == (4, 1, 8, 16) and labels.tolist() == [0, 0, 1, 1]
    left, right = (255 * items[:, 0, 0, 0] / 8).round(), (255 * items[:, 0, 0, -1] / 8).round()
    assert left.tolist() == [0, 0, 4, 4] and right.tolist() == [7, 7, 2, 2]
    assert len(data.classes) == 10


def test_data_without_images_are_told() -> None:
    with pytest.raises(ScenarioError, match="need images, but 'digits-table' has none"):
        world(Setting(data="digits-table", steps=1), seed=0)


def test_too_few_classes_are_told() -> None:
    with pytest.raises(ScenarioError, match=r"make 11; 'digits' has 10"):
        world(Setting(data="digits", experts=3, steps=1), seed=0)
