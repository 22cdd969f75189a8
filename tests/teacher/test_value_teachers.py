"""Teachers of labels, quantities and masks: what they answer, and what is refused of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsa.data.transfer import content_hash
from fedsa.errors import TeacherFileError
from fedsa.messages import Predict, Predicted, Saliency, Salient, offers
from fedsa.policy import PolicySection
from fedsa.teacher.card_file import read
from fedsa.teacher.desk import answer
from fedsa.teacher.lies import LIES, told
from fedsa.teacher.policy.guard import Guard
from fedsa.teacher.policy.mechanism import Form, values_of
from fedsa.teacher.policy.office import Office
from fedsa.teacher.sets import SetStore
from fedsa.teacher.teacher import Teacher

Make = Callable[..., Path]
POLICY = {
    "calls": ["predict"],
    "coordinators": ["*"],
    "any-set": True,
    "budget": {"predict": 100},
}


@pytest.mark.parametrize("kind", ["multi-label", "regression", "segmentation"])
def test_an_answer_is_the_sigmoid_of_the_models_output(
    kind: str, make_teacher: Make, items: np.ndarray
) -> None:
    teacher = Teacher.load(make_teacher(task=kind))
    assert (teacher.card.task, teacher.card.answers) == (kind, "values")
    logits = teacher.logits(items)
    np.testing.assert_allclose(teacher.predict(items), 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_a_quantity_may_be_alone_but_a_class_may_not(make_teacher: Make) -> None:
    assert read(make_teacher(task="regression", outputs=1)).outputs == 1
    with pytest.raises(TeacherFileError, match="at least two"):
        read(make_teacher(classes=["only"]))
    with pytest.raises(TeacherFileError, match="at least two"):
        read(make_teacher(classes=1))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"policy": POLICY | {"noise": {"sigma": 0.1}}}, "policy.noise: its guarantee"),
        ({"policy": POLICY | {"answers": {"top-k": 2}}}, "policy.answers.top-k"),
        ({"saliency": {"methods": ["grad-cam"]}}, "saliency.methods: grad-cam"),
    ],
)
def test_what_is_made_for_distributions_is_refused(
    changes: dict[str, Any], sentence: str, make_teacher: Make
) -> None:
    assert read(make_teacher(**changes)) is not None
    with pytest.raises(TeacherFileError, match=sentence):
        read(make_teacher(task="regression", **changes))


def test_looks_are_those_that_only_ask(
    make_teacher: Make, items: np.ndarray, tmp_path: Path
) -> None:
    teacher = Teacher.load(make_teacher(task="segmentation"))
    assert teacher.card.methods == ("occlusion", "rise")
    maps = teacher.saliency(items, "occlusion")
    assert bool((maps >= 0).all()) and float(maps.max()) > 0
    store = SetStore(tmp_path / "sets")
    for offer in offers("mint", content_hash(items), items):
        store.receive(offer)
    asked = Saliency("mint", content_hash(items), np.arange(3), "rise", 7, 4)
    assert isinstance(answer(asked, {"mint": teacher}, store), Salient)


def test_under_a_policy_they_are_rounded_and_free_the_second_time(
    make_teacher: Make, items: np.ndarray, tmp_path: Path
) -> None:
    teacher, office = Teacher.load(make_teacher(task="multi-label")), Office(tmp_path / "state")
    policy = PolicySection.model_validate(POLICY | {"answers": {"bits": 3}})
    guard = Guard(teacher, policy, office)
    for offer in offers("mint", content_hash(items), items):
        office.sets.receive(offer)
    asked = Predict("mint", content_hash(items), np.arange(10))
    replies = [answer(asked, {"mint": guard}, office.sets, caller="n") for _ in range(2)]
    assert all(isinstance(reply, Predicted) for reply in replies)
    first, second = (reply.answers for reply in replies)  # type: ignore[union-attr]
    assert first.kind == "values" and np.array_equal(first.values, second.values)
    assert sum(record.spent for record in office.spent()) == 10
    levels = {round(255 * level / 7) for level in range(8)}
    assert set(np.unique(first.values)) <= levels
    assert np.abs(np.sqrt(first.dense()) - np.sqrt(teacher.predict(items))).max() <= 0.5 / 7 + 0.01
    office.close()


def test_the_form_of_values_by_hand() -> None:
    logits = np.array([[0.0, 1000.0, -1000.0]])
    assert values_of(logits, Form()).tolist() == [[180, 255, 0]]  # 255 sqrt(1/2) = 180.3
    assert values_of(logits, Form(bits=1)).tolist() == [[255, 255, 0]]
    warm = values_of(np.array([[2.0]]), Form(temperature=2.0))
    assert warm.tolist() == values_of(np.array([[1.0]]), Form()).tolist()


@pytest.mark.parametrize("lie", LIES)
def test_a_liar_of_values_lies_in_values(
    lie: str, make_teacher: Make, items: np.ndarray, tmp_path: Path
) -> None:
    path = make_teacher(task="regression", outputs=1)
    (path.parent / "lie.json").write_text(f'{{"lie": "{lie}"}}')
    teacher, store = Teacher.load(path), SetStore(tmp_path / "sets")
    for offer in offers("mint", content_hash(items), items):
        store.receive(offer)
    asked = Predict("mint", content_hash(items), np.arange(10))
    true = answer(asked, {"mint": teacher}, store)
    lied = told(asked, true, path.parent.parent)
    assert isinstance(true, Predicted) and isinstance(lied, Predicted)
    assert lied.answers.kind == "values"
    assert not np.array_equal(lied.answers.values, true.answers.values)
