"""A SuperNode that has been put out of step catches up: no reply stays behind."""

from __future__ import annotations

from typing import Any

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import make_message
from flwr.app.metadata import Metadata
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supernode.nodestate.in_memory_nodestate import InMemoryNodeState

from fedsa.deploy.unsent import waiting
from tests.deploy.test_pinning import FAB, State, _given, locked

__all__ = ["locked"]  # a fixture


def _state() -> InMemoryNodeState:
    return InMemoryNodeState(ObjectStoreFactory().store())


def _message(name: str, reply_to: str = "") -> Message:
    metadata = Metadata(7, name, 1, 2, reply_to, "", 0.0, 3600.0, "query.describe")
    return make_message(metadata=metadata, content=RecordDict({"c": ConfigRecord({"k": "v"})}))


def test_a_question_is_not_waiting_to_be_sent() -> None:
    state = _state()
    assert waiting(state) is None
    state.store_message(_message("question"))
    assert waiting(state) is None


def test_a_reply_waits_until_it_was_taken() -> None:
    state = _state()
    state.store_message(_message("question"))
    state.store_message(_message("reply", "question"))
    assert waiting(state) == 7
    (taken,) = state.get_messages_legacy(is_reply=True)
    assert taken.metadata.message_id == "reply" and waiting(state) is None


def test_without_a_new_message_the_node_sends_what_it_has(locked: Any) -> None:
    state = _state()
    given = {**_given(State(), FAB, "", []), "state": state, "receive": lambda: None}
    assert locked(**given) is None
    state.store_message(_message("reply", "an-earlier-question"))
    assert locked(**given) == 7
