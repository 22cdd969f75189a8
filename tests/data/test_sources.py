"""The built-in datasets, their names, and the catalogue."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from fedsa.data import DATASETS, Dataset, catalogue, fashion, resolve
from fedsa.data.idx import read_idx
from fedsa.data.transfer import content_hash
from fedsa.errors import DataError, PluginError

ASSETS = Path(fashion.__file__).parent / "assets"


def toy() -> Dataset:
    """Return a dataset, as a user's own module would."""
    inputs, labels = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    return Dataset("toy", inputs, labels, ("a", "b"), inputs[:0], labels[:0])


def broken() -> Dataset:
    """Fail as a user's own code might."""
    raise RuntimeError("the share is not mounted")


def wrong() -> str:
    """Return something else."""
    return "data"


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.mark.parametrize(
    ("name", "shape", "train", "test", "classes"),
    [
        ("fashion-mnist-mini", (1, 28, 28), 12000, 2000, 10),
        ("digits", (1, 8, 8), 1500, 297, 10),
        ("digits-table", (64,), 1500, 297, 10),
        ("breast-cancer", (30,), 455, 114, 2),
        ("noise", (1, 28, 28), 4000, 1000, 10),
    ],
)
def test_each_has_what_the_catalogue_says(
    name: str, shape: tuple[int, ...], train: int, test: int, classes: int
) -> None:
    data = resolve(name)
    assert data.shape == shape
    assert (len(data.inputs), len(data.test_inputs)) == (train, test)
    assert set(np.unique(data.labels)) == set(range(classes))
    entry = next(entry for entry in catalogue() if entry.name == name)
    assert entry.available
    assert entry.items == f"{train:,} + {test:,} of {'x'.join(map(str, shape))}"
    assert (entry.classes, entry.licence) == (str(len(data.classes)), data.licence)


def test_the_mini_set_is_balanced_and_is_what_its_provenance_says() -> None:
    data = resolve("fashion-mnist-mini")
    assert np.bincount(data.labels).tolist() == [1200] * 10
    assert np.bincount(data.test_labels).tolist() == [200] * 10
    text = (ASSETS / "PROVENANCE.md").read_text()
    arrays = [
        data.inputs,
        data.labels.astype(np.uint8),
        data.test_inputs,
        data.test_labels.astype(np.uint8),
    ]
    for array in arrays:
        assert content_hash(array) in text


def test_tables_are_standardised_on_the_training_part() -> None:
    data = resolve("breast-cancer")
    assert np.allclose(data.inputs.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(data.inputs.std(axis=0), 1, atol=1e-4)
    assert not np.allclose(data.test_inputs.mean(axis=0), 0, atol=1e-3)


def test_digits_and_their_table_are_the_same_items_in_the_same_order() -> None:
    pixels, table = resolve("digits"), resolve("digits-table")
    assert np.array_equal(pixels.labels, table.labels)
    flat = pixels.inputs.reshape(1500, 64).astype(float)
    assert np.corrcoef(flat[:, 20], table.inputs[:, 20])[0, 1] > 0.999


def test_noise_is_the_same_every_time() -> None:
    assert np.array_equal(resolve("noise").inputs, resolve("noise").inputs)


def test_the_catalogue_lists_every_builtin() -> None:
    assert {entry.name for entry in catalogue()} == set(DATASETS.names())


def test_a_users_own_dataset_by_import_path() -> None:
    assert resolve(f"{__name__}:toy").name == "toy"
    with pytest.raises(DataError, match="RuntimeError: the share is not mounted"):
        resolve(f"{__name__}:broken")
    with pytest.raises(PluginError, match="returned a str"):
        resolve(f"{__name__}:wrong")


def test_unknown_names_and_paths_say_what_there_is() -> None:
    with pytest.raises(PluginError, match="use one of .*digits.*fashion-mnist-mini"):
        resolve("fashion")
    with pytest.raises(DataError, match="There is no data file 'gone.npz'"):
        resolve("gone.npz")
    with pytest.raises(DataError, match="'/no/where' is not there"):
        resolve("/no/where")


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEDSA_DATA", str(tmp_path))
    monkeypatch.setattr(fashion, "DEBIAN", tmp_path / "none")
    return tmp_path


def test_the_whole_set_is_found_in_a_folder_of_ones_own(own_folder: Path) -> None:
    place = own_folder / "fashion-mnist"
    place.mkdir()
    images = np.arange(2 * 784, dtype=np.uint8).reshape(2, 28, 28)
    for name, array in zip(fashion.FILES, [images, np.array([3, 9], np.uint8)] * 2, strict=True):
        write_idx(place / name, array)
    data = resolve("fashion-mnist")
    assert np.array_equal(data.inputs[:, 0], images)
    assert [data.classes[label] for label in data.test_labels] == ["Dress", "Ankle boot"]
    assert str(place) in data.source


def test_where_the_whole_set_is_missing_one_is_told_how_to_get_it(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion, "downloadable", lambda: False)
    with pytest.raises(DataError, match="apt-get install dataset-fashion-mnist"):
        resolve("fashion-mnist")
    entry = next(entry for entry in catalogue() if entry.name == "fashion-mnist")
    assert not entry.available
    assert "apt-get install" in entry.where


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x01\0\0\0\x05ab", b"\0\0\x0d\x01\0\0\0\0"])
def test_a_damaged_idx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match="not a whole idx file"):
        read_idx(file)
    file.write_bytes(b"no gzip")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(file)
