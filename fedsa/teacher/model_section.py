"""The ``[model]`` of a teacher's TOML file: one of several formats, and never a pickle."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from pydantic import Field

from fedsa.teacher.section import Section

FORMATS = ("factory", "program", "onnx", "estimator", "callable", "backend")
"""The keys that name a model, of which a file has exactly one."""
FILES = {
    "weights": ".safetensors",
    "program": ".pt2",
    "onnx": ".onnx",
    "estimator": ".skops",
    "file": "",
}
"""The keys that are paths, with the suffix that each must have."""
_COMPANIONS = {
    "weights": ("factory",),
    "output": ("onnx",),
    "trusted": ("estimator",),
    "probabilities": ("onnx", "callable", "backend"),
    "file": ("backend",),
    "options": ("backend",),
}
_PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill")
_INSTEAD = {
    "weights": "save the weights with safetensors.torch.save_file (.safetensors)",
    "program": "save the model with torch.export.save (.pt2)",
    "onnx": "export the model with torch.onnx.export (.onnx)",
    "estimator": "save the estimator with skops.io.dump (.skops)",
    "file": "keep the model in a format that is only data",
}


class ModelSection(Section):
    """Exactly one of :data:`FORMATS` and what goes with it; paths are relative to the file."""

    factory: str | None = None
    """A model's name or ``module:factory``; needs ``weights``."""
    weights: Path | None = None
    program: Path | None = None
    onnx: Path | None = None
    output: str | None = None
    """Which output of an ONNX model, if it has several."""
    estimator: Path | None = None
    trusted: tuple[str, ...] = ()
    """Types that the estimator's file may hold beside those that skops trusts by itself."""
    callable: str | None = None
    """``module:attribute``, called with a float32 array ``(n, *shape)``."""
    probabilities: bool = False
    """Whether the model gives probabilities in place of logits."""
    backend: str | None = None
    """A backend that an installed package offers, or ``module:attribute``."""
    file: Path | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def format(self) -> str:
        """The one of :data:`FORMATS` that is given."""
        return next(name for name in FORMATS if getattr(self, name) is not None)

    def located(self, folder: Path) -> ModelSection:
        """Return the section with absolute paths."""
        paths = {
            key: (folder / file).resolve()
            for key in FILES
            if (file := getattr(self, key)) is not None
        }
        return self.model_copy(update=paths)


def faults(model: Any, folder: Path) -> list[str]:
    """Return what is wrong with a ``[model]`` table as it was read, one sentence a fault."""
    if not isinstance(model, dict):
        return []
    given = [name for name in FORMATS if model.get(name) is not None]
    found = []
    if not given:
        found.append(
            "model: give factory and weights (.safetensors), program (.pt2), onnx (.onnx), "
            "estimator (.skops), callable (module:attribute), or backend."
        )
    elif len(given) > 1:
        found.append(f"model: {' and '.join(given)} are models each; give one, not both.")
    if given == ["factory"] and model.get("weights") is None:
        found.append("model: give factory and weights (.safetensors); the weights are missing.")
    for key, formats in _COMPANIONS.items():
        if key in model and given and not set(formats) & set(given):
            found.append(f"model.{key}: goes with {' or '.join(formats)}, not with {given[0]}.")
    name = model.get("callable")
    if isinstance(name, str) and ":" not in name:
        found.append(f"model.callable: write module:attribute (got '{name}').")
    for key, suffix in FILES.items():
        if isinstance(model.get(key), str):
            found += _file_faults(key, folder / model[key], suffix)
    return found


def _file_faults(key: str, file: Path, suffix: str) -> list[str]:
    pickle = file.suffix in _PICKLES
    if not file.is_file():
        found = [f"model.{key}: there is no file '{file}'."]
    else:
        pickle, found = pickle or _pickled(file), []
    if pickle:
        found.append(
            f"model.{key}: '{file.name}' is a pickle, which can run code when it is read; "
            f"{_INSTEAD[key]}."
        )
    elif suffix and file.suffix != suffix:
        found.append(f"model.{key}: '{file.name}' should be a {suffix} file.")
    return found


def _pickled(file: Path) -> bool:
    """Whether a file is a pickle or holds one as ``torch.save`` writes it."""
    with file.open("rb") as opened:
        head = opened.read(4)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    if head != b"PK\x03\x04":
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False
