"""Starts the ``fedsa`` command as a person does, and watches what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from fedsa.launcher import processes
from fedsa.launcher.flower import SERVER

TEACHER = """
[[teachers]]
id = "{id}"
model = "{model}"
data = "digits-table"
classes = {classes}
items = 90
epochs = 8
{more}
"""
LOW, HIGH, EVEN = (
    [str(i) for i in numbers] for numbers in (range(5), range(5, 10), range(0, 10, 2))
)


def scenario(path: Path, teachers: str = "", **keys: Any) -> Path:
    """Write a tiny scenario without images; ``keys`` as ``section__key``."""
    sections: dict[str, dict[str, Any]] = {
        "": {"name": "tiny", "rounds": 2},
        "task": {"data": "digits-table", "items": 300, "label-share": 0.1, "test-items": 250},
        "student": {"model": "mlp", "steps": 160, "embedding": 32},
        "saliency": {"grid": 4, "probe-items": 16},
        "selection": {"response-items": 64},
        "fusion": {"prototypes": 16},
        "federation": {"actors": 1},
    }
    for key, value in keys.items():
        section, _, name = key.rpartition("__")
        sections[section][name.replace("_", "-")] = value
    lines = []
    for section, values in sections.items():
        lines += [f"[{section}]"] * bool(section)
        lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    if not teachers:
        for name, classes in (("low", LOW), ("high", HIGH), ("even", EVEN)):
            teachers += teacher(name, classes)
        teachers += teacher("other", LOW, more="label-noise = 1.0\nrelevant = false")
    path.write_text("\n".join(lines) + "\n" + teachers, encoding="utf-8")
    return path


def teacher(name: str, classes: list[str], model: str = "mlp", more: str = "") -> str:
    """Return one ``[[teachers]]`` table."""
    return TEACHER.format(id=name, classes=json.dumps(classes), model=model, more=more)


@dataclass
class Command:
    """Runs ``fedsa`` in a folder of its own, with a cache that outlives one run."""

    cwd: Path
    cache: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = (str(Path(sys.executable).with_name("fedsa")),)

    @property
    def variables(self) -> dict[str, str]:
        """The command's environment."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("FLWR_")},
            "FEDSA_CACHE": str(self.cache),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
            **self.environment,
        }

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start it and do not wait."""
        return subprocess.Popen(
            [*self.program, *map(str, arguments)],
            cwd=self.cwd,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Whoever runs the tests in a shell's background has it ignored, and so would this.
            preexec_fn=_heed_interrupts,
        )

    def run(self, *arguments: str | Path) -> tuple[int, str]:
        """Wait for its end; return the exit code and what it said."""
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=600)
        return process.returncode, said


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def events(folder: Path) -> list[dict[str, Any]]:
    """Return a run's events so far."""
    path = folder / "events.jsonl"
    found = []
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def wait_for(
    folder: Path,
    process: subprocess.Popen[str],
    good: Callable[[dict[str, Any]], bool],
    starts: int,
) -> None:
    """Wait for an event after the run was started (or gone on with) for the n-th time."""
    deadline = time.monotonic() + 400
    while True:
        found = events(folder)
        begun = [place for place, event in enumerate(found) if event["event"] == "started"]
        if len(begun) >= starts and any(good(event) for event in found[begun[starts - 1] :]):
            return
        assert time.monotonic() < deadline, found
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def mark(folder: Path) -> str:
    """Return a run's mark."""
    return (folder / ".mark").read_text("ascii")


def server(folder: Path) -> psutil.Process:
    """Return the process in which the server's side of a run lives."""
    running = processes.marked(mark(folder))
    (found,) = [process for process in running if SERVER in " ".join(process.cmdline())]
    return found


def assert_nothing_left(folder: Path) -> None:
    """Neither a process nor the working folder of a run is there any more."""
    assert processes.marked(mark(folder)) == []
    assert not processes.home(mark(folder)).exists()


def result(folder: Path) -> dict[str, Any]:
    """Return a run's summary without the time that it took."""
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text("utf-8"))
    assert set(found.pop("seconds")) == {"total", "startup", "saliency", "query", "fusion"}
    return found


def interrupt(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    """Send a signal to the command alone; return its exit code and what it said."""
    process.send_signal(number)
    said, _ = process.communicate(timeout=200)
    return process.returncode, said
