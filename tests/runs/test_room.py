"""A full disk is told as such, whatever the writer that met it raised."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from safetensors import SafetensorError

from fedsa.runs.folder import RunFolder
from fedsa.runs.room import full, is_full


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EFBIG, "File too large"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (SafetensorError("I/O error: No space left on device (os error 28)"), True),
        (RuntimeError("shapes differ"), False),
        (None, False),
    ],
)
def test_what_counts(tmp_path: Path, error: Exception | None, expected: bool) -> None:
    assert is_full(tmp_path, error) is expected


def test_a_folder_that_is_gone_is_not_full(tmp_path: Path) -> None:
    assert not is_full(tmp_path / "gone")


def test_a_run_folder_tells_of_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(SafetensorError), folder.telling():
        raise SafetensorError("I/O error: No space left on device (os error 28)")
    (event,) = folder.events("error")
    assert event["sentence"] == full(tmp_path) and event["exit_code"] == 5
    assert f"--resume {tmp_path}" in event["sentence"]


def test_a_disk_without_room_for_the_line_does_not_hide_the_cause(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    with pytest.raises(ValueError, match="the cause"), RunFolder(tmp_path).telling():
        raise ValueError("the cause")
