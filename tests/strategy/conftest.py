"""A grid inside this process: the real ClientApp answers for real, small teachers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from clients.app import app
from fedsa.data.splits import Split, split
from fedsa.messages import Request, request_from
from fedsa.pools import _make, _write_list
from fedsa.problem import Problem
from fedsa.runs.conduct import make_problem
from fedsa.scenario import Scenario, parse
from fedsa.strategy import post

if TYPE_CHECKING:
    from tests.strategy.harness import Reference

FIRST_NODE = 11
Fault = Callable[[Message, Message], Message | None]

DOCUMENT: dict[str, Any] = {
    "name": "small",
    "rounds": 2,
    "task": {"data": "digits-table", "items": 240, "label-share": 0.1, "test-items": 200},
    "student": {"model": "mlp", "steps": 60, "embedding": 16, "batch": 32},
    "saliency": {"grid": 4, "probe-items": 10},
    "selection": {"response-items": 40},
    "fusion": {"prototypes": 8},
    "teachers": [
        {"id": "even", "model": "mlp", "data": "digits-table", "classes": list("02468")},
        {"id": "high", "model": "mlp", "data": "digits-table", "classes": list("56789")},
        {"id": "low", "model": "mlp", "data": "digits-table", "classes": list("01234")},
    ],
}
for _teacher in DOCUMENT["teachers"]:
    _teacher |= {"items": 150, "epochs": 4}


def scenario(**changes: dict[str, Any] | Any) -> Scenario:
    """Return the small scenario with some keys of some sections changed."""
    document = dict(DOCUMENT)
    for key, value in changes.items():
        document[key] = {**document.get(key, {}), **value} if isinstance(value, dict) else value
    return parse(document)


def make_pool(folder: Path, parts: Split) -> None:
    """Do what ``build_pool`` does, in this process: spawning its workers takes seconds."""
    wanted = scenario()
    for options in wanted.pool():
        _make(folder, options, parts.shards[options.id], wanted.seed)
    _write_list(folder, [options.id for options in wanted.pool()])


@dataclass
class Clock:
    """A clock that stands still but for those who wait by it: no test waits in earnest."""

    time: float = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


CLOCK = Clock()


@dataclass
class LocalGrid(Grid):
    """Hands each message to the ClientApp when it is pushed.

    Parameters
    ----------
    pool : Path
        The teachers' folder.
    nodes : int
        Nodes that the teachers are dealt out to.
    fault : Fault | None
        From a question and its true reply to what comes back; ``None`` is a lost reply.
    shuffle : int | None
        Replies come back in an order drawn from this seed.
    delay : Callable[[Message], float] | None
        From a question to the seconds, by the tests' clock, that its reply takes.
    """

    pool: Path
    nodes: int = 2
    fault: Fault | None = None
    shuffle: int | None = None
    delay: Callable[[Message], float] | None = None
    gone: set[int] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    sent: list[Request] = field(default_factory=list)
    _replies: dict[str, tuple[float, Message]] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=itertools.count)

    run: Any = None

    def set_run(self, run: Any) -> None:
        raise NotImplementedError

    def create_message(self, *_: Any, **__: Any) -> Message:
        raise NotImplementedError

    def get_node_ids(self) -> list[int]:
        return [FIRST_NODE + n for n in range(self.nodes) if FIRST_NODE + n not in self.gone]

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        ids = []
        for message in messages:
            id_ = f"m{next(self._ids)}"
            message.metadata.__dict__["_message_id"] = id_  # as a SuperLink does
            ids.append(id_)
            self.asked.append(message.metadata.message_type)
            self.sent.append(request_from(message.content, message.metadata.message_type))
            node = message.metadata.dst_node_id
            if node in self.gone:
                continue
            place = {"partition-id": node - FIRST_NODE, "num-partitions": self.nodes}
            context = Context(1, node, place, RecordDict(), {"pool": str(self.pool)})
            reply: Message | None = self.answer(message, context)
            if self.fault is not None and reply is not None:
                reply = self.fault(message, reply)
            if reply is not None:
                due = CLOCK.time + (self.delay(message) if self.delay else 0.0)
                self._replies[id_] = (due, reply)
        return ids

    def answer(self, message: Message, context: Context) -> Message:
        return app(message, context)

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        here = [i for i in message_ids if i in self._replies and self._replies[i][0] <= CLOCK.time]
        replies = [self._replies.pop(i)[1] for i in here]
        if self.shuffle is not None:
            order = np.random.default_rng(self.shuffle).permutation(len(replies))
            replies = [replies[i] for i in order]
        return replies

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        raise NotImplementedError


@pytest.fixture(scope="session")
def parts() -> Split:
    return split(scenario())


@pytest.fixture(scope="session")
def pool(parts: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache") / "pools" / "small"
    folder.mkdir(parents=True)
    make_pool(folder, parts)
    return folder


@pytest.fixture
def problem(parts: Split) -> Problem:
    return make_problem(scenario(), parts)


@pytest.fixture(autouse=True)
def _server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be a ServerApp's process: one thread, an identity by which Flower signs messages, a clock."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(post, "now", CLOCK.now)
    monkeypatch.setattr(post, "sleep", CLOCK.sleep)
    for key in ("run_id", "node_id", "task_id"):
        monkeypatch.setattr(TaskIdentity, f"_{key}", 1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def _found() -> dict[str, Reference]:
    return {}


@pytest.fixture
def reference(
    _found: dict[str, Reference],
    problem: Problem,
    pool: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Reference:
    """The default strategy, never interrupted; run once for all tests."""
    from tests.strategy.harness import Events, Reference, default  # it needs this module

    if not _found:
        events, grid = Events(), LocalGrid(pool)
        strategy = default(problem, tmp_path_factory.mktemp("reference"), events)
        _found["it"] = Reference(strategy, events, grid, strategy.start(grid, num_rounds=2))
    return _found["it"]
