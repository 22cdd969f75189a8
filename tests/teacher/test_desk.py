"""The desk: right answers to good questions, a fixed sentence to all else, and nothing leaks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedsa import __version__
from fedsa.data.transfer import content_hash
from fedsa.messages import (
    Card,
    Describe,
    Described,
    Failure,
    Offer,
    Offered,
    Predict,
    Predicted,
    Saliency,
    Salient,
    Score,
    Scored,
    answers,
    check_reply,
    offers,
    to_record,
)
from fedsa.saliency.closeness import closeness
from fedsa.saliency.compact import CompactMaps, compact
from fedsa.teacher import desk
from fedsa.teacher.desk import answer
from fedsa.teacher.faults import SENTENCES, Fault
from fedsa.teacher.sets import SetStore
from fedsa.teacher.teacher import Teacher
from tests.teacher.faulty_models import SECRET

Make = Callable[..., Path]
FAULTY = "tests.teacher.faulty_models"


@pytest.fixture
def sets(tmp_path: Path, items: np.ndarray) -> SetStore:
    store = SetStore(tmp_path / "sets")
    for offer in offers("mint", content_hash(items), items):
        store.receive(offer)
    return store


@pytest.fixture
def ask(make_teacher: Make, sets: SetStore) -> Callable[[Any], Any]:
    teachers = {"mint": Teacher.load(make_teacher())}

    def ask(request: Any) -> Any:
        reply = answer(request, teachers, sets)
        check_reply(request, reply)
        return reply

    return ask


def _code(reply: Any) -> str:
    assert isinstance(reply, Failure)
    assert reply.sentence == SENTENCES[reply.code]
    return reply.code


def test_describe_offer_predict(ask: Any, items: np.ndarray, make_teacher: Make) -> None:
    cards = ask(Describe())
    assert isinstance(cards, Described) and [card.id for card in cards.cards] == ["mint"]
    name = content_hash(items)
    assert ask(Offer("mint", name, "uint8", items.shape)) == Offered("held", 10)
    reply = ask(Predict("mint", name, np.array([7, 7, 1]), "float16"))
    assert isinstance(reply, Predicted)
    wanted = Teacher.load(make_teacher()).predict(items[[7, 7, 1]])
    assert np.allclose(reply.answers.dense(), wanted, atol=1e-3)
    assert np.array_equal(reply.answers.values[0], reply.answers.values[1])


def test_saliency_and_score(ask: Any, items: np.ndarray, make_teacher: Make) -> None:
    name, which = content_hash(items), np.array([4, 2, 9])
    maps = ask(Saliency("mint", name, which, "occlusion", 7, 4))
    own = compact(Teacher.load(make_teacher()).saliency(items[which], "occlusion"), 7, 4)
    assert isinstance(maps, Salient) and np.array_equal(maps.maps.values, own.values)
    assert ask(Score("mint", name, which, "occlusion", own)) == Scored(1.0)
    other = CompactMaps(np.random.default_rng(0).integers(0, 8, (3, 49), dtype=np.uint8), 3)
    score = ask(Score("mint", name, which, "occlusion", other))
    coarse = compact(Teacher.load(make_teacher()).saliency(items[which], "occlusion"), 7, 3)
    assert score.closeness == round(closeness(coarse, other), 4) != 0.0


def test_score_on_vectors_finds_the_students_bins(make_teacher: Make, tmp_path: Path) -> None:
    model = {"factory": "mlp", "weights": "weights.safetensors"}
    for features in (13, 60):
        path = make_teacher(f"v{features}", model=model, input={"shape": [features]})
        teacher = Teacher.load(path)
        rows = np.random.default_rng(0).normal(size=(6, features)).astype(np.float32)
        store = SetStore(tmp_path / "rows")
        for offer in offers("v", content_hash(rows), rows):
            store.receive(offer)
        own = teacher.compact_maps(rows, "occlusion", 7, 4)
        assert own.values.shape == (6, min(features, 49))
        request = Score("v", content_hash(rows), np.arange(6), "occlusion", own)
        assert answer(request, {"v": teacher}, store) == Scored(1.0)


MAPS = CompactMaps(np.ones((2, 49), dtype=np.uint8), 4)
FINE = CompactMaps(np.ones((2, 64), dtype=np.uint8), 4)
DEEP = CompactMaps(np.ones((2, 49), dtype=np.uint8), 5)
ODD = CompactMaps(np.ones((2, 48), dtype=np.uint8), 4)


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("unknown-teacher", lambda h, two: Predict("thyme", h, two)),
        ("unknown-teacher", lambda h, two: Offer("thyme", h, "uint8", (2, 2))),
        ("unknown-set", lambda h, two: Predict("mint", "0" * 64, two)),
        ("unknown-set", lambda h, two: Score("mint", "0" * 64, two, "rise", MAPS)),
        ("indices", lambda h, two: Predict("mint", h, np.array([10]))),
        ("indices", lambda h, two: Saliency("mint", h, np.zeros(4097, int), "rise", 7, 4)),
        ("method", lambda h, two: Saliency("mint", h, two, "lime", 7, 4)),
        ("method", lambda h, two: Saliency("mint", h, two, "os:system", 7, 4)),
        ("method", lambda h, two: Score("mint", h, two, "lime", MAPS)),
        ("refused", lambda h, two: Saliency("mint", h, two, "rise", 8, 4)),
        ("refused", lambda h, two: Saliency("mint", h, two, "rise", 7, 5)),
        ("refused", lambda h, two: Score("mint", h, two, "rise", FINE)),
        ("refused", lambda h, two: Score("mint", h, two, "rise", DEEP)),
        ("shape", lambda h, two: Score("mint", h, two, "rise", ODD)),
    ],
)
def test_what_is_not_answered_has_a_code(ask: Any, items: np.ndarray, code: str, make: Any) -> None:
    assert _code(ask(make(content_hash(items), np.array([0, 1])))) == code


def test_items_of_a_shape_that_does_not_fit(make_teacher: Make, sets: SetStore, items: Any) -> None:
    model = {"factory": "mlp", "weights": "weights.safetensors"}
    teachers = {"v": Teacher.load(make_teacher("v", model=model, input={"shape": [13]}))}
    assert (
        _code(answer(Predict("v", content_hash(items), np.array([0])), teachers, sets)) == "shape"
    )


def test_too_many_bytes_at_once(ask: Any, items: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "MAX_ASKED_BYTES", 3 * items[0].nbytes)
    name = content_hash(items)
    assert isinstance(ask(Predict("mint", name, np.arange(3))), Predicted)
    assert _code(ask(Predict("mint", name, np.arange(4)))) == "indices"


@pytest.mark.parametrize(("form", "width"), [("uint8", 1), ("float16", 2)])
def test_more_answers_than_a_reply_has_room_for(
    ask: Any, items: Any, monkeypatch: pytest.MonkeyPatch, form: str, width: int
) -> None:
    monkeypatch.setattr(answers, "MAX_REPLY_BYTES", 4 * 3 * width)
    name = content_hash(items)
    assert isinstance(ask(Predict("mint", name, np.arange(4), form)), Predicted)
    assert _code(ask(Predict("mint", name, np.arange(5), form))) == "indices"


class Lazy(dict[str, Path]):
    """Teachers by path, loaded when looked up, as a host does."""

    def __getitem__(self, name: str) -> Any:
        return Teacher.load(super().__getitem__(name))


def _texts(reply: Any) -> str:
    return repr(reply) + repr(to_record(reply))


@pytest.mark.parametrize(
    ("factory", "code"),
    [("unbuildable", "loading"), ("Raises", "model"), ("Nan", "model"), ("Narrow", "model")],
)
def test_a_teacher_that_fails_gives_nothing_away(
    make_teacher: Make,
    sets: SetStore,
    items: np.ndarray,
    caplog: pytest.LogCaptureFixture,
    factory: str,
    code: str,
) -> None:
    path = make_teacher(model={"factory": f"{FAULTY}:Raises", "weights": "weights.safetensors"})
    path.write_text(path.read_text().replace(":Raises", f":{factory}"))
    teachers: Mapping[str, Any] = Lazy(mint=path)
    name, two = content_hash(items), np.array([0, 1])
    with caplog.at_level(logging.WARNING, logger="fedsa.teacher"):
        replies = [
            answer(Predict("mint", name, two), teachers, sets),
            answer(Saliency("mint", name, two, "occlusion", 7, 4), teachers, sets),
            answer(Score("mint", name, two, "occlusion", MAPS), teachers, sets),
        ]
    assert _code(replies[0]) == code
    for reply in replies:
        assert SECRET not in _texts(reply) and str(path.parent) not in _texts(reply)
        assert "Error" not in _texts(reply)
    if factory in ("unbuildable", "Raises"):  # the institution itself may read the cause
        assert SECRET in caplog.text


def test_a_broken_teacher_does_not_hide_the_others(make_teacher: Make, sets: SetStore) -> None:
    good, bad = make_teacher("mint"), make_teacher("thyme")
    (bad.parent / "weights.safetensors").unlink()
    teachers: Mapping[str, Any] = Lazy(thyme=bad, mint=good)
    reply = answer(Describe(), teachers, sets)
    assert isinstance(reply, Described) and [card.id for card in reply.cards] == ["mint"]
    assert isinstance(reply.cards[0], Card)
    assert _code(answer(Describe(), Lazy(thyme=bad), sets)) == "loading"
    nobody = answer(Describe(), {}, sets)
    assert isinstance(nobody, Described) and nobody.cards == ()


def test_who_answers_says_what_runs_there_and_what_time_it_is(ask: Any) -> None:
    before = time.time()
    told = ask(Describe())
    assert told.software == f"fedsa {__version__}" and before <= told.clock <= time.time()


def test_anything_unforeseen_is_internal(ask: Any, items: Any, monkeypatch: Any) -> None:
    def explode(self: Teacher, inputs: np.ndarray) -> np.ndarray:
        raise OSError(SECRET)

    monkeypatch.setattr(Teacher, "predict", explode)
    reply = ask(Predict("mint", content_hash(items), np.array([0])))
    assert _code(reply) == "internal" and SECRET not in _texts(reply)


def test_every_code_has_a_sentence_that_can_travel() -> None:
    for code, sentence in SENTENCES.items():
        assert Failure(code, sentence).payload_bytes > 0
    with pytest.raises(ValueError, match="no such code"):
        Fault("coffee")


def test_answers_do_not_depend_on_what_is_asked_with_them(ask: Any, items: np.ndarray) -> None:
    torch.set_num_threads(1)
    name = content_hash(items)
    whole = ask(Predict("mint", name, np.arange(10))).answers.values
    alone = [ask(Predict("mint", name, np.array([k]))).answers.values[0] for k in range(10)]
    assert np.abs(whole.astype(int) - np.stack(alone).astype(int)).max() <= 1
