"""``fedsa teacher``: what an engineer sees, decides, and gets wrong."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsa.data.transfer import content_hash
from fedsa.messages import Card, Failure, Offered, Predict, Predicted, offers
from fedsa.teacher.card_file import read
from fedsa.teacher.desk import answer
from fedsa.teacher.gateway import in_force
from fedsa.teacher.policy.guard import Guard
from fedsa.teacher.policy.office import AUDIT, LEDGER, Office
from fedsa.teacher.teacher import Teacher
from tests.cli.conftest import Fedsa
from tests.teacher.conftest import _threads, items, make_teacher

__all__ = ["_threads", "items", "make_teacher"]
Make = Callable[..., Path]
POLICY = {
    "calls": ["predict", "score"],
    "coordinators": ["hospital", "*"],
    "budget": {"predict": 20, "score": 4, "window": "day"},
}


def _errors(said: str) -> list[str]:
    assert "Traceback" not in said
    return [line.removeprefix("error: ") for line in said.splitlines() if "error: " in line]


@pytest.fixture
def file(make_teacher: Make) -> Path:
    return make_teacher(policy=POLICY)


@pytest.fixture
def ask(file: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Ask the desk as a gateway does, with the records in ``state``."""
    office = Office(tmp_path / "state")
    teacher = Teacher.load(file)
    guards = {"mint": Guard(teacher, teacher.file.policy, office)}

    def ask(request: Any, caller: str = "hospital") -> Any:
        return answer(request, guards, office.sets, caller=caller)

    yield ask
    office.close()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ([], ["check", "card", "serve", "approve", "revoke", "ledger", "audit", "[policy]"]),
        (["check"], ["FILE"]),
        (["card"], ["FILE", "--as", "--state", "--json"]),
        (["serve"], ["FILE", "--address", "--state", "--client-ca", "--grace", "local"]),
        (["approve"], ["HASH", "--state"]),
        (["revoke"], ["HASH"]),
        (["ledger"], ["FILE", "--state", "budget"]),
        (["audit"], ["show", "verify"]),
        (["audit", "show"], ["--last", "--json"]),
        (["audit", "verify"], ["--noted", "exit code"]),
    ],
)
def test_help(fedsa: Fedsa, command: list[str], told: list[str]) -> None:
    code, said = fedsa("teacher", *command, "--help")
    assert code == 0
    assert [word for word in told if word not in said] == []


def test_the_card_is_what_the_outside_sees(fedsa: Fedsa, file: Path) -> None:
    code, said = fedsa("teacher", "card", file)
    assert code == 0
    for told in ("mint", "20 of 20 items left (this day)", "shut", "1 x 12 x 12", "approved ones"):
        assert told in said
    assert str(file.parent) not in said
    code, said = fedsa("teacher", "card", file, "--json")
    card = Card.from_json(said)
    assert code == 0 and card.terms is not None and card.terms.left("predict") == 20
    assert not Path("state").exists() and not (Path.home() / ".local/state/fedsa/key").exists()


def test_check_tells_faults_warnings_and_facts(fedsa: Fedsa, make_teacher: Make) -> None:
    file = make_teacher()
    code, said = fedsa("teacher", "check", file)
    assert code == 0 and f"good: fedsa teacher serve {file}" in said
    assert "warning policy: without [policy]" in said and "fact occlusion: maps of 49 cells" in said
    file.write_text(file.read_text() + "colour = 1\n[spice]\n")
    code, said = fedsa("teacher", "check", file)
    assert code == 4 and "good" not in said and len(_errors(said)) == 1
    for told in ("cannot be served", "spice: there is no such key", "input.colour: there is"):
        assert told in said


def test_without_a_policy_all_is_shut(fedsa: Fedsa, make_teacher: Make) -> None:
    code, said = fedsa("teacher", "card", make_teacher())
    assert code == 0 and said.count("shut") == 3


def test_approve_ask_and_look_it_up(
    fedsa: Fedsa, file: Path, ask: Any, items: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDSA_STATE", "state")
    name = content_hash(items)
    (offer,) = offers("mint", name, items)
    assert ask(offer).code == "not-approved"
    code, said = fedsa("teacher", "approve")
    assert code == 0 and f"{name}  10x1x16x16 uint8, offered by hospital to mint" in said
    assert fedsa("teacher", "approve", name[:8]) == (0, f"approved: {name}\n")
    assert fedsa("teacher", "approve", name) == (0, f"was approved before: {name}\n")
    assert fedsa("teacher", "approve") == (0, "No set waits for approval.\n")
    assert fedsa("teacher", "ledger") == (0, "Nothing was spent so far.\n")
    assert ask(offer) == Offered("held", 10)
    assert isinstance(ask(Predict("mint", name, np.arange(7))), Predicted)
    assert isinstance(ask(Predict("mint", name, np.arange(3)), "university"), Predicted)

    code, said = fedsa("teacher", "ledger")
    lines = [line.split() for line in said.splitlines()]
    assert lines[1:] == [
        ["mint", "hospital", "predict", "ever", "7"],
        ["mint", "university", "predict", "ever", "3"],
    ]
    code, said = fedsa("teacher", "ledger", file)
    lines = [[line.split()[k] for k in (1, 2, 4, 5)] for line in said.splitlines()[1:]]
    assert lines == [
        ["hospital", "predict", "7", "13"],
        ["hospital", "score", "0", "4"],
        ["university", "predict", "3", "17"],
    ]
    code, said = fedsa("teacher", "card", file, "--as", "university")
    assert code == 0 and "17 of 20 items left" in said

    code, said = fedsa("teacher", "audit", "show", "--json")
    records = [json.loads(line) for line in said.splitlines()]
    assert code == 0 and [record["n"] for record in records] == list(range(1, len(records) + 1))
    code, said = fedsa("teacher", "audit", "show", "--last", "1")
    assert code == 0 and "caller=university" in said and "outcome=answered" in said
    assert len(said.splitlines()) == 1

    code, said = fedsa("teacher", "revoke", name[:8])
    assert code == 0 and said.startswith(f"the approval by hand is taken back: {name}\n")
    reply = ask(Predict("mint", name, np.arange(7)))
    assert isinstance(reply, Failure) and reply.code == "not-approved"
    code, said = fedsa("teacher", "revoke", name)
    assert code == 1 and "was not approved by hand" in _errors(said)[0]


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (None, "A policy that names the set in 'sets', or has 'any-set', still lets it be asked"),
        ({"sets": ["a" * 64]}, "still be asked about, by the policy of 'FILE' (mint, by 'sets')"),
        ({"any-set": True}, "still be asked about, by the policy of 'FILE' (mint, by 'any-set')"),
        ({"sets": ["b" * 64]}, "No policy that the gateway was started with lets it be asked"),
    ],
)
def test_revoke_tells_what_else_lets_a_set_be_asked_about(
    fedsa: Fedsa, make_teacher: Make, tmp_path: Path, policy: Any, told: str
) -> None:
    state, name, file = tmp_path / "state", "a" * 64, make_teacher(policy=policy or POLICY)
    Office(state).close()
    if policy is not None:
        in_force.note(state, {file: read(file)})
    assert fedsa("teacher", "approve", name, "--state", state)[0] == 0
    code, said = fedsa("teacher", "revoke", name, "--state", state)
    assert code == 0 and f"taken back: {name}\n" in said and "not approved any more" not in said
    assert told.replace("FILE", str(file)) in said
    code, said = fedsa("teacher", "revoke", name, "--state", state)
    (error,) = _errors(said)
    assert code == 1 and "nothing to take back" in error
    assert told.replace("FILE", str(file)) in error


def test_a_policy_that_is_not_in_force_yet_is_told(
    fedsa: Fedsa, file: Path, ask: Any, tmp_path: Path
) -> None:
    commands = (["card", file], ["card", file, "--json"], ["ledger", file])
    for command in commands:
        assert "warning" not in fedsa("teacher", *command, "--state", "state")[1]
    in_force.note(tmp_path / "state", {file: read(file)})
    file.write_text(file.read_text().replace('calls = ["predict", "score"]', "calls = []"))
    for command in commands:
        code, said = fedsa("teacher", *command, "--state", "state")
        assert code == 0 and "another policy for 'mint'" in said
        assert "counts from the gateway's next start" in said
    assert "warning" not in fedsa("teacher", "ledger", "--state", "state")[1]


def test_verify_finds_what_was_changed(
    fedsa: Fedsa, ask: Any, items: np.ndarray, tmp_path: Path
) -> None:
    for offer in offers("mint", content_hash(items), items):
        ask(offer)
    assert fedsa("teacher", "approve", content_hash(items), "--state", "state")[0] == 0
    for offer in offers("mint", content_hash(items), items):
        ask(offer)
    ask(Predict("mint", content_hash(items), np.arange(7)))
    code, said = fedsa("teacher", "audit", "verify", "--state", "state")
    assert code == 0 and said.startswith("whole: ")
    noted = said.splitlines()[1].removeprefix("note elsewhere: ")
    verify = ("teacher", "audit", "verify", "--state", "state", "--noted")
    assert fedsa(*verify, noted)[0] == 0
    code, said = fedsa(*verify, f"1:{'0' * 64}")
    assert code == 4 and "not the one that was noted" in said
    log = tmp_path / "state" / AUDIT
    log.write_text(log.read_text().replace('"charged": 7', '"charged": 6', 1).replace(
        '"charged":7', '"charged":6', 1))  # fmt: skip
    code, said = fedsa("teacher", "audit", "verify", "--state", "state")
    assert code == 4 and "The log is not what was written" in _errors(said)[0]


def test_a_serving_line_is_needed(fedsa: Fedsa, file: Path) -> None:
    code, said = fedsa("teacher", "serve", file)
    assert code == 2 and "--address" in said


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["card", "gone.toml"], 4, "There is no teacher file 'gone.toml'"),
        (["check", "gone.toml"], 4, "There is no teacher file 'gone.toml'"),
        (["serve", "gone.toml", "--address", "unix:///x"], 4, "There is no teacher file"),
        (["serve", "FILE", "--address", "nowhere"], 5, "neither unix:///path nor host:port"),
        (["serve", "FILE", "--address", "unix:x"], 5, "no absolute path"),
        (["serve", "FILE", "--address", "unix:///gone/x"], 5, "There is no folder '/gone'"),
        (["serve", "FILE", "--address", "localhost:0"], 5, "mutual TLS only"),
        (["serve", "FILE", "--address", "localhost:0", "--key", "x"], 5, "together, or none"),
        (["serve", "FILE", "FILE", "--address", "unix:///tmp/x"], 4, "both of a teacher 'mint'"),
        (["approve"], 4, "There are no records in"),
        (["approve", "0" * 64], 4, "There are no records in"),
        (["revoke", "0" * 64], 4, "There are no records in"),
        (["ledger"], 4, "There are no records in"),
        (["ledger", "gone.toml"], 4, "There is no teacher file"),
        (["audit", "show"], 4, "There is no log"),
        (["audit", "verify"], 4, "There is no log"),
        (["audit", "verify", "--noted", "7"], 1, "write N:HASH"),
    ],
)
def test_one_sentence(
    fedsa: Fedsa,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.setenv("FEDSA_STATE", "state")
    found, said = fedsa("teacher", *[file if word == "FILE" else word for word in arguments])
    assert found == code, said
    (error,) = _errors(said)
    assert sentence in error and error.endswith(".")


def test_a_hash_that_is_none(fedsa: Fedsa, ask: Any) -> None:
    for text in ("xyz", "abc", "ABCDEF", "../../etc"):
        code, said = fedsa("teacher", "approve", text, "--state", "state")
        assert code == 1 and "neither 64 hexadecimal digits" in _errors(said)[0]


def test_records_that_cannot_be_used(fedsa: Fedsa, file: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    code, said = fedsa("teacher", "serve", file, "--address", "unix:///tmp/x", "--state", "state")
    assert code == 4 and "cannot be used" in _errors(said)[0]


def test_damaged_records_are_one_sentence(fedsa: Fedsa, file: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    Office(state).close()
    with closing(sqlite3.connect(state / LEDGER)) as db:
        (size,) = db.execute("PRAGMA page_size").fetchone()
        tables = ("spent", "spent_day", "approved", "waiting")
        pages = [
            page
            for name, page in db.execute("SELECT name, rootpage FROM sqlite_master")
            if name in tables
        ]
    with (state / LEDGER).open("r+b") as ledger:
        for page in pages:
            ledger.seek((page - 1) * size)
            ledger.write(b"\xa5" * size)
    commands = (["ledger"], ["approve"], ["approve", "0" * 64], ["revoke", "0" * 64])
    for command in (*commands, ["card", file]):
        code, said = fedsa("teacher", *command, "--state", state)
        (error,) = _errors(said)
        assert code == 4 and "malformed" in error and "cannot be used" in error, command
