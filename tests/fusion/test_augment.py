"""What changes of an item, and what never does."""

from __future__ import annotations

import torch
from torch import Generator

from fedsa.fusion.augment import HOLE, LOST, augment, strongly
from fedsa.task import Classification, Task
from fedsa.task.values import Regression

TASK = Classification(("a", "b"))


def seeded() -> Generator:
    return torch.Generator().manual_seed(3)


def test_a_moved_image_is_the_same_image_elsewhere() -> None:
    image = torch.zeros(200, 1, 9, 9)
    image[:, 0, 4, 3] = 1.0
    moved = augment(image, seeded(), TASK)
    assert moved.sum(dim=(1, 2, 3)).eq(1.0).all()
    _, _, rows, columns = moved.nonzero(as_tuple=True)
    assert set(rows.tolist()) == {2, 3, 4, 5, 6}
    assert set(columns.tolist()) == set(range(1, 8))  # 3 and its mirror image 5, moved by two


def test_a_strong_change_blots_out_a_square() -> None:
    images = torch.full((50, 2, 8, 12), 0.5)
    images[:, :, :, 0] = 1.0  # so that the mean is no pixel's value
    changed = strongly(images, seeded(), TASK)
    assert changed.shape == images.shape and changed.min() >= 0.0 and changed.max() <= 1.0
    hidden = (changed == images.mean()).sum(dim=(1, 2, 3))
    assert hidden.eq(2 * round(HOLE * 8) * round(HOLE * 12)).all()
    assert not changed[0].allclose(changed[1])


def test_a_vector_loses_a_part_of_its_entries() -> None:
    items = torch.rand(400, 50, generator=seeded())
    changed = strongly(items, seeded(), TASK)
    lost = changed != items
    assert torch.where(lost, changed - items.mean(dim=0), 0.0).eq(0.0).all()
    assert abs(float(lost.float().mean()) - LOST) < 0.01


def test_nothing_moves_where_labels_tell_of_places() -> None:
    place: Task = Regression(("x", "y"))
    images = torch.rand(5, 1, 8, 8)
    assert augment(images, seeded(), place) is images


def test_what_was_scaled_otherwise_is_not_cut_off() -> None:
    scaled = 3.0 * torch.randn(40, 2, 8, 8, generator=seeded())
    changed = strongly(scaled, seeded(), TASK)
    assert float(changed.min()) < -2.0 and float(changed.max()) > 2.0
    assert float(changed.min()) >= float(scaled.min()) and float(changed.max()) <= float(
        scaled.max()
    )
