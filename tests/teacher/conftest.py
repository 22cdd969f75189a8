"""Real teachers, small enough to be made for a test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fedsa.models import build

TeacherMaker = Callable[..., Path]


def toml(document: dict[str, Any], section: str = "") -> str:
    """Write plain data as TOML (JSON's scalars and lists are TOML too)."""
    plain = {key: value for key, value in document.items() if not isinstance(value, dict)}
    text = f"[{section}]\n" if section else ""
    text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in plain.items())
    for key, value in document.items():
        if isinstance(value, dict):
            text += toml(value, f"{section}.{key}" if section else key)
    return text


@pytest.fixture
def make_teacher(tmp_path: Path) -> TeacherMaker:
    """Return a maker of teacher folders; a section given is merged into the default one."""

    def make(name: str = "mint", outputs: int = 3, **changes: Any) -> Path:
        folder = tmp_path / "pools" / "p" / name
        folder.mkdir(parents=True, exist_ok=True)
        document: dict[str, Any] = {
            "id": name,
            "classes": [f"c{index}" for index in range(outputs)],
            "model": {"factory": "conv", "weights": "weights.safetensors"},
            "input": {"shape": [1, 12, 12]},
        }
        for key, value in changes.items():
            if isinstance(value, dict) and key != "model":
                value = {**document.get(key, {}), **value}
            document[key] = value
        factory = document["model"].get("factory", "conv")
        shape = tuple(document["input"]["shape"])
        if "weights" in document["model"]:
            weights = build(factory, shape, outputs, seed=3).state_dict()
            save_file(weights, folder / "weights.safetensors")
        path = folder / "teacher.toml"
        path.write_text(toml(document))
        return path

    return make


@pytest.fixture
def items() -> np.ndarray:
    """Return ten grey images, uint8 ``(10, 1, 16, 16)``."""
    return np.random.default_rng(0).integers(0, 256, (10, 1, 16, 16), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """The host sets the number of threads of its process; give it back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
