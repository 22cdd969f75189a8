"""Backends are found by the key that names the model, or offered by another package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fedsa.errors import TeacherFileError
from fedsa.teacher import backends
from fedsa.teacher.model_section import FORMATS
from fedsa.teacher.teacher import Teacher

Make = Callable[..., Path]


def test_every_format_has_its_loader() -> None:
    assert set(backends.BACKENDS.builtins) == set(FORMATS) - {"backend"}
    assert all(callable(backends.BACKENDS.get(name)) for name in backends.BACKENDS.builtins)


def test_a_backend_of_another_package(make_teacher: Make, items: np.ndarray) -> None:
    name = "tests.teacher.backends.functions:load_constant"
    teacher = Teacher.load(make_teacher(model={"backend": name, "options": {"value": 5.0}}))
    assert teacher.predict(items).argmax(axis=1).tolist() == [0] * 10
    assert not teacher.card.gradients
    other = Teacher.load(make_teacher(model={"backend": name, "options": {"value": 4.0}}))
    assert other.card.fingerprint != teacher.card.fingerprint


@pytest.mark.parametrize(("name", "said"), [("onnx", "is built in"), ("jam", "Unknown backend")])
def test_backends_that_are_none(make_teacher: Make, name: str, said: str) -> None:
    with pytest.raises(TeacherFileError, match=said):
        Teacher.load(make_teacher(model={"backend": name}))


def test_a_package_that_is_missing_is_named_with_its_remedy() -> None:
    with pytest.raises(TeacherFileError, match=r"'nosuch'.*pip install 'fedsa\[teacher\]'"):
        backends.package("nosuch.part", "onnx")
