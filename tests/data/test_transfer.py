"""Transfer sets are known by their content."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from fedsa.data.transfer import TransferSet, content_hash, to_float


def test_the_hash_is_over_dtype_shape_and_bytes() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    expected = hashlib.sha256(b"uint8[2, 3]" + bytes(range(6))).hexdigest()
    assert content_hash(array) == expected


def test_other_content_shape_or_dtype_is_another_hash() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    changed = array.copy()
    changed[1, 2] = 0
    others = [changed, array.reshape(3, 2), array.view(np.int8)]
    assert len({content_hash(a) for a in [array, *others]}) == 4


def test_layout_and_byte_order_do_not_matter() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert content_hash(np.asfortranarray(array)) == content_hash(array)
    assert content_hash(array.astype(">f4")) == content_hash(array)


def test_a_transfer_set_carries_its_hash() -> None:
    transfer = TransferSet(np.zeros((3, 2), np.float32))
    assert len(transfer) == 3
    assert transfer.hash == content_hash(transfer.array)


def test_images_become_fractions_and_tables_stay() -> None:
    pixels = to_float(np.array([[[[0, 51, 255]]]], np.uint8))
    assert pixels.dtype == torch.float32
    assert torch.allclose(pixels, torch.tensor([[[[0.0, 0.2, 1.0]]]]))
    table = np.array([[-3.5, 800.0]], np.float32)
    assert torch.equal(to_float(table), torch.tensor([[-3.5, 800.0]]))
