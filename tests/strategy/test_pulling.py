"""A reply that is stuck on its way holds up neither the others nor whoever asks for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import pytest
from flwr.app import Message, RecordDict
from flwr.superlink.grid import HttpGrid

from fedsa.strategy.pulling import LANES, Pulling


class _Grid(HttpGrid):
    """Hands each reply out once, as a SuperLink does; some only when they are let go."""

    def __init__(self, *, stuck: Iterable[str] = (), wrong: str = "") -> None:
        self.stuck = {id_: threading.Event() for id_ in stuck}
        self.wrong = wrong
        self.handed: list[str] = []
        self.pulls = 0

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        self.pulls += 1
        replies = []
        for id_ in message_ids:
            if id_ in self.handed:
                continue
            if id_ == self.wrong:
                raise RuntimeError("the grid is broken")
            self.handed.append(id_)
            if id_ in self.stuck:
                assert self.stuck[id_].wait(60)
            replies.append(_reply(id_))
        return replies


def _reply(id_: str) -> Message:
    message = Message(RecordDict(), dst_node_id=1, message_type="query.describe")
    message.metadata.__dict__["_reply_to_message_id"] = id_
    return message


def _ids(replies: Iterable[Message]) -> set[str]:
    return {reply.metadata.reply_to_message_id for reply in replies}


def test_the_others_come_at_once_and_the_stuck_one_when_it_can() -> None:
    grid, pulling = _Grid(stuck=["b"]), Pulling()
    asked = {"a", "b", "c"}
    begin = time.monotonic()
    assert _ids(pulling.pull(grid, asked)) == {"a", "c"}
    assert _ids(pulling.pull(grid, {"b"})) == set()
    assert time.monotonic() - begin < 30  # the stuck one would have taken sixty
    grid.stuck["b"].set()
    deadline = time.monotonic() + 30
    while not (come := pulling.pull(grid, {"b"})):
        assert time.monotonic() < deadline
    assert _ids(come) == {"b"} and pulling.pull(grid, {"b"}) == []


def test_many_institutions_share_the_lanes() -> None:
    grid, pulling = _Grid(), Pulling()
    asked = {f"{number:03}" for number in range(10 * LANES)}
    assert _ids(pulling.pull(grid, asked)) == asked
    assert grid.pulls == LANES


def test_a_grid_that_fails_is_told() -> None:
    with pytest.raises(RuntimeError, match="broken"):
        Pulling().pull(_Grid(wrong="b"), {"a", "b"})


def test_a_simulation_is_asked_directly() -> None:
    class Simulated:
        def pull_messages(self, message_ids: list[str]) -> list[Message]:
            assert threading.current_thread() is threading.main_thread()
            return [_reply(id_) for id_ in message_ids]

    assert _ids(Pulling().pull(Simulated(), {"b", "a"})) == {"a", "b"}  # type: ignore[arg-type]
