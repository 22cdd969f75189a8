"""No text in a program's graph runs as code, and programs as PyTorch writes them are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fedsa.errors import TeacherFileError
from fedsa.teacher.backends.program import from_program
from fedsa.teacher.teacher import Teacher
from tests.teacher.backends.programs import change, export

Make = Callable[..., Path]

GRAPH = "models/model.json"
RUN = "__import__('pathlib').Path('ran').touch()"
NAME = """w", open('ran', 'w')) or getattr(self, "w"""


class Small(nn.Module):
    """One layer."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(144, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Give logits."""
        found: Tensor = self.last(x.flatten(1))
        return found


def _replaced(program: Any, old: str, new: str) -> Any:
    return json.loads(json.dumps(program).replace(json.dumps(old), json.dumps(new)))


def _size(program: Any) -> Any:
    """Evaluate a symbolic size."""
    for name in program["graph_module"]["graph"]["tensor_values"].values():
        for size in name["sizes"]:
            if "as_expr" in size:
                size["as_expr"]["expr_str"] = RUN
    return program


def _guard(program: Any) -> Any:
    program["guards_code"] = [f"{RUN} == 0"]
    return program


def _input(program: Any) -> Any:
    """Write a node's name, with a default, into the function's signature."""
    return _replaced(program, "x", f"x={RUN}")


def _argument(program: Any) -> Any:
    (call, *_) = program["graph_module"]["module_call_graph"]
    call["signature"]["forward_arg_names"] = [f'x):\n    """; {RUN} #']
    return program


def _parameter(program: Any) -> Any:
    """Write a parameter's name, which is no identifier, as a text in the function."""
    return _replaced(program, "last.weight", NAME)


def _container(program: Any) -> Any:
    """Import the module of a container's default."""
    (call, *_) = program["graph_module"]["module_call_graph"]
    protocol, spec = json.loads(call["signature"]["in_spec"])
    default = {"default_factory_module": "harmful", "default_factory_name": "x"}
    spec["children_spec"][1] |= {
        "type": "collections.defaultdict",
        "context": {**default, "dict_context": []},
    }
    call["signature"]["in_spec"] = json.dumps([protocol, spec])
    return program


def _operator(target: str, **given: Any) -> Callable[[Any], Any]:
    """Call something before the first operator."""

    def change(program: Any) -> Any:
        inputs = [{"name": name, "arg": value, "kind": 1} for name, value in given.items()]
        node = {"target": target, "inputs": inputs, "metadata": {}, "name": "n"}
        node["outputs"] = [{"as_none": True}]
        program["graph_module"]["graph"]["nodes"].insert(0, node)
        return program

    return change


HARM = {
    "size": _size,
    "guard": _guard,
    "input": _input,
    "argument": _argument,
    "parameter": _parameter,
    "container": _container,
    "function": _operator("torch.os.system", command={"as_string": "touch ran"}),
    "method": _operator("torch.ops.aten.__loader__.__init__", path={"as_string": "ran"}),
    "file": _operator(
        "torch.ops.aten.from_file.default",
        filename={"as_string": "ran"},
        shared={"as_bool": True},
        size={"as_int": 4},
    ),
}


@pytest.mark.parametrize("part", HARM)
def test_a_text_that_could_run_is_refused(
    make_teacher: Make, part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "harmful.py").write_text("open('ran', 'w').close()\n")
    path = make_teacher(model={"program": "model.pt2"})
    file = path.parent / "model.pt2"
    export(file, Small())
    change(file, GRAPH, HARM[part])
    if part == "parameter":
        change(file, "data/weights/model_weights_config.json", HARM[part])
    with pytest.raises(TeacherFileError, match="'model.pt2' holds more than plain data") as refused:
        Teacher.load(path)
    assert not (tmp_path / "ran").exists()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "guard",
    [
        "open('ran', 'w')",
        "L['x'].__class__",
        "L['x'].size()[0] == 2 if open else 1",
        "(lambda: 1)()",
        "L['x'].numpy().tofile('ran')",
        "[1][0]",
        "1 #",
        "1;2",
        "1\n",
    ],
)
def test_a_guard_is_arithmetic_on_sizes(tmp_path: Path, guard: str) -> None:
    file = tmp_path / "model.pt2"
    export(file, Small())
    change(file, GRAPH, lambda program: {**program, "guards_code": [guard]})
    with pytest.raises(TeacherFileError, match="guards_code is"):
        from_program(file, torch.device("cpu"))


class Even(Small):
    """Answers for even batches alone, so that its export has guards."""

    def forward(self, x: Tensor) -> Tensor:
        """Fold the batch, and unfold it."""
        found: Tensor = self.last(x.reshape(x.shape[0] // 2, 2, -1).flatten(0, 1))
        return found


class Many(nn.Module):
    """Many kinds of parts: buffers, constants, texts, infinities, sizes, a graph in the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(
            {
                "a-b": nn.Sequential(nn.Conv2d(1, 4, 3, padding="same"), nn.BatchNorm2d(4)),
                "attention": nn.TransformerEncoderLayer(12, 2, 16, batch_first=True),
            }
        )
        self.last = nn.Linear(12, 3)
        self.steps = torch.arange(12.0)
        self.register_buffer("mask", torch.full((12, 12), float("-inf")).triu(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Use each of them."""
        with torch.no_grad():
            x = nn.functional.interpolate(x, size=(12, 12), mode="bilinear")
        x = nn.functional.gelu(self.parts["a-b"](x), approximate="tanh").mean(1) + self.steps
        x = self.parts["attention"](x.masked_fill(x > 100, float("-inf")), src_mask=self.mask)
        x = torch.cat([x, x])[: x.shape[0]] * (x.shape[0] * 2 + 1)
        best, _ = x.max(1)
        found: Tensor = self.last(torch.einsum("bi,ij->bj", best, torch.eye(12)))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = found @ torch.eye(3)
        return found.float() + 1 / x.shape[0]


@pytest.mark.parametrize("network", [Many, Even])
@pytest.mark.parametrize("batch", [torch.export.Dim.AUTO, None])
def test_a_program_as_pytorch_writes_it_is_read(tmp_path: Path, network: Any, batch: Any) -> None:
    file, items = tmp_path / "model.pt2", torch.rand(4, 1, 12, 12)
    model = network().eval()
    exported = torch.export.export(model, (items,), dynamic_shapes=({0: batch},))
    torch.export.save(exported, file)
    assert bool(exported._guards_code) == (network is Even and batch is not None)
    found = from_program(file, torch.device("cpu"))
    assert torch.allclose(found(items), model(items), atol=1e-5)
    if network is Even:
        with pytest.raises((AssertionError, RuntimeError)):
            found(torch.rand(5, 1, 12, 12))
