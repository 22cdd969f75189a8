"""A run is followed to its true end, and a federation is known by its connection."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fedsa.errors import AllTeachersGone, RunError
from fedsa.launcher import following
from fedsa.launcher.federation import Federation
from fedsa.launcher.following import UNREACHABLE, follow
from fedsa.launcher.progress import Progress
from fedsa.runs.folder import RunFolder
from fedsa.scenario import load
from tests.launcher.commands import scenario


class Link:
    """Answers by a list of what Flower says, one a question."""

    def __init__(self, folder: Path, serving: list[bool | None], statuses: list[str]) -> None:
        self.log = folder / "flower.log"
        self._serving, self._statuses = serving, statuses
        self.asked = 0
        self.then: Callable[[], Any] = lambda: None

    def is_serving(self) -> bool | None:
        found = self._serving.pop(0) if len(self._serving) > 1 else self._serving[0]
        self.then()
        return found

    def status(self, run_id: int) -> str:
        self.asked += 1
        return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RunFolder, Progress]:
    monkeypatch.setattr(following, "_POLL", 0.001)
    monkeypatch.setattr(following, "_ASK_FLOWER", 0.0)
    monkeypatch.setattr(following, "_ASK_LATER", 0.0)
    tiny = load(scenario(tmp_path / "tiny.toml"))
    folder = RunFolder.create(tmp_path / "run", tiny)
    return folder, Progress(tiny, Console(file=io.StringIO()))


def test_events_of_before_are_not_told_again(run: tuple[RunFolder, Progress]) -> None:
    folder, progress = run
    folder.emit("error", sentence="of an earlier start", exit_code=5)
    link = Link(folder.path, [None], ["running"])
    link.then = lambda: folder.emit("finished") if link.asked == 2 else None
    follow(link, 1, folder, 1, progress)
    assert link.asked == 2


def test_an_error_event_is_raised_with_its_code(run: tuple[RunFolder, Progress]) -> None:
    folder, progress = run
    folder.emit("error", sentence="all gone", exit_code=AllTeachersGone.exit_code)
    with pytest.raises(AllTeachersGone, match="all gone"):
        follow(Link(folder.path, [None], ["running"]), 1, folder, 0, progress)


def test_a_last_event_written_as_the_process_ends_is_not_missed(
    run: tuple[RunFolder, Progress],
) -> None:
    folder, progress = run
    link = Link(folder.path, [None, False], ["running"])
    link.then = lambda: folder.emit("finished") if len(link._serving) == 1 else None
    follow(link, 1, folder, 0, progress)


@pytest.mark.parametrize(
    ("serving", "statuses", "told"),
    [
        ([None, False], ["running"], "its process has ended"),
        ([None], ["running", "finished:failed"], "finished:failed"),
        ([None], [UNREACHABLE], "the SuperLink cannot be reached"),
    ],
)
def test_an_end_without_a_result_is_an_error(
    run: tuple[RunFolder, Progress],
    serving: list[bool | None],
    statuses: list[str],
    told: str,
) -> None:
    folder, progress = run
    link = Link(folder.path, serving, statuses)
    with pytest.raises(RunError, match=f"{told}.*--resume"):
        follow(link, 1, folder, 0, progress)


def test_a_superlink_that_starts_anew_is_waited_for(run: tuple[RunFolder, Progress]) -> None:
    folder, progress = run
    link = Link(folder.path, [None], [UNREACHABLE, UNREACHABLE, "running"] * 3 + ["running"])
    link.then = lambda: folder.emit("finished") if link.asked == 9 else None
    follow(link, 1, folder, 0, progress)


def test_flower_is_not_asked_about_a_run_that_tells_of_itself(
    run: tuple[RunFolder, Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_ASK_FLOWER", 60.0)
    monkeypatch.setattr(following, "_ASK_LATER", 0.2)
    monkeypatch.setattr(following, "_POLL", 0.05)
    folder, progress = run
    link = Link(folder.path, [None], ["finished:failed"])
    turns = iter(range(10))

    def tell() -> None:
        folder.emit("finished" if next(turns) == 9 else "phase", phase="query", round=1)

    link.then = tell
    follow(link, 1, folder, 0, progress)
    assert link.asked == 0


def test_a_connection_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLWR_HOME", str(tmp_path))
    with pytest.raises(RunError, match=r"no connection \[superlink.real\].*there are: none"):
        Federation("real", tmp_path)
    config = tmp_path / "config.toml"
    config.write_text('[superlink]\ndefault = "real"\n[superlink.real]\naddress = "a:1"\n')
    assert Federation("real", tmp_path).environment["FLWR_HOME"] == str(tmp_path)
    with pytest.raises(RunError, match="there are: real"):
        Federation("default", tmp_path)
    config.write_text("[")
    with pytest.raises(RunError, match="cannot be read"):
        Federation("real", tmp_path)
