"""Preprocessing: known answers for channels, sizes, ranges; what cannot be brought is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fedsa.teacher import preprocessing
from fedsa.teacher.card_file import InputSection
from fedsa.teacher.faults import Fault
from fedsa.teacher.preprocessing import LUMINANCE, Scale, Scaled, fit


def test_bytes_become_shares_and_floats_stay() -> None:
    bytes_ = np.array([[[[0, 51], [255, 102]]]], dtype=np.uint8)
    assert torch.allclose(fit(bytes_, (1, 2, 2)), torch.tensor([[[[0.0, 0.2], [1.0, 0.4]]]]))
    floats = np.array([[[[-3.0, 0.5], [7.0, 0.0]]]], dtype=np.float32)
    assert torch.equal(fit(floats, (1, 2, 2)), torch.from_numpy(floats))


def test_grey_is_repeated_and_colour_becomes_luminance() -> None:
    grey = np.full((1, 1, 2, 2), 0.25, dtype=np.float32)
    assert torch.equal(fit(grey, (3, 2, 2)), torch.full((1, 3, 2, 2), 0.25))
    colour = np.zeros((3, 3, 1, 1), dtype=np.float32)
    colour[0, 0] = colour[1, 1] = colour[2, 2] = 1.0
    assert fit(colour, (1, 1, 1)).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])


def test_bilinear_resize_known_answers() -> None:
    small = np.array([[[[0.0, 1.0], [0.0, 1.0]]]], dtype=np.float32)
    # Centres of four pixels fall at -.25, .25, .75, 1.25 of the two: 0, 1/4, 3/4, 1.
    row = [0.0, 0.25, 0.75, 1.0]
    assert fit(small, (1, 4, 4))[0, 0].tolist() == [pytest.approx(row)] * 4
    # Made half as large, a pixel is a weighted mean of its neighbourhood, not a sample of it.
    checked = np.indices((8, 8)).sum(axis=0)[None, None].astype(np.float32) % 2
    assert torch.allclose(fit(checked, (1, 4, 4)), torch.full((1, 1, 4, 4), 0.5), atol=0.02)


def test_channels_and_size_together() -> None:
    items = np.random.default_rng(0).integers(0, 256, (5, 1, 28, 28), dtype=np.uint8)
    found = fit(items, (3, 32, 32))
    assert found.shape == (5, 3, 32, 32)
    assert torch.equal(found[:, 0], found[:, 2]) and found.min() >= 0 and found.max() <= 1


def _whole(items: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    """Return what :func:`fit` gives, all items at once and a channel repeated before the rest."""
    images = torch.from_numpy(items).float()
    images = images / 255 if items.dtype == np.uint8 else images
    if items.shape[1] < shape[0]:
        images = images.repeat(1, 3, 1, 1)
    elif items.shape[1] > shape[0]:
        images = (images * torch.tensor(LUMINANCE).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    if images.shape[2:] == shape[1:]:
        return images
    return F.interpolate(images, shape[1:], mode="bilinear", align_corners=False, antialias=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    ("have", "want"),
    [
        ((1, 28, 28), (3, 28, 28)),
        ((1, 28, 28), (3, 32, 20)),
        ((1, 40, 40), (3, 8, 8)),
        ((3, 40, 30), (1, 8, 8)),
        ((3, 30, 30), (1, 30, 30)),
        ((3, 7, 7), (3, 30, 30)),
        ((2, 9, 9), (2, 5, 5)),
    ],
)
def test_large_items_are_resized_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch, dtype: type, have: Any, want: Any
) -> None:
    items = np.random.default_rng(0).integers(0, 256, (7, *have)).astype(dtype)
    wanted = _whole(items, want)
    at_once: list[int] = []
    resize = F.interpolate

    def noted(images: Tensor, **options: Any) -> Tensor:
        at_once.append(images.nbytes)
        return resize(images, **options)

    monkeypatch.setattr(F, "interpolate", noted)
    for most in (3 * items[0].size * 4, 1):
        monkeypatch.setattr(preprocessing, "SLICE", most)
        assert torch.equal(fit(items, want), wanted)
        assert max(at_once, default=0) <= max(most, items[0].size * 4)
        at_once.clear()


@pytest.mark.parametrize(
    ("have", "want"),
    [
        ((4, 8, 8), (3, 8, 8)),
        ((2, 8, 8), (1, 8, 8)),
        ((10,), (9,)),
        ((10,), (1, 8, 8)),
        ((1, 8, 8), (64,)),
        ((4, 8), (4, 9)),
    ],
)
def test_what_cannot_be_brought_is_refused(have: tuple[int, ...], want: tuple[int, ...]) -> None:
    with pytest.raises(Fault, match="shape"):
        fit(np.zeros((2, *have), dtype=np.float32), want)


def test_range_then_mean_and_deviation_by_channel() -> None:
    section = InputSection(
        shape=(3, 1, 1), low=-1.0, high=1.0, mean=(0.0, 0.5, -1.0), std=(1.0, 0.5, 2.0)
    )
    inputs = torch.tensor([0.0, 0.5, 1.0]).view(1, 3, 1, 1)
    # 0 -> -1 -> -1;  .5 -> 0 -> (0 - .5) / .5 = -1;  1 -> 1 -> (1 + 1) / 2 = 1
    assert Scale.of(section)(inputs).flatten().tolist() == pytest.approx([-1.0, -1.0, 1.0])


def test_vectors_are_scaled_by_feature_and_the_default_changes_nothing() -> None:
    inputs = torch.tensor([[2.0, 4.0]])
    section = InputSection(shape=(2,), mean=(1.0, 2.0), std=(1.0, 4.0))
    assert Scale.of(section)(inputs).tolist() == [[1.0, 0.5]]
    assert torch.equal(Scale.of(InputSection(shape=(2,)))(inputs), inputs)


def test_scaled_passes_gradients() -> None:
    scale = Scale.of(InputSection(shape=(2,), std=(0.5,)))
    inputs = torch.ones(1, 2, requires_grad=True)
    Scaled(scale, torch.nn.Identity())(inputs).sum().backward()
    assert inputs.grad is not None and inputs.grad.tolist() == [[2.0, 2.0]]


def test_a_read_only_memory_map_is_not_written_to() -> None:
    items = np.ones((2, 3), dtype=np.float32)
    items.flags.writeable = False
    fit(items, (3,)).zero_()
    assert items.sum() == 6
