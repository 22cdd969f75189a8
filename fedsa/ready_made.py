"""Teachers that exist already: their files as they stand, put into a simulation's pool.

Nothing of a model is copied: the pool gets the teacher's TOML with the paths of its files made
absolute. What is in the TOML is checked where the teacher is loaded; here only what a pool needs.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedsa.errors import TeacherFileError

_PATHS = ("weights", "program", "onnx", "estimator", "file")  # the keys of [model] that are


def read(path: Path, wanted: str) -> dict[str, Any]:
    """Return a teacher's TOML document, with the paths of its model absolute.

    Parameters
    ----------
    path : Path
        The TOML file.
    wanted : str
        The id that the scenario gives it.

    Raises
    ------
    TeacherFileError
        If it cannot be read, or has another id.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TeacherFileError(
            f"teachers '{wanted}': there is no teacher file '{path}': check the path."
        ) from None
    except (OSError, ValueError) as error:
        raise TeacherFileError(
            f"teachers '{wanted}': the teacher file '{path}' cannot be read: {error}."
        ) from None
    if document.get("id") != wanted:
        raise TeacherFileError(
            f"teachers '{wanted}': the file '{path}' is of the teacher '{document.get('id')}'; "
            "give the scenario's table the same id."
        )
    model = document.get("model")
    if isinstance(model, dict):
        folder = path.absolute().parent
        for key in _PATHS:
            if isinstance(model.get(key), str):
                model[key] = str((folder / model[key]).resolve())
    return document


def fingerprint(path: Path, wanted: str) -> str:
    """Return a hash that changes when a teacher's TOML or a file of its model changes.

    Raises
    ------
    TeacherFileError
        As :func:`read`.
    """
    document = read(path, wanted)
    digest = hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode())
    model = document.get("model")
    for key in _PATHS:
        file = Path(str(model.get(key, ""))) if isinstance(model, dict) else Path()
        if not file.is_file():
            continue
        # An ONNX model's large weights lie beside it under names that begin with its own.
        beside = file.parent.glob(f"{file.name}*") if key == "onnx" else (file,)
        for part in sorted(part for part in beside if part.is_file()):
            with part.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def put(path: Path, wanted: str, folder: Path) -> None:
    """Write ``teacher.toml`` into a pool's folder for a teacher.

    Raises
    ------
    TeacherFileError
        As :func:`read`.
    """
    (folder / "teacher.toml").write_text(toml(read(path, wanted)), encoding="utf-8")


def toml(document: Mapping[str, Any], section: str = "") -> str:
    """Write plain data as TOML.

    JSON's strings, numbers, booleans and lists are TOML's; dates are written as they are.
    """
    text = f"\n[{section}]\n" if section else ""
    for key, value in document.items():
        if not isinstance(value, dict):
            text += f"{_value(key)} = {_value(value)}\n"
    for key, value in document.items():
        if isinstance(value, dict):
            text += toml(value, f"{section}.{_value(key)}" if section else _value(key))
    return text


def _value(value: Any) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(f"{_value(key)} = {_value(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return json.dumps(value)
    return str(value)  # numbers (with inf and nan), dates and times
