"""A user's own data, and each thing that can be wrong with it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fedsa.data import resolve
from fedsa.data.files import fingerprint
from fedsa.errors import DataError

PIXELS = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)
LABELS = np.array([0, 1, 1, 0], np.uint8)


def save(path: Path, **arrays: Any) -> str:
    np.savez(path / "mine.npz", **arrays)
    return str(path / "mine.npz")


def paint(path: Path, size: tuple[int, int] = (8, 8), mode: str = "L", value: int = 7) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def test_grey_images_get_a_channel_and_classes_their_numbers(tmp_path: Path) -> None:
    data = resolve(save(tmp_path, inputs=PIXELS, labels=LABELS))
    assert data.shape == (1, 8, 8)
    assert np.array_equal(data.inputs[:, 0], PIXELS)
    assert data.classes == ("0", "1")
    assert len(data.test_inputs) == 0


def test_a_table_with_named_labels_and_a_test_set(tmp_path: Path) -> None:
    names = np.array(["yes", "no", "no", "yes"])
    table = np.arange(12).reshape(4, 3)
    data = resolve(
        save(tmp_path, inputs=table, labels=names, test_inputs=table[:1], test_labels=names[:1])
    )
    assert data.inputs.dtype == np.float32
    assert data.classes == ("no", "yes")
    assert data.labels.tolist() == [1, 0, 0, 1]
    assert data.test_labels.tolist() == [1]


def test_labels_may_be_unknown(tmp_path: Path) -> None:
    data = resolve(save(tmp_path, inputs=PIXELS, labels=np.array([0, -1, 1, -1])))
    assert data.labels.tolist() == [0, -1, 1, -1] and data.classes == ("0", "1")
    named = resolve(save(tmp_path, inputs=PIXELS, labels=np.array(["yes", "", "no", ""])))
    assert named.labels.tolist() == [1, -1, 0, -1] and named.classes == ("no", "yes")
    none = resolve(save(tmp_path, inputs=PIXELS, labels=np.full(4, -1), classes=["dog", "cat"]))
    assert none.labels.tolist() == [-1] * 4


def test_classes_in_the_order_given(tmp_path: Path) -> None:
    data = resolve(save(tmp_path, inputs=PIXELS, labels=LABELS, classes=["dog", "cat"]))
    assert data.classes == ("dog", "cat")


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"labels": LABELS}, "has no array 'inputs'"),
        ({"inputs": PIXELS}, "has no array 'labels'"),
        ({"inputs": PIXELS, "labels": np.array([0, 1, None, 0])}, "a pickle"),
        ({"inputs": PIXELS, "labels": LABELS / 2}, "labels are float64"),
        ({"inputs": PIXELS, "labels": LABELS[:3]}, r"shape \(4,\) is needed"),
        ({"inputs": np.full((4, 2), np.nan), "labels": LABELS}, "NaN"),
        ({"inputs": np.full((4, 2), 1e300), "labels": LABELS}, "infinite"),
        ({"inputs": np.zeros((4, 1, 8, 8), int), "labels": LABELS}, "save images as uint8"),
        (
            {"inputs": np.zeros((4, 8, 8, 3), np.uint8), "labels": LABELS},
            r"moveaxis\(inputs, -1, 1",
        ),
        ({"inputs": PIXELS, "labels": np.full(4, -1)}, "no label that tells a class"),
        ({"inputs": np.full((4, 2), "x"), "labels": LABELS}, "not numbers"),
        ({"inputs": PIXELS, "labels": LABELS, "test_inputs": PIXELS}, "both test_inputs and"),
        ({"inputs": PIXELS, "labels": LABELS, "classes": ["a"]}, "hold 1, but the 1 classes"),
        (
            {"inputs": PIXELS, "labels": np.array(list("abab")), "classes": ["a"]},
            "'b' is not one of its classes",
        ),
    ],
)
def test_each_fault_of_an_npz(tmp_path: Path, arrays: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        resolve(save(tmp_path, **arrays))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_npz(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"'.*bad\.npz' is not a whole \.npz file"):
        resolve(str(tmp_path / "bad.npz"))


def test_a_lone_array_is_no_npz(tmp_path: Path) -> None:
    with (tmp_path / "bad.npz").open("wb") as file:
        np.save(file, PIXELS)
    with pytest.raises(DataError, match="not a whole .npz"):
        resolve(str(tmp_path / "bad.npz"))


def test_channels_may_be_as_many_as_the_width(tmp_path: Path) -> None:
    one = np.zeros((4, 1, 8, 3), np.uint8)
    assert resolve(save(tmp_path, inputs=one, labels=LABELS)).inputs.shape == (4, 1, 8, 3)


def test_a_file_of_another_kind_is_there_and_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "bad.npy", PIXELS)
    with pytest.raises(DataError, match="is no data that fedsa reads: give an .npz"):
        resolve(str(tmp_path / "bad.npy"))


def test_folders_of_images(tmp_path: Path) -> None:
    paint(tmp_path / "train" / "cat" / "b.png", value=2)
    paint(tmp_path / "train" / "cat" / "a.png", value=1)
    paint(tmp_path / "train" / "dog" / "c.png", value=3)
    paint(tmp_path / "test" / "dog" / "d.png", value=4)
    (tmp_path / "train" / "dog" / "notes.txt").write_text("not an image")
    (tmp_path / "unlabelled").mkdir()
    assert resolve(str(tmp_path)).labels.tolist() == [0, 0, 1]
    paint(tmp_path / "unlabelled" / "e.png", value=5)
    unlabelled = resolve(str(tmp_path))
    assert unlabelled.inputs[:, 0, 0, 0].tolist() == [1, 2, 3, 5]
    assert unlabelled.labels.tolist() == [0, 0, 1, -1]
    assert unlabelled.where(3) == "unlabelled/e.png" and len(unlabelled.files) == 4
    shutil.rmtree(tmp_path / "unlabelled")
    data = resolve(str(tmp_path))
    assert data.classes == ("cat", "dog")
    assert data.inputs[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert data.labels.tolist() == [0, 0, 1]
    assert data.test_inputs[:, 0, 0, 0].tolist() == [4]
    assert data.test_labels.tolist() == [1]


def test_one_image_in_colour_makes_all_rgb(tmp_path: Path) -> None:
    paint(tmp_path / "train" / "cat" / "a.png", value=9)
    (tmp_path / "train" / "dog").mkdir()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "train" / "dog" / "b.png")
    data = resolve(str(tmp_path))
    assert data.inputs[:, :, 0, 0].tolist() == [[9, 9, 9], [1, 2, 3]]


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    paint(tmp_path / "train" / "cat" / "a.png")
    paint(tmp_path / "train" / "cat" / "odd.png", size=(9, 8))
    with pytest.raises(DataError, match=r"odd\.png' is 9 x 8 but '.*a\.png' is 8 x 8"):
        resolve(str(tmp_path))


def test_faults_of_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder 'train'"):
        resolve(str(tmp_path))
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="make one for each class"):
        resolve(str(tmp_path))
    (tmp_path / "train" / "cat").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        resolve(str(tmp_path))
    (tmp_path / "train" / "cat" / "a.png").write_bytes(b"no png")
    with pytest.raises(DataError, match=r"The image '.*a\.png' cannot be read"):
        resolve(str(tmp_path))
    paint(tmp_path / "train" / "cat" / "a.png")
    paint(tmp_path / "test" / "bird" / "a.png")
    with pytest.raises(DataError, match=r"bird' is a class that"):
        resolve(str(tmp_path))


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    path = Path(save(tmp_path, inputs=PIXELS, labels=LABELS))
    first = fingerprint(path)
    assert fingerprint(path) == first
    save(tmp_path, inputs=PIXELS[::-1], labels=LABELS)
    assert fingerprint(path) != first
    before = fingerprint(tmp_path)
    (tmp_path / "more.txt").write_text("x")
    assert fingerprint(tmp_path) != before
