"""The ClientApp as Flower calls it: real messages in, real messages out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.app.metadata import Metadata

import clients.app
from clients.app import app
from fedsa.data.transfer import content_hash
from fedsa.messages import (
    Describe,
    Described,
    Failure,
    Offered,
    Predict,
    Predicted,
    Saliency,
    Salient,
    Score,
    Scored,
    message_type,
    offers,
    reply_from,
    to_record,
)
from tests.teacher.faulty_models import SECRET

Make = Callable[..., Path]
NODE = {"partition-id": 0, "num-partitions": 1}


def _message(content: RecordDict, kind: str) -> Message:
    metadata = Metadata(1, "id-1", 7, 8, "", "3", 0.0, 60.0, kind)
    return Message(content=content, metadata=metadata)


def _context(pool: Path | str, node: dict[str, Any] | None = None) -> Context:
    return Context(1, 8, NODE if node is None else node, RecordDict(), {"pool": str(pool)})


def _ask(request: Any, context: Context) -> Any:
    reply = app(_message(to_record(request), message_type(request)), context)
    assert reply.metadata.reply_to_message_id == "id-1" and reply.metadata.dst_node_id == 7
    assert not reply.has_error()
    return reply_from(reply.content, request)


@pytest.fixture
def pool(make_teacher: Make) -> Path:
    ids = ["mint", "sage", "thyme"]
    folder = [make_teacher(name).parent.parent for name in ids].pop()
    (folder / "pool.json").write_text(json.dumps({"teachers": ids}))
    return folder


def test_a_whole_conversation(pool: Path, items: np.ndarray) -> None:
    context = _context(pool)
    cards = _ask(Describe(), context)
    assert isinstance(cards, Described)
    assert [card.id for card in cards.cards] == ["mint", "sage", "thyme"]
    name, which = content_hash(items), np.array([1, 4, 6])
    found = [_ask(offer, context) for offer in offers("sage", name, items)]
    assert found[-1] == Offered("held", 10)
    assert (pool.parent.parent / "sets" / f"{name}.npy").exists()
    assert isinstance(_ask(Predict("sage", name, which), context), Predicted)
    # A set is held by the node, for all its teachers.
    salient = _ask(Saliency("mint", name, which, "occlusion", 7, 4), context)
    assert isinstance(salient, Salient)
    # The two were made of the same weights, so they look alike.
    assert _ask(Score("thyme", name, which, "occlusion", salient.maps), context) == Scored(1.0)


def test_a_pool_is_dealt_out_over_the_nodes(pool: Path) -> None:
    found = [
        [card.id for card in _ask(Describe(), _context(pool, node)).cards]
        for node in ({"partition-id": k, "num-partitions": 2} for k in (0, 1))
    ]
    assert found == [["mint", "thyme"], ["sage"]]
    other = _context(pool, {"partition-id": 1, "num-partitions": 2})
    reply = _ask(Predict("mint", "0" * 64, np.array([0])), other)
    assert isinstance(reply, Failure) and reply.code == "unknown-teacher"


def test_without_a_pool_there_is_a_failure(tmp_path: Path, monkeypatch: Any) -> None:
    # The pool of the default scenario may have been built on this machine before.
    monkeypatch.setenv("FEDSA_CACHE", str(tmp_path / "cache"))
    for pool in ("", tmp_path / "gone"):
        reply = _ask(Describe(), _context(pool))
        assert isinstance(reply, Failure) and reply.code == "no-pool"
        assert str(tmp_path) not in reply.sentence


@pytest.mark.parametrize(
    "record",
    [
        RecordDict(),
        RecordDict({"message": ConfigRecord({"kind": "Predict"})}),
        to_record(Describe()),
        to_record(Scored(0.5)),
    ],
)
def test_malformed_questions_get_a_reply(pool: Path, record: RecordDict) -> None:
    reply = app(_message(record, "query.predict"), _context(pool))
    found = reply_from(reply.content, Predict("mint", "0" * 64, np.array([0])))
    assert isinstance(found, Failure) and found.code == "malformed"


@pytest.mark.parametrize("text", ["{", '{"names": []}', "[]"])
def test_a_broken_pool_is_internal_and_its_path_stays(pool: Path, text: str) -> None:
    (pool / "pool.json").write_text(text)
    reply = _ask(Describe(), _context(pool))
    assert isinstance(reply, Failure) and reply.code == "internal"
    assert str(pool) not in repr(reply)


def test_whatever_the_host_raises_does_not_leave(pool: Path, monkeypatch: Any) -> None:
    def explode(*_: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(clients.app, "respond", explode)
    reply = _ask(Describe(), _context(pool))
    assert isinstance(reply, Failure) and reply.code == "internal" and SECRET not in repr(reply)


def test_a_message_without_content_gets_a_reply(pool: Path) -> None:
    from flwr.app import Error

    asked = _message(to_record(Describe()), "query.describe")
    reply = app(Message(Error(0), reply_to=asked), _context(pool))
    assert isinstance(reply_from(reply.content, Describe()), Failure)


def test_nothing_but_the_five_questions_is_answered(pool: Path) -> None:
    for kind in ("train", "evaluate", "query", "query.weights"):
        with pytest.raises(ValueError, match="registered"):
            app(_message(to_record(Describe()), kind), _context(pool))
