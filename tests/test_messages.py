"""The corridor: what goes in comes out, what does not fit is refused, bytes are as said."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedsa.messages import (
    MAX_CHUNK_BYTES,
    OVERHEAD,
    Card,
    CompactAnswers,
    Describe,
    Described,
    Failure,
    MessageError,
    Offer,
    Offered,
    Predict,
    Predicted,
    Saliency,
    Salient,
    Score,
    Scored,
    check_reply,
    from_record,
    message_type,
    offers,
    reply_from,
    request_from,
    to_record,
)
from fedsa.messages.answers import mass_error
from fedsa.saliency.compact import CompactMaps

HASH = "ab" * 32
CARD = Card(
    id="mint",
    task="classification",
    outputs=3,
    classes=("a", "b", "c"),
    shape=(1, 28, 28),
    architecture="undisclosed",
    gradients=True,
    methods=("occlusion", "rise"),
    grid=7,
    bits=4,
    fingerprint="0" * 64,
)
INDICES = np.array([5, 0, 2], dtype=np.int32)
MAPS = CompactMaps(np.arange(12, dtype=np.uint8).reshape(3, 4), bits=4)
ANSWERS = CompactAnswers.encode(np.full((3, 3), 1 / 3, dtype=np.float32))


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, CompactMaps | CompactAnswers):
        return getattr(a, "bits", 0) == getattr(b, "bits", 0) and _equal(a.values, b.values)
    return bool(a == b)


def _same(a: Any, b: Any) -> bool:
    fields = [field.name for field in dataclasses.fields(a)]
    return type(a) is type(b) and all(_equal(getattr(a, f), getattr(b, f)) for f in fields)


def _over_the_wire(record: RecordDict) -> RecordDict:
    """Take a record apart into the bytes that Flower sends, and put it together again."""
    objects = get_all_nested_objects(record)
    contents = {name: found.deflate() for name, found in objects.items()}
    found = inflate_object_from_contents(record.object_id, contents)
    assert isinstance(found, RecordDict)
    return found


MESSAGES = [
    ("query.describe", Describe()),
    ("query.describe", Described((CARD, dataclasses.replace(CARD, id="thyme", classes=None)))),
    ("query.describe", Described(())),
    ("query.offer", Offer("mint", HASH, "uint8", (9, 1, 2, 2))),
    ("query.offer", Offer("m", HASH, "float32", (9, 4), 3, np.ones((2, 4), dtype=np.float32))),
    ("query.offer", Offered("more", 4)),
    ("query.predict", Predict("mint", HASH, INDICES)),
    ("query.predict", Predict("mint", HASH, INDICES, "float16")),
    ("query.predict", Predicted(ANSWERS)),
    ("query.saliency", Saliency("mint", HASH, INDICES, "occlusion", 7, 4)),
    ("query.saliency", Salient(MAPS)),
    ("query.score", Score("mint", HASH, INDICES, "occlusion", MAPS)),
    ("query.score", Scored(-0.25)),
    ("query.score", Failure("model", "It broke.")),
]


@pytest.mark.parametrize(("kind", "message"), MESSAGES, ids=lambda value: type(value).__name__)
def test_every_message_survives_flowers_wire(kind: str, message: Any) -> None:
    found = from_record(_over_the_wire(to_record(message)), kind)
    assert _same(found, message)
    assert found.payload_bytes == message.payload_bytes


def test_a_request_names_its_flower_message_type() -> None:
    assert message_type(Describe()) == "query.describe"
    assert message_type(MESSAGES[6][1]) == "query.predict"
    with pytest.raises(MessageError):
        message_type(Scored(0.5))  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 8).flatmap(
        lambda bits: st.tuples(
            st.just(bits),
            hnp.arrays(
                np.uint8,
                st.tuples(st.integers(1, 9), st.integers(1, 50)),
                elements=st.integers(0, 2**bits - 1),
            ),
        )
    )
)
def test_maps_travel_in_their_bits_and_come_back(maps: tuple[int, np.ndarray]) -> None:
    bits, values = maps
    message = Salient(CompactMaps(values, bits))
    record = to_record(message)
    assert _same(from_record(record, "query.saliency"), message)
    sent = sum(len(array.data) for array in record.array_records["arrays"].values())
    assert sent == -(-values.size * bits // 8) == message.payload_bytes - OVERHEAD


distributions = st.integers(2, 300).flatmap(
    lambda classes: st.tuples(
        st.integers(0, 2**31), st.sampled_from([0.02, 0.3, 3.0]), st.just(classes)
    )
)


@settings(deadline=None, max_examples=80)
@given(distributions, st.sampled_from(["uint8", "float16"]))
def test_answers_stay_within_their_forms_error(drawn: tuple[int, float, int], form: str) -> None:
    seed, concentration, classes = drawn
    rows = np.random.default_rng(seed).dirichlet([concentration] * classes, size=4)
    rows = rows.astype(np.float32) / rows.astype(np.float32).sum(axis=1, keepdims=True)
    answers = CompactAnswers.encode(rows, form)
    dense = answers.dense()
    assert dense.dtype == np.float32 and dense.shape == rows.shape
    assert np.allclose(dense.sum(axis=1), 1.0, atol=1e-5) and (dense >= 0).all()
    assert answers.nbytes == rows.size * (1 if form == "uint8" else 2)
    # Before renormalising: sqrt(p) is off by half a step at most, so p by
    # (2 sqrt(p) + 1/510) / 510; renormalising then moves it by the row's error of mass.
    if form == "uint8":
        plain = (answers.values.astype(np.float64) / 255) ** 2
        assert (np.abs(plain - rows) <= (2 * np.sqrt(rows) + 1 / 510) / 510 + 1e-6).all()
    else:
        plain = answers.values.astype(np.float64)
        assert (np.abs(plain - rows) <= rows * 2.0**-11 + 2.0**-25).all()
    assert (np.abs(plain.sum(axis=1) - 1) <= mass_error(form, classes)).all()


def test_uint8_answers_known_values() -> None:
    rows = np.array([[1.0, 0.0], [0.25, 0.75], [0.9999, 0.0001]], dtype=np.float32)
    answers = CompactAnswers.encode(rows)
    assert answers.values.tolist() == [[255, 0], [128, 221], [255, 3]]
    assert answers.dense()[1, 0] == pytest.approx(128**2 / (128**2 + 221**2), rel=1e-6)
    # A linear byte would have lost the last one altogether.
    assert answers.dense()[2, 1] == pytest.approx(0.000138, abs=1e-6)


@pytest.mark.parametrize("form", ["uint8", "float16"])
def test_thousands_of_classes_are_still_accepted(form: str) -> None:
    rows = np.full((2, 20_000), 1 / 20_000, dtype=np.float32)
    assert np.allclose(CompactAnswers.encode(rows, form).dense().sum(axis=1), 1.0, atol=1e-4)


@pytest.mark.parametrize(
    "values",
    [
        np.array([[np.nan, 1.0]], dtype=np.float16),
        np.array([[np.inf, 1.0]], dtype=np.float16),
        np.array([[-0.5, 1.5]], dtype=np.float16),
        np.array([[0.2, 0.2]], dtype=np.float16),
        np.array([[0, 0]], dtype=np.uint8),
        np.array([[255, 255]], dtype=np.uint8),
        np.array([[0.5, 0.5]], dtype=np.float32),
        np.array([0.5, 0.5], dtype=np.float16),
        np.ones((1, 1), dtype=np.float16),
        np.ones((0, 2), dtype=np.float16),
    ],
)
def test_a_lying_teachers_answers_are_refused(values: np.ndarray) -> None:
    with pytest.raises(MessageError):
        CompactAnswers(values)


@pytest.mark.parametrize(
    "rows", [[[0.5, 0.6]], [[-0.1, 1.1]], [[np.nan, 1.0]], [0.5, 0.5]], ids=str
)
def test_only_distributions_are_encoded(rows: list[Any]) -> None:
    with pytest.raises(MessageError):
        CompactAnswers.encode(np.array(rows, dtype=np.float32))
    with pytest.raises(MessageError, match="form"):
        CompactAnswers.encode(np.array([[0.5, 0.5]], dtype=np.float32), "int4")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Predict("Mint!", HASH, INDICES),
        lambda: Predict("../mint", HASH, INDICES),
        lambda: Predict("mint", "../../etc", INDICES),
        lambda: Predict("mint", HASH, np.array([-1])),
        lambda: Predict("mint", HASH, np.array([2**31])),
        lambda: Predict("mint", HASH, np.array([0.5])),
        lambda: Predict("mint", HASH, np.array([], dtype=np.int32)),
        lambda: Predict("mint", HASH, np.zeros(65_537, dtype=np.int32)),
        lambda: Predict("mint", HASH, INDICES, "float64"),
        lambda: Saliency("mint", HASH, INDICES, "occlusion", 33, 4),
        lambda: Saliency("mint", HASH, INDICES, "occlusion", 7, 9),
        lambda: Saliency("mint", HASH, INDICES, "os.path import *", 7, 4),
        lambda: Saliency("mint", HASH, INDICES, "occlusion", True, 4),
        lambda: Score("mint", HASH, INDICES[:2], "occlusion", MAPS),
        lambda: Offer("mint", HASH, "object", (3, 2)),
        lambda: Offer("mint", HASH, "uint8", (2**31 - 1, 4096)),
        lambda: Offer("mint", HASH, "uint8", (3,)),
        lambda: Offer("mint", HASH, "uint8", (3, 2), 3),
        lambda: Offer("mint", HASH, "uint8", (3, 2), 2, np.zeros((2, 2), dtype=np.uint8)),
        lambda: Offer("mint", HASH, "uint8", (3, 2), 0, np.zeros((2, 3), dtype=np.uint8)),
        lambda: Offer("mint", HASH, "uint8", (3, 2), 0, np.zeros((2, 2), dtype=np.float32)),
        lambda: Scored(float("nan")),
        lambda: Scored(1.5),
        lambda: Offered("maybe", 0),
        lambda: Offered("more", -1),
        lambda: Described((CARD, CARD)),
        lambda: Failure("model", "two\nlines"),
        lambda: Failure("model", "x" * 301),
        lambda: Failure("A Code", "x"),
    ],
)
def test_impossible_messages_cannot_be_made(make: Any) -> None:
    with pytest.raises(MessageError):
        make()


def test_chunks_cover_a_set_and_stay_small() -> None:
    items = np.random.default_rng(0).integers(0, 255, (3000, 1, 64, 64), dtype=np.uint8)
    sent = list(offers("mint", HASH, items))
    assert len(sent) == 3
    assert all(offer.chunk is not None and offer.chunk.nbytes <= MAX_CHUNK_BYTES for offer in sent)
    assert np.array_equal(np.concatenate([offer.chunk for offer in sent]), items)
    assert [offer.start for offer in offers("mint", HASH, items, start=1024)] == [1024, 2048]
    large = np.zeros((2, 3, 1200, 1200), dtype=np.float32)  # an item alone is over the bound
    assert [offer.start for offer in offers("mint", HASH, large)] == [0, 1]
    with pytest.raises(MessageError, match="MiB"):
        Offer("mint", HASH, "float32", large.shape, 0, large)


def _record(message: Any, **config: Any) -> RecordDict:
    record = to_record(message)
    for key, value in config.items():
        record.config_records["message"][key] = value
    return record


@pytest.mark.parametrize(
    "record",
    [
        RecordDict(),
        RecordDict({"message": ConfigRecord({"kind": "Scored"})}),
        _record(Scored(0.5), kind="Predicted"),
        _record(Scored(0.5), kind="__class__"),
        _record(Scored(0.5), closeness="high"),
        _record(Scored(0.5), closeness=float("nan")),
        _record(Scored(0.5), extra=1),
        RecordDict({"message": ConfigRecord({"kind": "Scored"}), "arrays": ArrayRecord()}),
    ],
)
def test_broken_records_are_refused(record: RecordDict) -> None:
    with pytest.raises(MessageError):
        from_record(record, "query.score")


@pytest.mark.parametrize(
    "array",
    [
        Array("uint8", (2**40, 2**20), "fedsa.little-endian", b"x"),
        Array("uint8", (3, 3), "fedsa.little-endian", b"12345678"),
        Array("object", (1, 3), "fedsa.little-endian", b"123"),
        Array("uint8", (-3, -3), "fedsa.little-endian", b"123456789"),
        Array(np.full((3, 3), 0.5, dtype=np.float16)),  # an .npy file, whose header could lie
    ],
)
def test_broken_arrays_are_refused_before_anything_is_allocated(array: Array) -> None:
    record = to_record(Predicted(ANSWERS))
    record.array_records["arrays"]["answers"] = array
    with pytest.raises(MessageError, match="array"):
        from_record(record, "query.predict")


@pytest.mark.parametrize(
    "sizes", [[4, 3, 5], [9, 3, 4], [4, 3], [4, 2**40, 2**40], ["4", "3", "4"]]
)
def test_maps_that_do_not_fit_their_sizes_are_refused(sizes: list[Any]) -> None:
    with pytest.raises(MessageError):
        from_record(_record(Salient(MAPS), maps=sizes), "query.saliency")


@pytest.mark.parametrize(
    "change",
    [
        {"outputs": 4},
        {"outputs": "3"},
        {"shape": [0]},
        {"id": "../x"},
        {"grid": 1000},
        {"fingerprint": "x"},
        {"secret": 1},
        {"methods": "rise"},
    ],
)
def test_bad_cards_are_refused(change: dict[str, Any]) -> None:
    card = json.loads(CARD.to_json()) | change
    with pytest.raises(MessageError, match="card"):
        from_record(_record(Described(()), cards=[json.dumps(card)]), "query.describe")
    with pytest.raises(MessageError, match="card"):
        from_record(_record(Described(()), cards=["{" * 5000]), "query.describe")


def _rows(items: int, classes: int) -> Predicted:
    return Predicted(CompactAnswers.encode(np.full((items, classes), 1 / classes)))


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (MESSAGES[6][1], _rows(2, 3)),
        (MESSAGES[6][1], _rows(3, 4)),
        (MESSAGES[7][1], _rows(3, 3)),
        (MESSAGES[6][1], Scored(0.1)),
        (MESSAGES[3][1], Offered("more", 10)),
        (Saliency("mint", HASH, INDICES, "rise", 2, 3), Salient(MAPS)),
        (Saliency("mint", HASH, INDICES, "rise", 1, 4), Salient(MAPS)),
        (Saliency("mint", HASH, INDICES[:2], "rise", 2, 4), Salient(MAPS)),
    ],
)
def test_replies_to_another_question_are_refused(request_: Any, reply: Any) -> None:
    with pytest.raises(MessageError):
        check_reply(request_, reply, outputs=3)
    check_reply(request_, Failure("model", "It broke."), outputs=3)


def test_reply_from_reads_and_checks() -> None:
    question = Predict("mint", HASH, INDICES)
    assert isinstance(reply_from(to_record(_rows(3, 3)), question, 3), Predicted)
    with pytest.raises(MessageError, match="classes"):
        reply_from(to_record(_rows(3, 5)), question, 3)
    with pytest.raises(MessageError):
        request_from(to_record(_rows(3, 3)), "query.predict")
    with pytest.raises(MessageError, match="no such question"):
        request_from(to_record(question), "query.weights")


def test_payload_bytes_are_as_documented() -> None:
    assert Describe().payload_bytes == OVERHEAD
    assert Scored(0.5).payload_bytes == OVERHEAD + 8
    text = len("mint") + 64
    assert Predict("mint", HASH, INDICES).payload_bytes == OVERHEAD + text + 12 + len("uint8")
    assert Predicted(ANSWERS).payload_bytes == OVERHEAD + 9
    score = Score("mint", HASH, INDICES, "rise", MAPS)
    assert score.payload_bytes == OVERHEAD + text + 12 + len("rise") + 6
    assert Failure("model", "é").payload_bytes == OVERHEAD + 5 + 2
