"""Messages to bytes and back: nothing is lost, nothing invalid comes through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fedsa.messages import (
    Card,
    CompactAnswers,
    Cost,
    Describe,
    Described,
    Limit,
    MessageError,
    Offer,
    Offered,
    Predict,
    Predicted,
    Saliency,
    Salient,
    Score,
    Scored,
    Terms,
    check_reply,
    to_record,
)
from fedsa.saliency.compact import CompactMaps
from fedsa.teacher.gateway.calls import CALLS, MESSAGE_BYTES, PART_BYTES
from fedsa.teacher.gateway.proto import teacher_pb2 as pb
from fedsa.teacher.gateway.replies import read_reply, write_reply
from fedsa.teacher.gateway.requests import read_request, write_request

HASH = "0123456789abcdef" * 4
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
methods = st.sampled_from(["rise", "grad-cam", "my_module:method"])
indices = npst.arrays(np.int32, st.integers(1, 50), elements=st.integers(0, 2**31 - 1))


@st.composite
def maps(draw: st.DrawFn, items: int | None = None) -> CompactMaps:
    bits = draw(st.integers(1, 8))
    shape = (items or draw(st.integers(1, 20)), draw(st.integers(1, 60)))
    cells = npst.arrays(np.uint8, shape, elements=st.integers(0, 2**bits - 1))
    return CompactMaps(draw(cells), bits)


@st.composite
def requests(draw: st.DrawFn) -> Any:
    which = draw(st.integers(0, 4))
    if which == 0:
        return Describe()
    if which == 1:
        dtype = draw(st.sampled_from(["uint8", "float32"]))
        item = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
        total = draw(st.integers(1, 40))
        start = draw(st.integers(0, total - 1))
        count = draw(st.integers(0, total - start))
        elements = st.floats(width=32) if dtype == "float32" else None
        chunk = draw(npst.arrays(dtype, (count, *item), elements=elements)) if count else None
        return Offer(draw(names), HASH, dtype, (total, *item), start, chunk)
    which_items = draw(indices)
    if which == 2:
        return Predict(draw(names), HASH, which_items, draw(st.sampled_from(["uint8", "float16"])))
    if which == 3:
        grid, bits = draw(st.integers(1, 32)), draw(st.integers(1, 8))
        return Saliency(draw(names), HASH, which_items, draw(methods), grid, bits)
    return Score(draw(names), HASH, which_items, draw(methods), draw(maps(len(which_items))))


@st.composite
def cards(draw: st.DrawFn) -> Card:
    outputs = draw(st.integers(2, 6))
    words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=9)
    counts = st.integers(0, 10**12)
    limits = draw(st.lists(st.sampled_from(["predict", "saliency", "score"]), unique=True))
    terms = Terms(
        tuple(Limit(call, draw(counts), draw(counts)) for call in limits),
        window=draw(st.sampled_from(["day", "week", "month", "ever"])),
        temperature=draw(st.floats(1.0, 100.0)),
        top_k=draw(st.integers(0, 65_536)),
        bits=draw(st.integers(1, 8)),
        sets=draw(st.sampled_from(["any", "approved"])),
        sigma=draw(st.floats(0.0, 1e6)),
        epsilon=draw(st.floats(0.0, 1e9)),
        delta=draw(st.floats(0.0, 0.999)),
        costs=tuple(Cost(method, draw(st.integers(1, 10**6))) for method in ("rise", "mine:it")),
    )
    return Card(
        id=draw(names),
        task="classification",
        outputs=outputs,
        classes=draw(st.none() | st.tuples(*[words] * outputs)),
        shape=tuple(draw(st.lists(st.integers(1, 65_536), min_size=1, max_size=4))),
        architecture=draw(words),
        gradients=draw(st.booleans()),
        methods=tuple(draw(st.lists(words, max_size=3))),
        grid=draw(st.integers(1, 32)),
        bits=draw(st.integers(1, 8)),
        fingerprint=HASH,
        licence=draw(words),
        terms=draw(st.none() | st.just(terms)),
    )


def _same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    first, second = to_record(one), to_record(other)
    assert first["message"] == second["message"]
    arrays = [{name: array.data for name, array in r["arrays"].items()} for r in (first, second)]
    assert arrays[0] == arrays[1]


@given(requests())
def test_requests_survive(request: Any) -> None:
    call = CALLS[type(request).__name__]
    _same(read_request(call, write_request(request).SerializeToString()), request)


@given(st.lists(cards(), max_size=3, unique_by=lambda card: card.id), st.floats(0, 2**40))
def test_cards_survive(found: list[Card], clock: float) -> None:
    reply = Described(tuple(found), "fedsa 0.1.0", clock)
    messages = [pb.DescribeReply.FromString(m.SerializeToString()) for m in write_reply(reply)]
    assert len(messages) == 1 + len(found)
    assert read_reply(Describe(), messages) == reply


@given(maps(), st.sampled_from(["held", "more", "refused"]), st.floats(-1.0, 1.0))
def test_other_replies_survive(some: CompactMaps, status: str, closeness: float) -> None:
    items = np.arange(len(some.values))
    asked = Saliency("mint", HASH, items, "rise", 32, some.bits)
    _same(read_reply(asked, list(write_reply(Salient(some)))), Salient(some))
    offer = Offer("mint", HASH, "uint8", (9, 4))
    assert read_reply(offer, list(write_reply(Offered(status, 7)))) == Offered(status, 7)
    score = Score("mint", HASH, items, "rise", some)
    assert read_reply(score, list(write_reply(Scored(closeness)))) == Scored(closeness)


@pytest.mark.parametrize("form", ["uint8", "float16"])
@pytest.mark.parametrize(("items", "outputs"), [(1, 2), (700, 1000), (30, 65_536), (60_000, 100)])
def test_long_answers_travel_in_bounded_parts(items: int, outputs: int, form: str) -> None:
    rows = np.zeros((items, outputs), np.uint8 if form == "uint8" else np.float16)
    rows[np.arange(items), np.arange(items) % outputs] = 255 if form == "uint8" else 1
    asked, answers = Predict("mint", HASH, np.arange(items), form), CompactAnswers(rows)
    messages = list(write_reply(Predicted(answers)))
    assert max(message.ByteSize() for message in messages) <= PART_BYTES + 64 < MESSAGE_BYTES
    assert len(messages) <= -(-rows.nbytes // (PART_BYTES // 2))
    found = read_reply(asked, messages)
    check_reply(asked, found, outputs)
    assert isinstance(found, Predicted) and np.array_equal(found.answers.values, rows)


def test_a_gateway_cannot_fill_the_memory_of_who_asks() -> None:
    asked = Predict("mint", HASH, np.arange(4))
    row = pb.PredictReply(form=pb.DTYPE_UINT8, outputs=2, values=b"\xff\x00" * 2)
    drawn = 0

    def endless(message: Any) -> Any:
        nonlocal drawn
        while True:
            drawn += 1
            yield message

    with pytest.raises(MessageError, match="more than was asked"):
        read_reply(asked, endless(row))
    with pytest.raises(MessageError, match="whole rows"):
        read_reply(asked, endless(pb.PredictReply(form=pb.DTYPE_UINT8, outputs=2)))
    looks = pb.SaliencyReply(maps=pb.Maps(bits=8, cells=1, items=3, packed=b"abc"))
    with pytest.raises(MessageError, match="more than was asked"):
        read_reply(Saliency("mint", HASH, np.arange(4), "rise", 7, 8), endless(looks))
    assert drawn < 10


def _maps(**changes: Any) -> pb.Maps:
    return pb.Maps(**{"bits": 4, "cells": 49, "items": 1, "packed": bytes(25)} | changes)


ASKED = {"teacher": "mint", "set_hash": HASH, "indices": [0]}
OFFER = {"teacher": "mint", "set_hash": HASH, "dtype": pb.DTYPE_UINT8, "shape": [4, 3]}
BAD: list[tuple[str, Any]] = [
    ("Predict", pb.PredictRequest(**ASKED)),
    ("Predict", pb.PredictRequest(**ASKED, form=pb.DTYPE_FLOAT32)),
    ("Predict", pb.PredictRequest(**ASKED | {"indices": []}, form=pb.DTYPE_UINT8)),
    ("Predict", pb.PredictRequest(**ASKED | {"indices": [-1]}, form=pb.DTYPE_UINT8)),
    ("Predict", pb.PredictRequest(**ASKED | {"indices": [0] * 65_537}, form=pb.DTYPE_UINT8)),
    ("Predict", pb.PredictRequest(**ASKED | {"teacher": "../mint"}, form=pb.DTYPE_UINT8)),
    ("Predict", pb.PredictRequest(**ASKED | {"set_hash": "/etc/passwd"}, form=pb.DTYPE_UINT8)),
    ("Saliency", pb.SaliencyRequest(**ASKED, method="a b", grid=7, bits=4)),
    ("Saliency", pb.SaliencyRequest(**ASKED, method="rise", grid=33, bits=4)),
    ("Saliency", pb.SaliencyRequest(**ASKED, method="rise", grid=7, bits=9)),
    ("Saliency", pb.SaliencyRequest(**ASKED, method="rise", grid=7)),
    ("Score", pb.ScoreRequest(**ASKED, method="rise")),
    ("Score", pb.ScoreRequest(**ASKED, method="rise", maps=_maps(bits=9))),
    ("Score", pb.ScoreRequest(**ASKED, method="rise", maps=_maps(packed=bytes(24)))),
    ("Score", pb.ScoreRequest(**ASKED, method="rise", maps=_maps(items=2, packed=bytes(49)))),
    ("Score", pb.ScoreRequest(**ASKED, method="rise", maps=_maps(cells=2**22 + 1))),
    ("Offer", pb.OfferRequest(**OFFER | {"dtype": pb.DTYPE_FLOAT16})),
    ("Offer", pb.OfferRequest(**OFFER | {"dtype": 99})),
    ("Offer", pb.OfferRequest(**OFFER | {"shape": []})),
    ("Offer", pb.OfferRequest(**OFFER | {"shape": [4, 0]}, chunk=b"abc")),
    ("Offer", pb.OfferRequest(**OFFER | {"shape": [2**31, 2**31]})),
    ("Offer", pb.OfferRequest(**OFFER, start=4)),
    ("Offer", pb.OfferRequest(**OFFER, chunk=b"")),
    ("Offer", pb.OfferRequest(**OFFER, chunk=b"ab")),
    ("Offer", pb.OfferRequest(**OFFER, chunk=bytes(15))),
    ("Offer", pb.OfferRequest(**OFFER | {"shape": [1, 2**22 + 1]}, chunk=bytes(2**22 + 1))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "message"), BAD)
def test_invalid_requests_do_not_come_through(name: str, message: Any) -> None:
    with pytest.raises(MessageError):
        read_request(CALLS[name], message.SerializeToString())


@pytest.mark.parametrize("size", [1, 2**32 - 1])
def test_an_offer_of_endless_sizes_is_refused_before_they_are_multiplied(size: int) -> None:
    message = pb.OfferRequest(**OFFER | {"shape": [size] * 20_000}, chunk=b"abc")
    with pytest.raises(MessageError, match="shape is not that of a set"):
        read_request(CALLS["Offer"], message.SerializeToString())


@pytest.mark.parametrize("name", sorted(CALLS))
def test_damaged_bytes_do_not_come_through(name: str) -> None:
    with pytest.raises(MessageError):
        read_request(CALLS[name], b"\x0a\xff\xff")


@pytest.mark.parametrize(
    ("request_", "messages"),
    [
        (Describe(), []),
        (Describe(), [pb.DescribeReply(host=pb.Host(), card=None), pb.DescribeReply()]),
        (Predict("mint", HASH, np.arange(2)), []),
        (Predict("mint", HASH, np.arange(2)), [pb.PredictReply()]),
        (
            Predict("mint", HASH, np.arange(2)),
            [
                pb.PredictReply(form=pb.DTYPE_UINT8, outputs=2, values=b"\xff\0"),
                pb.PredictReply(form=pb.DTYPE_UINT8, outputs=3, values=b"\xff\0\0"),
            ],
        ),
        (Saliency("mint", HASH, np.arange(2), "rise", 7, 4), []),
        (
            Saliency("mint", HASH, np.arange(2), "rise", 7, 4),
            [
                pb.SaliencyReply(maps=_maps()),
                pb.SaliencyReply(maps=_maps(bits=8, packed=bytes(49))),
            ],
        ),
        (Offer("mint", HASH, "uint8", (4, 3)), [pb.OfferReply()]),
        (
            Score("mint", HASH, np.arange(1), "rise", CompactMaps(np.ones((1, 4), np.uint8), 1)),
            [pb.ScoreReply(closeness=float("nan"))],
        ),
    ],
)
def test_invalid_replies_are_refused(request_: Any, messages: list[Any]) -> None:
    with pytest.raises(MessageError):
        read_reply(request_, messages)
