from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fedsa.cli import main

Fedsa = Callable[..., tuple[int, str]]


@pytest.fixture
def fedsa(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Fedsa]:
    """The command line inside this process: exit code, and all that was said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("FEDSA_CACHE", str(tmp_path / "cache"))
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    path = list(sys.path)

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["fedsa", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        code = left.value.code
        return (code if isinstance(code, int) else 1), captured.out + captured.err

    yield call
    sys.path[:] = path
    for number, handler in before.items():
        signal.signal(number, handler)
