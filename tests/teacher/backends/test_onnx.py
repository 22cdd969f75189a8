"""An ONNX model answers as the network it was exported from, and reaches nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fedsa.errors import TeacherFileError
from fedsa.messages import CompactAnswers
from fedsa.models import build
from fedsa.saliency import QUERY_ONLY
from fedsa.teacher.teacher import Teacher

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

Make = Callable[..., Path]
MODEL = {"onnx": "model.onnx"}


def _export(file: Path, model: torch.nn.Module, dynamic: bool = True) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(),
            (torch.zeros(2, 1, 12, 12),),
            file,
            dynamo=True,
            verbose=False,
            external_data=False,
            dynamic_shapes=({0: torch.export.Dim("n")},) if dynamic else None,
        )


def _linear(
    file: Path, outputs: int = 3, domain: str = "", kind: int = TensorProto.FLOAT, **more: Any
) -> Any:
    """Write a linear model over vectors of four by hand; return its matrix."""
    matrix = np.random.default_rng(0).normal(size=(4, outputs)).astype(np.float32)
    kinds = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}
    weight = numpy_helper.from_array(matrix.astype(kinds[kind]), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], domain=domain)]
    nodes += more.get("nodes", [])
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, ["n", 4])],
        [helper.make_tensor_value_info(name, kind, None) for name in more.get("names", ["y"])],
        [weight],
    )
    sets = [helper.make_opsetid("", 18)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(graph, opset_imports=sets, ir_version=9)
    onnx.save(model, file, **more.get("saving", {}))
    return matrix


def _vectors(make: Make, model: dict[str, Any] = MODEL, **more: Any) -> tuple[Path, Any]:
    path = make(model=model, input={"shape": [4]})
    return path, _linear(path.parent / "model.onnx", **more)


ROWS = np.random.default_rng(3).normal(size=(7, 4)).astype(np.float32)


@pytest.mark.slow
def test_the_same_network_answers_alike_in_both_formats(make_teacher: Make) -> None:
    items = np.random.default_rng(1).integers(0, 256, (300, 1, 12, 12), dtype=np.uint8)
    scaling = {"mean": [0.4], "std": [0.3]}
    first = make_teacher(input=scaling)
    network = build("conv", (1, 12, 12), 3, seed=0)
    network.load_state_dict(load_file(first.parent / "weights.safetensors"))
    second = make_teacher("other", model=MODEL, input=scaling)
    _export(second.parent / "model.onnx", network)
    torch_one, onnx_one = Teacher.load(first), Teacher.load(second)
    assert np.allclose(torch_one.logits(items), onnx_one.logits(items), atol=1e-4)
    sent = [
        CompactAnswers.encode(one.predict(items), "uint8").values.astype(int)
        for one in (torch_one, onnx_one)
    ]
    assert np.abs(sent[0] - sent[1]).max() <= 1
    assert not onnx_one.card.gradients and set(onnx_one.card.methods) == QUERY_ONLY
    for method in QUERY_ONLY:
        maps = [one.saliency(items[:5], method) for one in (torch_one, onnx_one)]
        assert torch.allclose(*maps, atol=1e-4)
    assert onnx_one.predict(items[:1]).shape == (1, 3)
    # And one that was exported for batches of one size is refused, with what to do.
    _export(second.parent / "model.onnx", network, dynamic=False)
    with pytest.raises(TeacherFileError, match="batches of any size"):
        Teacher.load(second)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_a_model_by_hand(make_teacher: Make, kind: int) -> None:
    path, matrix = _vectors(make_teacher, kind=kind)
    assert np.allclose(Teacher.load(path).logits(ROWS), ROWS @ matrix, atol=1e-5)


def test_one_of_several_outputs_and_probabilities(make_teacher: Make) -> None:
    nodes = [helper.make_node("Softmax", ["y"], ["p"], axis=1)]
    path, matrix = _vectors(make_teacher, nodes=nodes, names=["y", "p"])
    with pytest.raises(TeacherFileError, match="outputs y, p: name one of them"):
        Teacher.load(path)
    model = {**MODEL, "output": "p", "probabilities": True}
    path, _ = _vectors(make_teacher, model, nodes=nodes, names=["y", "p"])
    raw = torch.from_numpy(ROWS @ matrix).softmax(dim=1).numpy()
    assert np.allclose(Teacher.load(path).predict(ROWS), raw, atol=1e-6)


def test_weights_beside_the_model_stay_in_its_folder(make_teacher: Make, tmp_path: Path) -> None:
    saving = {"save_as_external_data": True, "location": "model.data", "size_threshold": 0}
    path, matrix = _vectors(make_teacher, saving=saving)
    teacher = Teacher.load(path)
    assert np.allclose(teacher.logits(ROWS), ROWS @ matrix, atol=1e-5)
    beside = path.parent / "model.data"
    assert beside in teacher.backend.files
    content, first = beside.read_bytes(), teacher.card.fingerprint
    beside.write_bytes(content[::-1])
    assert Teacher.load(path).card.fingerprint != first
    (tmp_path / "elsewhere.data").write_bytes(content)
    for place in ("../../../elsewhere.data", str(tmp_path / "elsewhere.data"), "gone.data"):
        model = onnx.load(path.parent / "model.onnx", load_external_data=False)
        tensor = model.graph.initializer[0]
        del tensor.external_data[:]
        tensor.external_data.add(key="location", value=place)
        (path.parent / "model.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(TeacherFileError, match="not a file in its folder"):
            Teacher.load(path)
    beside.unlink()
    beside.symlink_to(tmp_path / "elsewhere.data")
    _linear(path.parent / "model.onnx", saving={**saving, "location": "other.data"})
    model = onnx.load(path.parent / "model.onnx", load_external_data=False)
    model.graph.initializer[0].external_data[0].value = "model.data"
    (path.parent / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(TeacherFileError, match="not a file in its folder"):
        Teacher.load(path)


def test_external_data_deep_in_a_subgraph_is_found(make_teacher: Make) -> None:
    hidden = TensorProto(name="h", data_type=TensorProto.FLOAT, dims=[4, 3])
    hidden.data_location = TensorProto.EXTERNAL
    hidden.external_data.add(key="location", value="/etc/passwd")
    branch = helper.make_graph([], "b", [], [], [hidden])
    flag = numpy_helper.from_array(np.array(True), "flag")
    nodes = [
        helper.make_node("Constant", [], ["c"], value=flag),
        helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch),
    ]
    path, _ = _vectors(make_teacher, nodes=nodes)
    with pytest.raises(TeacherFileError, match="'/etc/passwd', which is not a file in its folder"):
        Teacher.load(path)


def test_operators_of_a_library_are_refused(make_teacher: Make) -> None:
    path, _ = _vectors(make_teacher, domain="my.ops")
    with pytest.raises(TeacherFileError, match="operators of 'my.ops'.*compiled library"):
        Teacher.load(path)


def test_damage_and_misfits_are_refused(make_teacher: Make) -> None:
    path, _ = _vectors(make_teacher, outputs=5)
    with pytest.raises(TeacherFileError, match=r"gives \(2, 5\) for 2 items"):
        Teacher.load(path)
    (path.parent / "model.onnx").write_bytes(b"\x08\x09broken")
    with pytest.raises(TeacherFileError, match="not a whole .onnx file|cannot be loaded"):
        Teacher.load(path)


def test_compute_that_does_not_fit_is_refused(make_teacher: Make) -> None:
    path = make_teacher(
        model=MODEL, input={"shape": [4]}, compute={"autocast": "bfloat16", "device": "cuda:99"}
    )
    _linear(path.parent / "model.onnx")
    with pytest.raises(TeacherFileError, match="compute.autocast: goes with a PyTorch model"):
        Teacher.load(path)
    path = make_teacher(model=MODEL, input={"shape": [4]}, compute={"device": "cuda:99"})
    _linear(path.parent / "model.onnx")
    with pytest.raises(TeacherFileError, match="'cuda:99' is not there"):
        Teacher.load(path)
