"""The compact form of maps: what it keeps, what it costs, and its stream of bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsa.errors import DataError
from fedsa.saliency.compact import CompactMaps, compact, packed_each, unpacked_each


def drawn(seed: int, items: int, *spatial: int) -> torch.Tensor:
    return torch.rand((items, *spatial), generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(3, 20), st.integers(3, 20))
@settings(max_examples=30, deadline=None)
def test_dense_maps_sum_to_one_and_zero_maps_stay_zero(
    seed: int, bits: int, height: int, width: int
) -> None:
    maps = drawn(seed, 3, height, width)
    maps[1] = 0.0
    dense = compact(maps, grid=5, bits=bits).dense()
    assert dense.shape == (3, 25) and dense.dtype == np.float32
    np.testing.assert_allclose(dense.sum(axis=1), [1.0, 0.0, 1.0], atol=1e-6)


@given(st.integers(0, 10**6), st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_quantisation_errs_by_half_a_level(seed: int, bits: int) -> None:
    maps = drawn(seed, 4, 7, 7)
    values = compact(maps, grid=7, bits=bits).values / (2**bits - 1)
    wanted = (maps / maps.flatten(1).amax(dim=1).view(-1, 1, 1)).flatten(1).numpy()
    assert np.abs(values - wanted).max() <= 0.5 / (2**bits - 1) + 1e-6


def test_four_bits_are_close_to_the_exact_map() -> None:
    maps = drawn(0, 50, 28, 28) ** 3
    fine, coarse = compact(maps, 7, 8).dense(), compact(maps, 7, 4).dense()
    cosines = (fine * coarse).sum(1) / np.linalg.norm(fine, axis=1) / np.linalg.norm(coarse, axis=1)
    assert cosines.min() > 0.995


@given(st.floats(1e-30, 1e30))
@settings(deadline=None)
def test_scale_means_nothing(scale: float) -> None:
    maps = drawn(1, 3, 6, 6).double()
    assert np.array_equal(compact(maps, 4, 4).values, compact(maps * scale, 4, 4).values)


def test_pooling_by_hand() -> None:
    maps = torch.tensor(
        [[[4.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0, 0, 0, 0], [0, 0, 2.0, 0]]]
    )
    # Means of the quarters: 1, 1, 0, 1/2; with two bits the levels are thirds of the largest.
    assert compact(maps, 2, 2).values.tolist() == [[3, 3, 0, 2]]


def test_vectors_keep_a_cell_a_feature_up_to_the_grid() -> None:
    assert compact(drawn(0, 2, 5), 3, 4).values.shape == (2, 5)
    assert compact(drawn(0, 2, 100), 3, 4).values.shape == (2, 9)


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(0, 5), st.integers(1, 60))
@settings(deadline=None)
def test_packing_is_lossless_and_costs_what_it_says(
    seed: int, bits: int, items: int, cells: int
) -> None:
    values = np.random.default_rng(seed).integers(0, 1 << bits, (items, cells)).astype(np.uint8)
    maps = CompactMaps(values, bits)
    stream = maps.packed()
    assert len(stream) == maps.nbytes == -(-items * cells * bits // 8)
    assert np.array_equal(CompactMaps.unpacked(stream, items, cells, bits).values, values)


def test_seven_by_seven_at_four_bits_is_25_bytes() -> None:
    assert compact(drawn(0, 1, 28, 28), 7, 4).nbytes == 25


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_maps_that_are_no_maps_are_refused(value: float) -> None:
    maps = drawn(0, 2, 4, 4)
    maps[0, 1, 1] = value
    with pytest.raises(DataError, match="finite and not negative"):
        compact(maps, 2, 4)


def test_streams_and_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="not 2 maps"):
        CompactMaps.unpacked(b"abc", 2, 49, 4)
    with pytest.raises(DataError, match="does not fit 2 bits"):
        CompactMaps(np.full((1, 4), 9, np.uint8), 2)
    with pytest.raises(DataError, match="1 to 8 bits"):
        CompactMaps(np.zeros((1, 4), np.uint8), 9)


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 9), st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_maps_packed_one_by_one(seed: int, bits: int, items: int, cells: int) -> None:
    values = np.random.default_rng(seed).integers(0, 1 << bits, (items, cells), dtype=np.uint8)
    maps = CompactMaps(values, bits)
    streams = packed_each(maps)
    assert streams == [CompactMaps(values[k : k + 1], bits).packed() for k in range(items)]
    back = unpacked_each(streams, cells, bits)
    assert back.bits == bits and np.array_equal(back.values, values)
    for wrong in ([*streams, b""], [streams[0] + b"x"], []):
        with pytest.raises(DataError, match="not one map each"):
            unpacked_each(wrong, cells, bits)
