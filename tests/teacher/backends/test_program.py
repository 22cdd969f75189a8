"""An exported program answers as its network does, and nothing in it can run code."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fedsa.errors import TeacherFileError
from fedsa.models import build
from fedsa.teacher.teacher import Teacher

Make = Callable[..., Path]


def _model(path: Path) -> torch.nn.Module:
    model = build("conv", (1, 12, 12), 3, seed=0)
    model.load_state_dict(load_file(path.parent / "weights.safetensors"))
    return model.eval()


def _export(path: Path, model: torch.nn.Module, dynamic: bool = True, size: int = 12) -> None:
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    example = (torch.zeros(2, 1, size, size),)
    torch.export.save(torch.export.export(model, example, dynamic_shapes=shapes), path)


def test_an_exported_program_answers_as_its_module_does(
    make_teacher: Make, items: np.ndarray
) -> None:
    plain = Teacher.load(make_teacher())
    path = make_teacher("thyme", model={"program": "model.pt2"})
    _export(path.parent / "model.pt2", _model(make_teacher()))
    exported = Teacher.load(path)
    assert exported.card.gradients
    for count in (1, 2, 10):
        found, wanted = exported.predict(items[:count]), plain.predict(items[:count])
        assert np.allclose(found, wanted, atol=1e-5)
    for method in ("occlusion", "gradient-x-input", "smooth-grad", "integrated-gradients"):
        found, wanted = exported.saliency(items[:3], method), plain.saliency(items[:3], method)
        assert torch.allclose(found, wanted, atol=1e-4), method
        assert exported.saliency(items[:1], method).shape == (1, 12, 12)


def test_a_program_for_one_batch_size_is_refused(make_teacher: Make) -> None:
    path = make_teacher(model={"program": "model.pt2"})
    _export(path.parent / "model.pt2", build("conv", (1, 12, 12), 3, seed=0).eval(), dynamic=False)
    with pytest.raises(TeacherFileError, match="batches of any size"):
        Teacher.load(path)


def _repacked(file: Path, name: str, content: bytes) -> None:
    """Write an archive anew with one member put in or replaced."""
    with zipfile.ZipFile(file) as archive:
        members = {info: archive.read(info) for info in archive.namelist()}
    root = next(iter(members)).partition("/")[0]
    members[f"{root}/{name}"] = content
    with zipfile.ZipFile(file, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)


class Payload:
    """Something that would do harm when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("unpickled"),))


@pytest.mark.parametrize("part", ["sample", "constant", "library", "damaged"])
def test_a_program_that_could_run_code_is_refused(
    make_teacher: Make, part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    path = make_teacher(model={"program": "model.pt2"})
    file = path.parent / "model.pt2"
    _export(file, build("conv", (1, 12, 12), 3, seed=0).eval())
    bomb = io.BytesIO()
    torch.save(Payload(), bomb)
    if part == "sample":
        _repacked(file, "data/sample_inputs/model.pt", bomb.getvalue())
    elif part == "constant":
        _repacked(file, "data/constants/opaque_obj_0", pickle.dumps(Payload()))
    elif part == "library":
        _repacked(file, "data/aotinductor/model/model.wrapper.so", b"ELF")
    else:
        file.write_bytes(file.read_bytes()[:900])
    with pytest.raises(TeacherFileError, match="more than plain data|not a whole .pt2"):
        Teacher.load(path)
    assert not (tmp_path / "unpickled").exists()


def test_a_model_of_the_wrong_width_or_input_is_refused(make_teacher: Make) -> None:
    path = make_teacher(model={"program": "model.pt2"})
    _export(path.parent / "model.pt2", build("conv", (1, 12, 12), 5, seed=0).eval())
    with pytest.raises(TeacherFileError, match=r"gives \(2, 5\) for 2 items"):
        Teacher.load(path)
    _export(path.parent / "model.pt2", build("conv", (1, 20, 20), 3, seed=0).eval(), size=20)
    with pytest.raises(TeacherFileError, match="does not run on items of shape"):
        Teacher.load(path)
