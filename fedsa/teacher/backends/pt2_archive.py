"""A ``.pt2`` archive written anew of nothing but plain data.

``torch.export.load`` unpickles some parts of an archive and would load compiled libraries; a plain
network needs neither. What is checked here is also what PyTorch reads: not the archive, which two
readers of ZIP files may see differently, but a new one of the parts that were checked.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import torch

from fedsa.teacher.backends import pt2_graph
from fedsa.teacher.backends.pt2_graph import NotPlain

_PARTS = re.compile(
    r"data/weights/(weight_\d+|model_weights_config\.json)"
    r"|data/constants/(tensor_\d+|model_constants_config\.json)"
    r"|models/model\.json|data/sample_inputs/model\.pt"
    r"|archive_format|archive_version|byteorder|\.data/(version|serialization_id)|version"
    r"|\.format_version|\.storage_alignment",
    re.ASCII,
)
_TENSOR = re.compile(r"(weight|tensor)_\d+", re.ASCII)


def plain(content: bytes) -> io.BytesIO:
    """Return an archive of the parts of one, each of them checked.

    Raises
    ------
    NotPlain
        If a part is no plain data.
    zipfile.BadZipFile, KeyError, ValueError, TypeError
        If the archive is damaged.
    """
    anew = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(anew, "w") as made:
        parts = [(name, name.partition("/")[2]) for name in given.namelist()]
        if len({part for _, part in parts}) < len(parts):
            raise NotPlain("two parts of one name")
        for name, part in parts:
            if _PARTS.fullmatch(part) is None:
                raise NotPlain(f"the part {part or name!r}")
            made.writestr(f"model/{part}", _checked(part, given.read(name)))
    anew.seek(0)
    return anew


def _checked(part: str, data: bytes) -> bytes:
    if part.endswith(".pt"):
        return _sample(data)
    if part == "models/model.json":
        return json.dumps(pt2_graph.plain(json.loads(data))).encode()
    if part.endswith(".json"):
        return json.dumps({"config": _tensors(json.loads(data)["config"])}).encode()
    return data


def _sample(data: bytes) -> bytes:
    """Return the example that the program was exported with: PyTorch would unpickle others."""
    try:
        (example,), named = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception:  # any failure is a refusal
        raise NotPlain("sample inputs other than one tensor") from None
    if named or type(example) is not torch.Tensor:
        raise NotPlain("sample inputs other than one tensor")
    anew = io.BytesIO()
    torch.save(((example,), {}), anew)
    return anew.getvalue()


def _tensors(config: dict[str, Any]) -> dict[str, Any]:
    for name, entry in config.items():
        pt2_graph.plain(name, "path")
        if entry["use_pickle"] is not False or _TENSOR.fullmatch(entry["path_name"]) is None:
            raise NotPlain(f"'{name}' as a pickled object")
    return {name: pt2_graph.plain(entry) for name, entry in config.items()}
