"""A run folder is made once, taken up only by the same config, and survives a torn line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedsa.errors import ResumeError, RunError
from fedsa.runs.folder import RunFolder, versions, write_json
from fedsa.scenario import Scenario, parse


def scenario(**changes: object) -> Scenario:
    teachers = [{"id": "a", "items": 10}, {"id": "b", "items": 20}]
    return parse({"name": "toy", "teachers": teachers} | changes)


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "deep" / "run", scenario())
    config = folder.config()
    assert parse(config["scenario"]) == scenario()
    assert config["versions"] == versions() and config["versions"]["torch"] != "absent"
    with pytest.raises(RunError, match="holds a run already.*--resume"):
        RunFolder.create(folder.path, scenario())
    assert RunFolder.reopen(folder.path, scenario()).config() == config


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"file/run' cannot be written.*--out"):
        RunFolder.create(tmp_path / "file" / "run", scenario())


def test_what_changed_is_named(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, scenario())
    other = scenario(
        rounds=7,
        teachers=[{"id": "a", "items": 10}, {"id": "c", "items": 20}],
        task={"items": 9000},
    )
    with pytest.raises(ResumeError) as caught:
        RunFolder.reopen(tmp_path, other)
    sentence = str(caught.value)
    for change in (
        "rounds was 4 and is now 7",
        "teachers[2].id was 'b' and is now 'c'",
        "task.items was 6000 and is now 9000",
    ):
        assert change in sentence
    assert "teachers[1]" not in sentence and "seed" not in sentence
    with pytest.raises(ResumeError, match="teachers differs"):
        RunFolder.reopen(tmp_path, scenario(teachers=[{"id": "a", "items": 10}]))


@pytest.mark.parametrize("text", [None, "", "{"])
def test_what_is_no_run_folder_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(ResumeError, match="not a run folder"):
        RunFolder.reopen(tmp_path, scenario())


def test_events_survive_a_torn_last_line(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, scenario())
    assert folder.events() == []
    folder.emit("phase", phase="Größe", round=1)
    folder.emit("round", round=1, student=0.5)
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"event": "round", "rou')
    assert [event["event"] for event in folder.events()] == ["phase", "round"]
    assert folder.events("round")[0]["student"] == 0.5
    assert folder.events("phase")[0]["phase"] == "Größe"
    # A resumed run writes on; what it writes first must not be torn with the line before it.
    folder.emit("round", round=2, student=0.6)
    assert [event["round"] for event in folder.events("round")] == [1, 2]


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(TypeError):
        write_json(path, {"x": object()})
    assert json.loads(path.read_text()) == {"x": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_the_time_of_earlier_parts_is_theirs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder.create(tmp_path, scenario())
    assert folder.elapsed() == 0.0
    told: list[tuple[float, str, dict[str, Any]]] = [
        (100.0, "phase", {"phase": "training private teacher 1 of 2: a"}),
        (200.0, "started", {}),
        (230.0, "round", {"round": 1}),
        (240.0, "baseline", {"name": "scratch"}),
        # Killed; a day later its cache is gone, and the teachers are trained again.
        (90_000.0, "phase", {"phase": "training private teacher 1 of 2: a"}),
        (91_000.0, "started", {}),
        (91_007.0, "phase", {"phase": "query", "round": 2}),
    ]
    for at, event, fields in told:
        monkeypatch.setattr("time.time", lambda at=at: at)
        folder.emit(event, **fields)
    assert folder.elapsed() == 40.0 + 7.0
