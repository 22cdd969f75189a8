"""What is shown while a run goes on, on a terminal and elsewhere."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from rich.console import Console

from fedsa.launcher.progress import Progress
from fedsa.scenario import Scenario, load
from tests.launcher.commands import scenario

RUN: list[dict[str, Any]] = [
    {"event": "started"},
    {"event": "phase", "phase": "asking all teachers for the baselines uniform"},
    {"event": "phase", "phase": "offer", "round": 1},
    {"event": "cards"},
    {"event": "phase", "phase": "first look", "round": 1},
    {"event": "baseline", "name": "scratch", "metric": 0.5},
    {"event": "phase", "phase": "saliency", "round": 1},
    {"event": "failure", "teacher": "low[1]", "code": "late", "sentence": "No reply in time."},
    {"event": "failure", "teacher": "low[1]", "code": "late", "sentence": "No reply in time."},
    {"event": "phase", "phase": "evidence", "round": 1},
    {"event": "phase", "phase": "fusion", "round": 1},
    {"event": "round", "round": 1, "student": 0.612},
    {"event": "phase", "phase": "fusion", "round": 2},
    {"event": "round", "round": 2, "student": 0.734},
    {"event": "phase", "phase": "report"},
    {"event": "finished"},
]


def _tiny(tmp_path: Path) -> Scenario:
    return load(scenario(tmp_path / "tiny.toml"))


def _show(tmp_path: Path, events: list[dict[str, Any]], terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, color_system=None)
    with Progress(_tiny(tmp_path), console) as progress:
        progress.pool("low", 0, 2)
        progress.pool("high", 1, 2)
        progress.pool("high", 2, 2)
        progress.phase("starting Flower and Ray")
        for event in events:
            progress.event(event)
            progress._bar.refresh()
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_elsewhere_there_is_a_line_a_step(tmp_path: Path) -> None:
    assert _show(tmp_path, RUN, terminal=False).splitlines() == [
        "training private teacher 1 of 2: low",
        "training private teacher 2 of 2: high",
        "starting Flower and Ray",
        "asking all teachers for the baselines uniform",
        "bringing the items to the teachers",
        "round 1 of 2: training a first student on labels",
        "baseline scratch: 0.500",
        "round 1 of 2: comparing looks",
        "teacher low[1] left out: No reply in time.",
        "round 1 of 2: selecting teachers by the evidence",
        "round 1 of 2: fusing answers into the student",
        "round 1 of 2: student 0.612",
        "round 2 of 2: fusing answers into the student",
        "round 2 of 2: student 0.734",
        "drawing the report",
    ]


def test_on_a_terminal_there_is_a_bar(tmp_path: Path) -> None:
    shown = _show(tmp_path, RUN, terminal=True)
    frames = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", part) for part in re.split(r"[\r\n]+", shown)]
    assert max(len(frame) for frame in frames) <= 80
    bars = [frame for frame in frames if frame.endswith("left")]
    assert all(re.search(r"\d:\d\d:\d\d left$", frame) for frame in bars)
    assert any("round 1 of 2: fusing" in frame and "accuracy" not in frame for frame in bars)
    assert any("round 2 of 2: fusing" in f and "accuracy 0.612" in f for f in bars)
    assert any("drawing the report" in frame and "accuracy 0.734" in frame for frame in bars)
    # Lines that stay are whole, beside the bar that is drawn over.
    assert "round 1 of 2: student 0.612" in [frame.rstrip() for frame in frames]
    assert shown.endswith("\x1b[2K")  # the bar goes when all is done


def test_one_round_of_a_one_shot_fusion(tmp_path: Path) -> None:
    events = [{"event": "one-shot", "rounds": 1, "planned": 2}, *RUN[4:12], RUN[14]]
    said = _show(tmp_path, events, terminal=False)
    assert "round 1 of 1: student 0.612" in said and "of 2: student" not in said
    assert "single round" in said


def test_a_resumed_run_is_nearer_its_end(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    progress = Progress(_tiny(tmp_path), console)
    before = progress._bar.tasks[0].total
    progress.event({"event": "resumed", "round": 1})
    after = progress._bar.tasks[0].total
    assert before is not None and after is not None and 0 < after < before
