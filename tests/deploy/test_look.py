"""The server's side of a check, over a grid of nodes that answer, fail, or are silent."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import Message
from flwr.app.error import Error
from flwr.supercore.task_identity import TaskIdentity

from fedsa.deploy import look as looking
from fedsa.deploy.findings import Seen
from fedsa.errors import DataError
from fedsa.messages import Described, Failure, Offer, Offered, request_from, to_record
from tests.deploy.test_findings import CARD, SEEN
from tests.launcher.commands import scenario

SECRET = "/srv/private/ward-7"


class Grid:
    """Nodes by their names: a function from the question to a reply, an error, or nothing."""

    def __init__(self, **nodes: Any) -> None:
        self.nodes = dict(enumerate(nodes.items(), 1))
        self.asked: list[Any] = []
        self._replies: dict[str, Message] = {}

    def get_node_ids(self) -> list[int]:
        return list(self.nodes)

    def get_nodes(self) -> list[Any]:
        return [SimpleNamespace(node_id=node, name=name) for node, (name, _) in self.nodes.items()]

    def push_messages(self, messages: list[Message]) -> list[str]:
        (message,) = messages
        key = f"m{len(self.asked)}"
        message.metadata.__dict__["_message_id"] = key
        request = request_from(message.content, message.metadata.message_type)
        self.asked.append(request)
        reply = self.nodes[message.metadata.dst_node_id][1](request)
        if reply is not None:
            content = reply if isinstance(reply, Error) else to_record(reply)
            self._replies[key] = Message(content, reply_to=message)
        return [key]

    def pull_messages(self, keys: list[str]) -> list[Message]:
        return [self._replies.pop(key) for key in keys if key in self._replies]


def _good(request: Any) -> Any:
    if isinstance(request, Offer):
        return Offered("more", 0) if request.teacher == "mint" else Failure("not-approved", "x")
    return Described((CARD, replace(CARD, id="sage")), SEEN.software, time.time())


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("run_id", "node_id", "task_id"):
        monkeypatch.setattr(TaskIdentity, f"_{name}", 1)
    monkeypatch.setattr(looking, "TIMEOUT", 0.3)
    monkeypatch.setattr(looking, "NODES_WAIT", 0.1)
    monkeypatch.setattr(looking, "_POLL", 0.01)


def _look(tmp_path: Path, grid: Grid, name: str = "") -> dict[str, Any]:
    looking.look(grid, {"run-dir": str(tmp_path), "scenario": name})  # type: ignore[arg-type]
    found: dict[str, Any] = json.loads((tmp_path / "check.json").read_text("utf-8"))
    return found


def test_every_node_is_in_the_result_with_its_reason(tmp_path: Path) -> None:
    grid = Grid(
        north=_good,
        south=lambda _: None,
        east=lambda _: Error(2, f"OSError: {SECRET}"),
        west=lambda _: Error(7, SECRET),
        hill=lambda _: Failure("unreachable", SECRET),
        lake=lambda _: Offered("held", 1),
    )
    found = _look(tmp_path, grid)
    codes = {node["name"]: node["code"] for node in found["nodes"]}
    assert codes == {
        "north": "", "south": "late", "east": "lost", "west": "bundle", "hill": "unreachable",
        "lake": "malformed",
    }  # fmt: skip
    assert SECRET not in json.dumps(found)
    assert {problem["who"] for problem in found["problems"]} == {*codes} - {"north"}
    assert all(abs(node["clock"]) < 1 for node in found["nodes"])
    assert found["set"] is None and len(grid.asked) == len(grid.nodes)


def test_with_a_scenario_each_teacher_is_asked_about_the_set_by_its_hash(tmp_path: Path) -> None:
    grid = Grid(north=_good)
    path = scenario(tmp_path / "tiny.toml", saliency__method="occlusion")
    found = _look(tmp_path, grid, str(path))
    offers = [request for request in grid.asked if isinstance(request, Offer)]
    assert [offer.teacher for offer in offers] == ["mint", "sage"]
    assert all(o.set_hash == found["set"] and o.chunk is None for o in offers)
    (node,) = found["nodes"]
    assert node["offered"] == [["mint", "more"], ["sage", "not-approved"]]
    problem, unseen = found["problems"]
    assert problem["who"] == "sage" and "approved" in problem["sentence"]
    assert "by mint; whether it is approved there cannot be seen" in unseen["sentence"]


def test_nobody_is_there(tmp_path: Path) -> None:
    found = _look(tmp_path, Grid())
    assert found["nodes"] == [] and found["problems"][0]["who"] == "federation"


def test_a_scenario_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = scenario(tmp_path / "tiny.toml", task__data="no-such-data.npz")
    with pytest.raises(DataError):
        _look(tmp_path, Grid(north=_good), str(path))
    found = json.loads((tmp_path / "check.json").read_text("utf-8"))
    assert "no-such-data" in found["error"] and found["exit-code"] == DataError.exit_code


def test_a_node_without_a_name_is_called_by_its_number() -> None:
    assert Seen(7).label == "node 7" and Seen(7, "north").label == "north"
