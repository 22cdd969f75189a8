"""A policy that is changed counts from the gateway's next start, and that can be told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsa.messages import Failure, Predict, Predicted
from fedsa.teacher.card_file import read
from fedsa.teacher.gateway import in_force
from fedsa.teacher.gateway.in_force import InForce, is_other, noted
from fedsa.teacher.gateway.server import Gateway
from tests.teacher.conftest import _threads, items, make_teacher
from tests.teacher.gateway.conftest import POLICY, client_of, offer

__all__ = ["_threads", "items", "make_teacher"]
Make = Callable[..., Path]


def _shut(file: Path) -> None:
    text = file.read_text()
    changed = text.replace('calls = ["predict", "saliency", "score"]', "calls = []")
    assert changed != text
    file.write_text(changed)


def test_a_shut_call_counts_from_the_next_start(
    make_teacher: Make, items: np.ndarray, gateway: Callable[..., Gateway], tmp_path: Path
) -> None:
    file, state = make_teacher(policy=POLICY), tmp_path / "state"
    assert not is_other(state, read(file))
    first = gateway(file, state=state)
    assert not is_other(state, read(file))
    with client_of(first) as client:
        name = offer(client, "mint", items)
        _shut(file)
        assert isinstance(client.ask(Predict("mint", name, np.arange(2)), 20), Predicted)
        assert is_other(state, read(file))
    first.stop(0.0)
    with client_of(gateway(file, state=state)) as client:
        reply = client.ask(Predict("mint", name, np.arange(2)), 20)
        assert isinstance(reply, Failure) and reply.code == "refused"
    assert not is_other(state, read(file))


def test_what_is_no_matter_of_answers_may_change(make_teacher: Make, tmp_path: Path) -> None:
    file = make_teacher(policy=POLICY)
    in_force.note(tmp_path, {file: read(file)})
    file.write_text(file.read_text() + "\n[compute]\nbatch = 7\n")
    assert not is_other(tmp_path, read(file))
    file.write_text(file.read_text() + "\n[saliency]\nbits = 2\n")
    assert is_other(tmp_path, read(file))


def test_the_note_is_for_its_owner_and_says_which_sets_go_by_the_policy(
    make_teacher: Make, tmp_path: Path
) -> None:
    listed = make_teacher(policy={"sets": ["a" * 64]})
    in_force.note(tmp_path, {listed: read(listed)})
    (path,) = (tmp_path / in_force.FOLDER).iterdir()
    assert path.stat().st_mode & 0o077 == 0 == path.parent.stat().st_mode & 0o077
    known = noted(tmp_path)["mint"]
    assert known.file == str(listed)
    assert (known.lets("a" * 64), known.lets("b" * 64)) == ("sets", "")
    assert InForce("f", {"policy": {"any-set": True}}).lets("b" * 64) == "any-set"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"file": "f", "terms": {"policy": 7}}'])
def test_a_damaged_note_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / in_force.FOLDER).mkdir()
    (tmp_path / in_force.FOLDER / "mint.json").write_text(content)
    assert noted(tmp_path) == {}


def test_a_note_that_cannot_be_written_leaves_no_older_one(
    make_teacher: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_teacher(policy=POLICY)
    in_force.note(tmp_path, {file: read(file)})

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    in_force.note(tmp_path, {file: read(file)})
    assert list((tmp_path / in_force.FOLDER).iterdir()) == []
