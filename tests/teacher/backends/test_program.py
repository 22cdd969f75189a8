"""An exported program answers as its network does, and nothing in it can run code."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fedsa.errors import TeacherFileError
from fedsa.models import build
from fedsa.teacher.teacher import Teacher
from tests.teacher.backends.programs import export, repack

Make = Callable[..., Path]


def _model(path: Path) -> torch.nn.Module:
    model = build("conv", (1, 12, 12), 3, seed=0)
    model.load_state_dict(load_file(path.parent / "weights.safetensors"))
    return model.eval()


def test_an_exported_program_answers_as_its_module_does(
    make_teacher: Make, items: np.ndarray
) -> None:
    plain = Teacher.load(make_teacher())
    path = make_teacher("thyme", model={"program": "model.pt2"})
    export(path.parent / "model.pt2", _model(make_teacher()))
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
    export(path.parent / "model.pt2", build("conv", (1, 12, 12), 3, seed=0).eval(), dynamic=False)
    with pytest.raises(TeacherFileError, match="batches of any size"):
        Teacher.load(path)


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
    export(file, build("conv", (1, 12, 12), 3, seed=0).eval())
    bomb = io.BytesIO()
    torch.save(Payload(), bomb)
    if part == "sample":
        repack(file, "data/sample_inputs/model.pt", bomb.getvalue())
    elif part == "constant":
        repack(file, "data/constants/opaque_obj_0", pickle.dumps(Payload()))
    elif part == "library":
        repack(file, "data/aotinductor/model/model.wrapper.so", b"ELF")
    else:
        file.write_bytes(file.read_bytes()[:900])
    with pytest.raises(TeacherFileError, match="more than plain data|not a whole .pt2"):
        Teacher.load(path)
    assert not (tmp_path / "unpickled").exists()


def test_a_model_of_the_wrong_width_or_input_is_refused(make_teacher: Make) -> None:
    path = make_teacher(model={"program": "model.pt2"})
    export(path.parent / "model.pt2", build("conv", (1, 12, 12), 5, seed=0).eval())
    with pytest.raises(TeacherFileError, match=r"gives \(2, 5\) for 2 items"):
        Teacher.load(path)
    export(path.parent / "model.pt2", build("conv", (1, 20, 20), 3, seed=0).eval(), size=20)
    with pytest.raises(TeacherFileError, match="does not run on items of shape"):
        Teacher.load(path)
