"""A folder's run is conducted by one process, and whether that lives can be told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fedsa.errors import RunError
from fedsa.runs.serving import is_served, serving

HOLD = """
import pathlib, sys, time
from fedsa.runs.serving import serving
with serving(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_it_is_held_by_one_process_and_goes_with_it(tmp_path: Path) -> None:
    assert not is_served(tmp_path)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        assert is_served(tmp_path)
        with pytest.raises(RunError, match="another process"), serving(tmp_path, patience=0.2):
            pass
    finally:
        other.kill()
        other.wait()
    assert not is_served(tmp_path)
    with serving(tmp_path, patience=0.0):
        pass


def test_a_folder_that_is_not_there_is_not_served(tmp_path: Path) -> None:
    assert not is_served(tmp_path / "none")
