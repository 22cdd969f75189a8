"""Occlusion and RISE: their patches and masks, and maps that can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedsa.saliency.batches import CHUNK
from fedsa.saliency.perturbation import CELLS, lattice, occlusion, random_masks, rise


@given(st.lists(st.integers(1, 40), min_size=1, max_size=2))
def test_patches_are_few_and_cover_everything(spatial: list[int]) -> None:
    patches = lattice(tuple(spatial))
    assert patches.shape[1:] == tuple(spatial)
    assert len(patches) <= CELLS
    assert (patches.sum(dim=0) >= 1).all()
    assert set(patches.unique().tolist()) <= {0.0, 1.0}


@given(st.lists(st.integers(1, 33), min_size=1, max_size=2), st.integers(0, 5))
def test_masks_are_shares_and_pairs_are_complementary(spatial: list[int], seed: int) -> None:
    masks = random_masks(tuple(spatial), 10, seed)
    assert masks.shape == (10, *spatial)
    assert masks.min() >= 0 and masks.max() <= 1
    torch.testing.assert_close(masks[:5] + masks[5:], torch.ones_like(masks[:5]))


def brightness(inputs: Tensor) -> Tensor:
    """Two classes by the light in the upper left quarter of 14 x 14 images."""
    light = inputs[:, 0, :7, :7].mean(dim=(1, 2))
    return torch.stack([4 * light, torch.zeros_like(light)], dim=1)


def test_occlusion_is_the_drop_of_the_own_class() -> None:
    def answer(inputs: Tensor) -> Tensor:
        return torch.stack([inputs[:, 0], torch.zeros(len(inputs))], dim=1)

    found = occlusion(answer, torch.tensor([[math.log(3.0), 5.0], [-1.0, 5.0]]))
    # (3/4, 1/4) becomes (1/2, 1/2) without the first feature: the own class drops by 1/4.
    drop = math.e / (1 + math.e) - 0.5
    torch.testing.assert_close(found, torch.tensor([[0.25, 0.0], [drop, 0.0]]))


def test_being_surer_without_a_feature_is_no_drop() -> None:
    def answer(inputs: Tensor) -> Tensor:
        return torch.stack([inputs[:, 0] - inputs[:, 1], torch.zeros(len(inputs))], dim=1)

    found = occlusion(answer, torch.tensor([[2.0, 1.0]]))
    assert found[0, 0] > 0 and found[0, 1] == 0


@given(st.floats(0.1, 10), st.floats(-3, 3))
def test_normalised_images_are_covered_alike(scale: float, shift: float) -> None:
    x = torch.rand(2, 1, 14, 14, generator=torch.Generator().manual_seed(0))
    plain = occlusion(brightness, x)
    other = occlusion(lambda inputs: brightness((inputs - shift) / scale), x * scale + shift)
    torch.testing.assert_close(plain, other, atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("method", [occlusion, rise])
def test_attention_is_found_where_it_is(method: object) -> None:
    x = torch.ones(2, 1, 14, 14)
    x[:, :, ::2, ::2] = 0.0
    found = method(brightness, x)  # type: ignore[operator]
    inside = found[:, :7, :7].mean()
    outside = (found.sum() - found[:, :7, :7].sum()) / (found.numel() - 2 * 49)
    assert inside > 1.5 * outside


def test_batches_stay_bounded_whatever_the_number_of_items() -> None:
    sizes = []

    def counting(inputs: Tensor) -> Tensor:
        sizes.append(len(inputs))
        return inputs[:, :2]

    occlusion(counting, torch.rand(200, 30))
    assert max(sizes) <= CHUNK
    assert sum(sizes) == 200 * 31
