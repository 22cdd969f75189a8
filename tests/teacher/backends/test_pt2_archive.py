"""What is loaded of an archive is what was checked, and its sample is one tensor."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from fedsa.errors import TeacherFileError
from fedsa.models import build
from fedsa.teacher.backends.program import from_program
from tests.teacher.backends.programs import change, export, repack

CPU = torch.device("cpu")
GRAPH, WEIGHTS = "models/model.json", "data/weights/model_weights_config.json"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return an honest program."""
    file = tmp_path / "model.pt2"
    export(file, build("conv", (1, 12, 12), 3, seed=0).eval())
    return file


def test_an_archive_behind_another_hides_nothing(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of two that are equally long, Python reads the parts of the last, PyTorch of the first.
    monkeypatch.chdir(tmp_path)
    harmful, guard = tmp_path / "harmful.pt2", "open('ran', 'w')"
    shutil.copyfile(program, harmful)
    change(harmful, GRAPH, lambda held: {**held, "guards_code": [guard], "torch_version": ""})
    version = "2" * (len(guard) + 2)
    change(program, GRAPH, lambda held: {**held, "guards_code": [], "torch_version": version})
    assert len(harmful.read_bytes()) == len(program.read_bytes())
    program.write_bytes(harmful.read_bytes() + program.read_bytes())
    assert from_program(program, CPU)(torch.zeros(2, 1, 12, 12)).shape == (2, 3)
    assert not (tmp_path / "ran").exists()


def _pickled(config: Any) -> Any:
    config["config"]["0.weight"]["use_pickle"] = True
    return config


def _elsewhere(config: Any) -> Any:
    config["config"]["0.weight"]["path_name"] = "opaque_obj_0"
    return config


@pytest.mark.parametrize("how", [_pickled, _elsewhere])
def test_a_weight_is_plain_numbers(program: Path, how: Any) -> None:
    change(program, WEIGHTS, how)
    with pytest.raises(TeacherFileError, match="'0.weight' as a pickled object"):
        from_program(program, CPU)


@pytest.mark.parametrize(
    "sample",
    [
        ((torch.zeros(2, 1, 12, 12),), {"a'": torch.zeros(1)}),
        (("text",), {}),
        ((torch.nn.Parameter(torch.zeros(2, 1, 12, 12)),), {}),
        [],
    ],
)
def test_a_sample_is_one_tensor(program: Path, sample: Any) -> None:
    content = io.BytesIO()
    torch.save(sample, content)
    repack(program, "data/sample_inputs/model.pt", content.getvalue())
    with pytest.raises(TeacherFileError, match="sample inputs other than one tensor"):
        from_program(program, CPU)


@pytest.mark.parametrize("part", [WEIGHTS, GRAPH])
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"config": 3}', b"[" * 100_000])
def test_damage_is_one_sentence(program: Path, part: str, content: bytes) -> None:
    repack(program, part, content)
    with pytest.raises(TeacherFileError, match="is not a whole .pt2 file") as refused:
        from_program(program, CPU)
    assert "\n" not in str(refused.value)
