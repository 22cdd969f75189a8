"""The generated code is that of the proto, and the proto holds five calls and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fedsa.teacher.gateway.calls import CALLS, SERVICE
from fedsa.teacher.gateway.proto import teacher_pb2 as pb

ROOT = Path(__file__).parents[3]
PROTO = Path("fedsa/teacher/gateway/proto/teacher.proto")


def test_the_generated_code_is_up_to_date(tmp_path: Path) -> None:
    protoc = [sys.executable, "-m", "grpc_tools.protoc", "-I."]
    command = [*protoc, f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", str(PROTO)]
    subprocess.run(command, cwd=ROOT, check=True)
    for name in ("teacher_pb2.py", "teacher_pb2.pyi"):
        generated = (tmp_path / PROTO).with_name(name).read_text()
        assert (ROOT / PROTO).with_name(name).read_text() == generated, (
            f"make {name} anew: {' '.join(protoc[1:])} --python_out=. --pyi_out=. {PROTO}"
        )


def test_there_are_five_calls() -> None:
    assert SERVICE == "fedsa.teacher.v1.Teacher"
    assert sorted(CALLS) == ["Describe", "Offer", "Predict", "Saliency", "Score"]
    assert {name for name, call in CALLS.items() if call.streams} == {
        "Describe",
        "Predict",
        "Saliency",
    }
    assert list(pb.DESCRIPTOR.services_by_name) == ["Teacher"]


def test_no_message_has_room_for_options_paths_or_code() -> None:
    fields = {
        f"{name}.{field.name}"
        for name, message in pb.DESCRIPTOR.message_types_by_name.items()
        if name.endswith("Request")
        for field in message.fields
    }
    words = {field.partition(".")[2] for field in fields}
    assert words == {
        "teacher", "set_hash", "dtype", "start", "chunk", "shape",
        "indices", "form", "method", "grid", "bits", "maps",
    }  # fmt: skip
