"""A scikit-learn estimator answers by its probabilities, its columns in the card's order."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsa.errors import TeacherFileError
from fedsa.saliency import QUERY_ONLY
from fedsa.teacher.teacher import Teacher

skops = pytest.importorskip("skops.io")
linear = pytest.importorskip("sklearn.linear_model")

Make = Callable[..., Path]
ROWS = np.random.default_rng(0).normal(size=(90, 6)).astype(np.float32)
MODEL = {"estimator": "model.skops"}


def _fit(labels: list[Any] | np.ndarray, **options: Any) -> Any:
    return linear.LogisticRegression(**options).fit(ROWS, labels)


def _teacher(make: Make, estimator: Any, model: dict[str, Any] = MODEL, **changes: Any) -> Teacher:
    path = make(model=model, input={"shape": [6]}, **changes)
    skops.dump(estimator, path.parent / "model.skops")
    return Teacher.load(path)


def _labels() -> np.ndarray:
    return np.argmax(ROWS[:, :3], axis=1)


def test_it_answers_what_the_estimator_does(make_teacher: Make) -> None:
    estimator = _fit(_labels())
    teacher = _teacher(make_teacher, estimator)
    assert np.allclose(teacher.predict(ROWS), estimator.predict_proba(ROWS), atol=1e-6)
    assert not teacher.card.gradients and set(teacher.card.methods) == QUERY_ONLY
    for method in QUERY_ONLY:
        assert teacher.saliency(ROWS[:4], method).shape == (4, 6)
    assert teacher.nbytes > 0


def test_images_are_flattened(make_teacher: Make) -> None:
    images = np.random.default_rng(1).integers(0, 256, (60, 1, 8, 8), dtype=np.uint8)
    flat = images.reshape(60, -1) / np.float32(255)
    estimator = linear.LogisticRegression().fit(flat, np.arange(60) % 3)
    path = make_teacher(model=MODEL, input={"shape": [1, 8, 8]})
    skops.dump(estimator, path.parent / "model.skops")
    found = Teacher.load(path)
    assert np.allclose(found.predict(images), estimator.predict_proba(flat), atol=1e-5)
    assert found.saliency(images[:2], "occlusion").shape == (2, 8, 8)


def test_columns_follow_the_names_on_the_card(make_teacher: Make) -> None:
    names = ["wolf", "ant", "cat"]  # scikit-learn sorts them: ant, cat, wolf
    estimator = _fit([names[label] for label in _labels()])
    teacher = _teacher(make_teacher, estimator, classes=names)
    wanted = estimator.predict_proba(ROWS)[:, [2, 0, 1]]
    assert np.allclose(teacher.predict(ROWS), wanted, atol=1e-6)


def test_a_class_that_was_never_seen_gets_nothing(make_teacher: Make) -> None:
    estimator = _fit(np.where(_labels() == 1, 0, _labels()))  # 0 and 2 of three
    found = _teacher(make_teacher, estimator).predict(ROWS)
    assert found.shape == (90, 3) and found[:, 1].max() < 1e-9
    assert np.allclose(found[:, [0, 2]], estimator.predict_proba(ROWS), atol=1e-6)


def test_names_kept_inside_go_by_their_order(make_teacher: Make) -> None:
    estimator = _fit([f"secret-{label}" for label in _labels()])
    teacher = _teacher(make_teacher, estimator, classes=3)
    assert np.allclose(teacher.predict(ROWS), estimator.predict_proba(ROWS), atol=1e-6)
    assert "secret" not in teacher.card.to_json()


def test_labels_that_are_not_on_the_card_are_refused(make_teacher: Make) -> None:
    with pytest.raises(TeacherFileError, match="neither names of the file's classes"):
        _teacher(make_teacher, _fit([f"k{label}" for label in _labels()]))
    with pytest.raises(TeacherFileError, match="whole numbers under 2"):
        _teacher(make_teacher, _fit(_labels()), classes=2)


def test_an_estimator_without_probabilities_is_refused(make_teacher: Make) -> None:
    with pytest.raises(TeacherFileError, match="gives no probabilities"):
        _teacher(make_teacher, linear.RidgeClassifier().fit(ROWS, _labels()))


class Strange(linear.LogisticRegression):  # type: ignore[misc]
    """A type that skops does not know."""


def test_strange_types_are_named_and_may_be_trusted(make_teacher: Make) -> None:
    estimator = Strange().fit(ROWS, _labels())
    with pytest.raises(TeacherFileError) as caught:
        _teacher(make_teacher, estimator)
    name = f"{Strange.__module__}.Strange"
    assert name in str(caught.value) and "model.trusted" in str(caught.value)
    trusting = _teacher(make_teacher, estimator, {**MODEL, "trusted": [name]})
    assert np.allclose(trusting.predict(ROWS), estimator.predict_proba(ROWS), atol=1e-6)


def test_pickles_and_damage_are_refused(make_teacher: Make) -> None:
    estimator = _fit(_labels())
    path = make_teacher(model=MODEL, input={"shape": [6]})
    file = path.parent / "model.skops"
    file.write_bytes(pickle.dumps(estimator))
    with pytest.raises(TeacherFileError, match="is a pickle.*skops.io.dump"):
        Teacher.load(path)
    skops.dump(estimator, file)
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(TeacherFileError, match="not a whole .skops file"):
        Teacher.load(path)
    other = make_teacher(model={"estimator": "model.joblib"}, input={"shape": [6]})
    (other.parent / "model.joblib").write_bytes(b"x")
    with pytest.raises(TeacherFileError, match="is a pickle"):
        Teacher.load(other)
