"""Any callable is a model: logits or probabilities, asked with arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fedsa.errors import TeacherFileError
from fedsa.saliency import QUERY_ONLY
from fedsa.teacher.faults import Fault
from fedsa.teacher.teacher import Teacher
from tests.teacher.backends import functions

Make = Callable[..., Path]
HERE = "tests.teacher.backends.functions"


def _model(name: str, **more: object) -> dict[str, object]:
    return {"callable": f"{HERE}:{name}", **more}


def test_logits_and_probabilities_give_the_same_answers(make_teacher: Make) -> None:
    items = np.random.default_rng(0).integers(0, 256, (300, 1, 12, 12), dtype=np.uint8)
    raw = Teacher.load(make_teacher(model=_model("logits")))
    assert np.allclose(raw.logits(items), functions.logits(items.astype(np.float32) / 255), 1e-4)
    sure = Teacher.load(make_teacher(model=_model("probabilities", probabilities=True)))
    plain = Teacher.load(make_teacher(model=_model("as_lists")))
    assert np.allclose(raw.predict(items), sure.predict(items), atol=1e-6)
    assert np.allclose(raw.predict(items), plain.predict(items), atol=1e-6)


def test_it_has_no_gradients_and_says_so(make_teacher: Make, items: np.ndarray) -> None:
    teacher = Teacher.load(make_teacher(model=_model("logits")))
    assert not teacher.card.gradients and set(teacher.card.methods) == QUERY_ONLY
    for method in QUERY_ONLY:
        found = teacher.saliency(items, method)
        assert found.shape == (10, 12, 12) and float(found.max()) > 0
    with pytest.raises(Fault, match="^method$"):
        teacher.saliency(items, "grad-cam")


def test_methods_that_need_gradients_are_not_promised(make_teacher: Make) -> None:
    path = make_teacher(model=_model("logits"), saliency={"methods": ["rise", "grad-cam"]})
    assert Teacher.load(path).card.methods == ("rise",)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (_model("nothing"), "does not load from"),
        (_model("of_two"), "is called as callable(inputs)"),
        (_model("logits", probabilities=True), "not probabilities"),
        ({"callable": "sklearn"}, "write module:attribute"),
    ],
)
def test_what_cannot_be_a_model_is_refused(make_teacher: Make, model: dict, said: str) -> None:
    with pytest.raises(TeacherFileError) as caught:
        Teacher.load(make_teacher(model=model))
    assert said in str(caught.value)


def test_the_fingerprint_covers_the_code(
    make_teacher: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    code = tmp_path / "mine_of_mint.py"
    code.write_text("def model(inputs):\n    return inputs.reshape(len(inputs), -1)[:, :3]\n")
    path = make_teacher(model={"callable": "mine_of_mint:model"})
    first = Teacher.load(path).card.fingerprint
    code.write_text("def model(inputs):\n    return inputs.reshape(len(inputs), -1)[:, 3:6]\n")
    assert Teacher.load(path).card.fingerprint != first
