"""The page on the teacher's file has every key, and its examples make teachers that answer."""

from __future__ import annotations

import json
import re
import tomllib
import warnings
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from fedsa.teacher.card_file import CardFile, read
from fedsa.teacher.model_section import FORMATS
from fedsa.teacher.teacher import Teacher

PAGE = Path(__file__).parents[2] / "docs" / "teacher-file.md"
TEXT = PAGE.read_text(encoding="utf-8")


def _section(kind: Any) -> type[BaseModel] | None:
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    return next(
        (one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)), None
    )


def _keys(model: type[BaseModel], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        inner = _section(field.annotation)
        default = field.get_default(call_default_factory=True)
        if inner is not None:
            found |= _keys(inner, f"{key}.")
        elif default is PydanticUndefined:
            found[key] = "required"
        else:
            found[key] = json.dumps(list(default) if isinstance(default, tuple) else default)
    return found


def _table() -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 4:
            assert cells[0] not in rows
            rows[cells[0].strip(" `")] = cells[1:]
    return rows


def test_the_page_has_every_key_with_its_default() -> None:
    assert {key: cells[1].strip("`") for key, cells in _table().items()} == _keys(CardFile)


def test_every_key_is_explained() -> None:
    assert all(len(cells[2]) > 12 for cells in _table().values())


EXAMPLES = re.findall(
    r"\n### ([^\n]+)\n.*?```python\n(.*?)```.*?```toml\n(.*?)```", TEXT, re.DOTALL
)
SLOW = ("program", "onnx")  # exports take seconds


def _format(toml: str) -> str:
    return next(key for key in FORMATS if key in tomllib.loads(toml)["model"])


def test_there_is_an_example_of_every_format() -> None:
    assert {_format(toml) for _, _, toml in EXAMPLES} == set(FORMATS) - {"backend"}


@pytest.mark.parametrize(
    ("code", "toml"),
    [
        pytest.param(
            code, toml, id=_format(toml), marks=[pytest.mark.slow] * (_format(toml) in SLOW)
        )
        for _, code, toml in EXAMPLES
    ],
)
def test_the_examples_work(
    code: str, toml: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mint_model.py").write_text(code)
    (tmp_path / "teacher.toml").write_text(toml)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code, "example", "exec"), {})
    teacher = Teacher.load(tmp_path / "teacher.toml")
    items = np.zeros((3, *teacher.file.input.shape), np.float32)
    assert np.allclose(teacher.predict(items).sum(axis=1), 1)
    assert teacher.saliency(items[:1], "occlusion").shape[0] == 1


def test_the_whole_file_at_the_top_is_one(tmp_path: Path) -> None:
    shown = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert shown is not None
    (tmp_path / "teacher.toml").write_text(shown[1])
    (tmp_path / "weights.safetensors").write_bytes(b"{}")
    file = read(tmp_path / "teacher.toml")
    assert file.policy is not None and file.policy.hold_unapproved and file.outputs == 10
