"""An ONNX model, run by ONNX Runtime; screened for what would reach beyond its folder.

A model may keep its weights in files beside it, by paths that it names itself, and may ask for
operators of a compiled library. The paths must stay in its folder; the library is never loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedsa.errors import TeacherFileError
from fedsa.teacher.backends import package
from fedsa.teacher.backends.probabilities import to_logits
from fedsa.teacher.card_file import CardFile

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")  # what ONNX Runtime has built in
_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
_GPU = "CUDAExecutionProvider"


class OnnxBackend:
    """A session of ONNX Runtime with one input.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        Ready to run.
    output : str
        Name of the output that is asked for.
    probabilities : bool
        Whether it gives probabilities.
    files : tuple[Path, ...]
        What it was loaded from.
    """

    module = None
    device = torch.device("cpu")  # of its inputs; the session moves them itself

    def __init__(
        self, session: Any, output: str, probabilities: bool, files: tuple[Path, ...]
    ) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._type = _TYPES[session.get_inputs()[0].type]
        self._output = output
        self._probabilities = probabilities
        self.files = files

    def forward(self, inputs: Tensor) -> Tensor:
        """Return raw outputs; see :class:`~fedsa.teacher.backends.Backend`."""
        given = {self._input: inputs.numpy().astype(self._type, copy=False)}
        (found,) = self._session.run([self._output], given)
        if self._probabilities:
            found = to_logits(found)
        return torch.from_numpy(np.asarray(found, np.float32))


def load(card: CardFile, device: torch.device) -> OnnxBackend:
    """Load the model that a card file names.

    Raises
    ------
    TeacherFileError
        If it is damaged, needs what is not there or may not be, or has not one input of numbers.
    """
    runtime = package("onnxruntime", "onnx")
    file = card.model.onnx
    assert file is not None
    beside = screen(file)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = card.compute.threads or torch.get_num_threads()
    options.log_severity_level = 3  # its warnings are about speed, and name the model's insides
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda":
        if _GPU not in runtime.get_available_providers():
            raise TeacherFileError(
                "compute.device: this ONNX Runtime has no CUDA: run pip install onnxruntime-gpu "
                "in place of onnxruntime, or use 'cpu'."
            )
        providers.insert(0, (_GPU, {"device_id": device.index or 0}))
    try:
        session = runtime.InferenceSession(str(file), options, providers=providers)
    except Exception as error:  # it has a dozen types for it, none of them public
        raise TeacherFileError(f"'{file.name}' cannot be loaded: {error}.") from None
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _TYPES:
        kinds = ", ".join(f"{one.name}: {one.type}" for one in inputs)
        raise TeacherFileError(f"'{file.name}' must have one input of numbers (it has {kinds}).")
    output = _output(card, [one.name for one in session.get_outputs()])
    return OnnxBackend(session, output, card.model.probabilities, (file, *beside))


def _output(card: CardFile, names: list[str]) -> str:
    wanted = card.model.output
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        raise TeacherFileError(
            f"the ONNX model has the outputs {', '.join(names)}: name one of them in model.output."
        )
    return wanted


def screen(file: Path) -> tuple[Path, ...]:
    """Return the files beside a model that hold its weights.

    Raises
    ------
    TeacherFileError
        If the model is damaged, one of those files is not in its folder, or it needs operators
        of a library.
    """
    onnx = package("onnx", "onnx")
    try:
        model = onnx.load(file, load_external_data=False)
    except Exception as error:  # protobuf's DecodeError, which is no type of onnx
        raise TeacherFileError(f"'{file.name}' is not a whole .onnx file: {error}.") from None
    own = {function.domain for function in model.functions}
    folder, beside = file.parent.resolve(), []
    for message in _messages(model):
        kind = message.DESCRIPTOR.name
        if kind == "NodeProto" and message.domain not in {*_DOMAINS, *own}:
            raise TeacherFileError(
                f"'{file.name}' needs operators of '{message.domain}', which ONNX Runtime has only "
                "from a compiled library; fedsa loads none. Export it with standard operators."
            )
        if kind == "TensorProto" and message.data_location == onnx.TensorProto.EXTERNAL:
            name = next(
                (pair.value for pair in message.external_data if pair.key == "location"), ""
            )
            path = (folder / name).resolve()
            if not path.is_relative_to(folder) or not path.is_file():
                raise TeacherFileError(
                    f"'{file.name}' keeps weights in '{name}', which is not a file in its folder: "
                    "save the model anew, with its weights inside or beside it."
                )
            beside.append(path)
    return tuple(dict.fromkeys(beside))


def _messages(message: Any) -> Iterator[Any]:
    """Yield a protobuf message and all messages in it (subgraphs and their tensors too)."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if not hasattr(value, "ListFields") else (value,):
                yield from _messages(inner)
