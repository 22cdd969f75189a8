"""Simulated teachers are trained once and kept as an institution would."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fedsa import pools
from fedsa.data import resolve
from fedsa.data.splits import split
from fedsa.data.transfer import to_float
from fedsa.errors import PluginError, RunError
from fedsa.models import build
from fedsa.pools import build_pool, pool_key
from fedsa.private_training import Scaling, augment
from fedsa.scenario import Scenario, parse

TEACHERS = [
    {"id": "pixels", "model": "conv", "data": "digits", "items": 60, "epochs": 1},
    {"id": "table", "model": "mlp", "data": "digits-table", "items": 400, "epochs": 8},
    {"id": "fresh", "model": "mlp", "data": "digits-table", "items": 50, "epochs": 0},
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEDSA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def scenario(**changes: Any) -> Scenario:
    document = {
        "name": "toy",
        "task": {"data": "digits-table", "items": 200, "label-share": 0.1},
        "saliency": {"probe-items": 2},
        "selection": {"response-items": 2},
        "teachers": TEACHERS,
    }
    return parse(document | changes)


def make(wanted: Scenario) -> tuple[Path, list[tuple[str, int, int]]]:
    calls: list[tuple[str, int, int]] = []
    folder = build_pool(wanted, split(wanted), lambda *call: calls.append(call))
    return folder, calls


def state(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_pool_is_built_once(cache: Path) -> None:
    folder, calls = make(scenario())
    assert folder == cache / "pools" / pool_key(scenario())
    assert calls == [("pixels", 0, 3), ("table", 1, 3), ("fresh", 2, 3), ("fresh", 3, 3)]
    ids = ["pixels", "table", "fresh"]
    files = {f"{name}/{file}" for name in ids for file in ("teacher.toml", "weights.safetensors")}
    assert set(state(folder)) == files | {"pool.json"}
    before = state(folder)
    assert make(scenario()) == (folder, [("fresh", 3, 3)])
    assert state(folder) == before


def test_the_same_seed_trains_the_same_teachers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = make(scenario())
    monkeypatch.setenv("FEDSA_CACHE", str(tmp_path / "other"))
    torch.rand(5)  # the global generator's state must not matter
    second, _ = make(scenario())
    assert first != second
    assert state(first) == state(second)


def test_a_killed_build_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = make(scenario())
    expected = state(whole)
    for name in ("table/teacher.toml", "table/weights.safetensors", "pool.json"):
        (whole / name).unlink()
    (whole / "table").rmdir()
    (whole / ".table-left").mkdir()
    _, calls = make(scenario())
    assert calls == [("table", 2, 3), ("fresh", 3, 3)]
    assert state(whole) == expected

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pools, "save_file", killed)
    fresh = scenario(seed=5)
    folder = whole.parent / pool_key(fresh)
    folder.mkdir()
    first = fresh.pool()[0]
    with pytest.raises(KeyboardInterrupt):
        pools._make(folder, first, split(fresh).shards[first.id], fresh.seed)
    assert list(folder.iterdir()) == []  # nothing half made is left to be taken for a teacher


def test_a_card_says_how_to_use_the_weights() -> None:
    folder, _ = make(scenario())
    card = tomllib.loads((folder / "table" / "teacher.toml").read_text())
    assert card["id"] == "table"
    assert card["task"] == "classification"
    assert card["classes"] == list("0123456789")
    assert (card["licence"], card["architecture"]) == ("CC-BY-4.0", "mlp")
    assert card["model"] == {"factory": "mlp", "weights": "weights.safetensors"}
    scale = card["input"]
    assert (scale["shape"], scale["low"], scale["high"]) == ([64], 0.0, 1.0)
    model = build("mlp", (64,), 10, seed=0)
    model.load_state_dict(load_file(folder / "table" / "weights.safetensors"))
    data = resolve("digits-table")
    inputs = (to_float(data.test_inputs) - scale["mean"][0]) / scale["std"][0]
    hits = model.eval()(inputs).argmax(dim=1).numpy() == data.test_labels
    assert hits.mean() > 0.85
    assert tomllib.loads((folder / "pixels" / "teacher.toml").read_text())["input"]["shape"] == [
        1,
        8,
        8,
    ]


def test_no_epochs_means_untrained() -> None:
    folder, _ = make(scenario())
    weights = load_file(folder / "fresh" / "weights.safetensors")
    assert int(weights["2.num_batches_tracked"]) == 0
    trained = load_file(folder / "table" / "weights.safetensors")
    assert int(trained["2.num_batches_tracked"]) == 8 * (400 // 32)


def test_the_key_follows_the_code_that_makes_teachers(monkeypatch: pytest.MonkeyPatch) -> None:
    before, asked = pool_key(scenario()), []
    monkeypatch.setattr("fedsa.pools.parts", lambda *beginnings: asked.append(beginnings) or "new")
    assert pool_key(scenario()) != before
    assert {"models/", "data/", "private_training.py"} <= set(asked[0])


def test_the_key_follows_what_matters_and_nothing_else(tmp_path: Path) -> None:
    def changed(**change: Any) -> str:
        return pool_key(scenario(teachers=[TEACHERS[0] | change, *TEACHERS[1:]]))

    task = {"data": "digits-table", "items": 200, "label-share": 0.1}
    same = [
        scenario(rounds=9),
        scenario(task=task | {"label-share": 0.5}),
        scenario(student={"steps": 3}),
    ]
    assert {pool_key(one) for one in same} == {pool_key(scenario())}
    assert changed(relevant=False) == pool_key(scenario())
    others = [
        changed(epochs=2),
        changed(items=61),
        changed(model="resnet8"),
        changed(**{"label-noise": 0.5}),
        pool_key(scenario(seed=1)),
        pool_key(scenario(task=task | {"items": 201})),
        pool_key(scenario(teachers=TEACHERS[:2])),
    ]
    assert len({*others, pool_key(scenario())}) == len(others) + 1
    mine = tmp_path / "mine.npz"
    np.savez(mine, inputs=np.eye(4), labels=np.arange(4) % 2)
    first = changed(data=str(mine))
    np.savez(mine, inputs=2 * np.eye(4), labels=np.arange(4) % 2)
    assert changed(data=str(mine)) != first


def test_a_cache_that_cannot_be_written_is_named(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(RunError, match="set FEDSA_CACHE to a folder that can be written"):
        make(scenario())


def test_a_model_that_does_not_fit_its_data_is_named() -> None:
    with pytest.raises(PluginError, match="'conv' cannot be built for items of shape"):
        make(scenario(teachers=[TEACHERS[1] | {"model": "conv"}]))


def test_one_item_is_enough() -> None:
    one = {"items": 2, "classes": ["0", "1"], "epochs": 1}
    folder, _ = make(scenario(teachers=[TEACHERS[0] | one, TEACHERS[1] | one | {"items": 1}]))
    for name in ("pixels", "table"):
        weights = load_file(folder / name / "weights.safetensors")
        assert all(torch.isfinite(value).all() for value in weights.values())


def test_scaling_by_hand() -> None:
    images = np.array([[[[0, 255]], [[51, 51]]]], np.uint8)
    scaling = Scaling.of(images)
    assert scaling.mean.tolist() == [0.5, 0.2]
    assert scaling.std.tolist() == [0.5, 1.0]  # the second channel is constant
    assert torch.allclose(scaling(to_float(images)), torch.tensor([[[[-1.0, 1.0]], [[0.0, 0.0]]]]))
    table = Scaling.of(np.array([[1.0, 3.0]], np.float32))
    assert (table.mean.tolist(), table.std.tolist()) == ([2.0], [1.0])


def test_augmentation_moves_by_one_pixel_at_most() -> None:
    images = torch.zeros(200, 2, 9, 9)
    images[:, :, 4, 4] = 1
    moved = augment(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    assert torch.equal(moved[:, 0], moved[:, 1])
    assert torch.equal(moved[:, :, 3:6, 3:6].sum(dim=(1, 2, 3)), torch.full((200,), 2.0))
    assert len(torch.unique(moved.flatten(1), dim=0)) == 9
