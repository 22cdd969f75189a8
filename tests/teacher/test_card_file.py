"""A teacher's file: every fault at once, pickles refused, misfits named."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fedsa.errors import TeacherFileError
from fedsa.models import build
from fedsa.teacher.card_file import read
from fedsa.teacher.teacher import Teacher

Make = Callable[..., Path]


def _fault(path: Path) -> str:
    with pytest.raises(TeacherFileError) as caught:
        Teacher.load(path)
    return str(caught.value)


def test_a_good_file_gives_absolute_paths(make_teacher: Make) -> None:
    path = make_teacher(licence="CC-BY-4.0", architecture="conv")
    file = read(path)
    assert file.model.weights == path.parent.resolve() / "weights.safetensors"
    assert file.outputs == 3 and file.licence == "CC-BY-4.0" and file.task == "classification"
    assert (file.saliency.grid, file.saliency.bits) == (7, 4)


def test_all_faults_are_reported_at_once(make_teacher: Make) -> None:
    path = make_teacher()
    path.write_text(
        'id = "Mint!"\nclasses = ["a"]\ncolour = 1\n'
        '[model]\nfactory = "conv"\nweights = "gone.safetensors"\n'
        '[input]\nshape = [1, 0, 12]\nlow = "dark"\nstd = [0.0]\n'
    )
    message = _fault(path)
    for part in ("id:", "classes", "colour:", "gone.safetensors", "input.shape.1", "input.low"):
        assert part in message, part
    assert "input.std.0" in message
    assert message.count("classes") == 1 and len(message.splitlines()) == 8


def test_faults_between_keys_are_reported_at_once(make_teacher: Make) -> None:
    message = _fault(
        make_teacher(
            classes=["a", "b", "a"],
            input={"low": 1.0, "high": 0.0, "mean": [0.1, 0.2], "std": [1.0, 1.0, 1.0]},
        )
    )
    for part in ("input.high", "input.mean", "input.std", "classes: a name"):
        assert part in message, part


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"factory": "conv"}, "give factory and weights"),
        ({"weights": "weights.safetensors"}, "give factory and weights"),
        ({}, "give factory and weights"),
        ({"factory": "conv", "weights": "w.safetensors", "program": "m.pt2"}, "not both"),
        ({"program": "m.pt2"}, "there is no file"),
        ({"factory": "conv", "weights": 3}, "model.weights"),
        ({"onnx": "m.onnx", "callable": "a:b"}, "onnx and callable are models each"),
        ({"program": "m.pt2", "weights": "w.safetensors"}, "weights: goes with factory, not with"),
        ({"callable": "a:b", "trusted": ["c"]}, "model.trusted: goes with estimator"),
        ({"estimator": "e.skops", "probabilities": True}, "onnx or callable or backend"),
        ({"callable": "a"}, "write module:attribute"),
        ({"onnx": "m.pt2"}, "should be a .onnx file"),
        ({"backend": "jam", "file": "model.pkl"}, "is a pickle"),
    ],
)
def test_a_model_is_asked_for_in_one_way(make_teacher: Make, model: dict, said: str) -> None:
    path = make_teacher(model=model)
    assert said in _fault(path)


def test_no_file_and_no_toml(tmp_path: Path) -> None:
    assert "There is no teacher file" in _fault(tmp_path / "teacher.toml")
    (tmp_path / "teacher.toml").write_text("id = [")
    assert "not valid TOML" in _fault(tmp_path / "teacher.toml")
    (tmp_path / "teacher.toml").write_bytes(b"\xff\xfe")
    assert "cannot be read" in _fault(tmp_path / "teacher.toml")


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth", "weights.joblib"])
def test_a_pickle_is_refused_by_its_name(make_teacher: Make, name: str) -> None:
    path = make_teacher(model={"factory": "conv", "weights": name})
    torch.save(build("conv", (1, 12, 12), 3, seed=0).state_dict(), path.parent / name)
    assert "is a pickle" in _fault(path)


@pytest.mark.parametrize("write", ["torch", "torch-legacy", "pickle"])
def test_a_pickle_is_refused_by_its_content(make_teacher: Make, write: str) -> None:
    path = make_teacher()
    file = path.parent / "weights.safetensors"
    if write == "pickle":
        file.write_bytes(pickle.dumps({"a": 1}))
    else:
        torch.save({"a": torch.ones(2)}, file, _use_new_zipfile_serialization=write == "torch")
    assert "is a pickle" in _fault(path)


def test_weights_that_do_not_fit_are_named(make_teacher: Make) -> None:
    path = make_teacher()
    state = build("conv", (1, 12, 12), 3, seed=0).state_dict()
    first, second, *_ = state
    state["stranger"] = torch.ones(2)
    state[first] = torch.ones(1, 2)
    del state[second]
    save_file(state, path.parent / "weights.safetensors")
    message = _fault(path)
    assert f"'{first}' is (1, 2) where the model has" in message
    assert f"'{second}'" in message and "is missing" in message
    assert "'stranger' (2,) is not part of the model" in message


def test_weights_of_another_width_are_named_without_listing_everything(make_teacher: Make) -> None:
    path = make_teacher()
    save_file({"a": torch.ones(1)}, path.parent / "weights.safetensors")
    message = _fault(path)
    assert "do not fit the factory 'conv'" in message and " more." in message


def test_damaged_weights_and_unknown_factories(make_teacher: Make) -> None:
    path = make_teacher()
    whole = (path.parent / "weights.safetensors").read_bytes()
    (path.parent / "weights.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "not a whole safetensors file" in _fault(path)
    (path.parent / "weights.safetensors").write_bytes(whole)
    path.write_text(path.read_text().replace('"conv"', '"convv"'))
    assert "Unknown model 'convv'" in _fault(path)
