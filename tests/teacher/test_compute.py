"""Where a teacher runs is what its file says, or a clear fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedsa.errors import TeacherFileError
from fedsa.teacher.card_file import read
from fedsa.teacher.compute import ComputeSection, autocast_of, device_of
from fedsa.teacher.teacher import Teacher

Make = Callable[..., Path]


def test_what_a_file_says_is_read(make_teacher: Make) -> None:
    said = {"device": "cuda:1", "batch": 9, "threads": 2, "autocast": "bfloat16", "wait-ms": 0.5}
    compute = read(make_teacher(compute={**said, "concurrency": 3})).compute
    assert compute.model_dump(by_alias=True) == {**said, "concurrency": 3}
    assert read(make_teacher()).compute == ComputeSection()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("device", "gpu"),
        ("device", "cuda:x"),
        ("batch", 0),
        ("threads", -1),
        ("autocast", "int8"),
        ("wait-ms", -0.1),
        ("concurrency", 0),
        ("speed", 1),
    ],
)
def test_what_cannot_be_is_a_fault(make_teacher: Make, key: str, value: Any) -> None:
    with pytest.raises(TeacherFileError, match=f"compute.{key}"):
        read(make_teacher(compute={key: value}))


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, wanted in [("cpu", "cpu"), ("auto", "cuda:0"), ("cuda", "cuda:0")]:
        assert device_of(ComputeSection(device=name)) == torch.device(wanted)
    assert device_of(ComputeSection(device="cuda:1")) == torch.device("cuda:1")
    with pytest.raises(TeacherFileError, match="'cuda:2' is not there, PyTorch finds 2 GPUs"):
        device_of(ComputeSection(device="cuda:2"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(ComputeSection(device="auto")) == torch.device("cpu")
    with pytest.raises(TeacherFileError, match="PyTorch finds no GPUs: use another, or 'cpu'"):
        device_of(ComputeSection(device="cuda"))


def test_narrow_numbers_change_answers_a_little_and_the_fingerprint_not(
    make_teacher: Make, items: np.ndarray
) -> None:
    whole = Teacher.load(make_teacher())
    narrow = Teacher.load(make_teacher(compute={"autocast": "bfloat16", "batch": 3}))
    first, second = whole.logits(items), narrow.logits(items)
    assert second.dtype == np.float32 and not np.array_equal(first, second)
    assert np.allclose(first, second, atol=0.05 * np.abs(first).max())
    assert whole.card == narrow.card
    assert autocast_of(ComputeSection()) is None
    plain, rough = (one.saliency(items, "gradient-x-input") for one in (whole, narrow))
    assert torch.allclose(plain, rough, atol=1e-5)  # gradients stay in float32


def test_no_items_is_no_answer(make_teacher: Make, items: np.ndarray) -> None:
    assert Teacher.load(make_teacher()).predict(items[:0]).shape == (0, 3)
