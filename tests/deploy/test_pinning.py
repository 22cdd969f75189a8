"""The lock around a SuperNode, with Flower's own function inside it."""

from __future__ import annotations

import hashlib
import importlib
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import make_message
from flwr.app.metadata import Metadata

from fedsa.deploy import pinning
from fedsa.deploy.bundles import Bundles, build
from fedsa.errors import RunError

FAB = b"the coordinator's code"


class State:
    """What Flower's function asks of a node's memory before it runs anything."""

    def __init__(self) -> None:
        self.stored: list[Any] = []

    def get_run(self, run_id: int) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        def called(*given: Any, **named: Any) -> Any:
            self.stored.append((name, given))
            return None

        return called


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = importlib.import_module(pinning.MODULE)
    before = getattr(module, pinning.TAKES)
    monkeypatch.setattr(module, pinning.TAKES, before)
    pinning.lock(Bundles(tmp_path), patience=0.0)
    assert getattr(module, pinning.TAKES) is not before
    return getattr(module, pinning.TAKES)


def _message() -> Message:
    metadata = Metadata(7, "m1", 1, 2, "", "", 0.0, 3600.0, "query.describe")
    return make_message(metadata=metadata, content=RecordDict({"c": ConfigRecord({"k": "v"})}))


def _given(state: State, content: bytes, claimed: str, replies: list[Any]) -> dict[str, Any]:
    run = SimpleNamespace(fab_hash=claimed)
    return {
        "state": state,
        "object_store": SimpleNamespace(
            preregister=lambda *_: [], put=lambda *_: None, get_object_tree=lambda *_: None
        ),
        "node_config": {},
        "receive": lambda: (_message(), None),
        "get_run": lambda _: run,
        "get_fab": lambda *_: SimpleNamespace(content=content, hash_str=claimed, verifications={}),
        "pull_object": None,
        "confirm_message_received": None,
        "trusted_entities": None,
    }


def test_an_unapproved_bundle_is_refused_kept_and_told(
    locked: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # The coordinator claims the hash of one that is approved.
    shelf = Bundles(tmp_path)
    good = shelf.approve(hashlib.sha256(b"approved").hexdigest())
    digits, state = hashlib.sha256(FAB).hexdigest(), State()
    flower = logging.getLogger("flwr")
    flower.addHandler(caplog.handler)
    try:
        assert locked(**_given(state, FAB, good, [])) == 7
    finally:
        flower.removeHandler(caplog.handler)
    assert f"fedsa client review {digits[:12]}" in caplog.text
    assert shelf.kept() == [digits]
    ((name, (reply,)),) = state.stored
    assert name == "store_message" and reply.has_error() and reply.error.code == 7
    assert reply.error.reason == pinning.REASON.format(hash=digits)
    assert str(tmp_path) not in reply.error.reason


def test_an_approved_bundle_goes_through(locked: Any, tmp_path: Path) -> None:
    from fedsa.app_folder import app_root

    content = build(app_root())
    Bundles(tmp_path).approve(hashlib.sha256(content).hexdigest())
    state = State()
    given = _given(state, content, "", [])
    given["get_run"] = lambda _: SimpleNamespace(
        fab_hash="", override_config={}, series_id=1, primary_task_type="", run_id=7
    )
    locked(**given)
    names = [name for name, _ in state.stored]
    assert "store_fab" in names and "create_task" in names and "store_message" not in names


def test_no_message_is_no_message(locked: Any) -> None:
    given = _given(State(), FAB, "", [])
    assert locked(**{**given, "receive": lambda: None}) is None


@pytest.mark.parametrize("broken", ["version", "function", "parameters"])
def test_another_flower_is_refused(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(pinning.MODULE)
    if broken == "version":
        monkeypatch.setattr(pinning, "version", lambda _: "1.42.0")
    elif broken == "function":
        monkeypatch.delattr(module, pinning.TAKES)
    else:
        monkeypatch.setattr(module, pinning.TAKES, lambda state: None)
    with pytest.raises(RunError, match="was not started"):
        pinning.lock(Bundles(tmp_path))
