"""What a person sees while a run goes on: what it does, round, accuracy so far, time left."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from fedsa.scenario import Scenario

STARTUP, PHASE, FUSION, BASELINE, REPORT = 5.0, 1.0, 6.0, 8.0, 2.0
"""Rough shares of the time, for the bar only."""


class Progress:
    """A bar on a terminal, a line an event elsewhere.

    Parameters
    ----------
    scenario : Scenario
        Tells how much there is to do.
    console : Console
        Where to.
    """

    def __init__(self, scenario: Scenario, console: Console) -> None:
        self.console = console
        self.rounds = scenario.rounds
        self.total = (
            STARTUP + scenario.rounds * (3 * PHASE + FUSION)
            + BASELINE + REPORT
        )
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False),
            console=console, transient=True, disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=self.total)
        self._last = PHASE
        self._accuracy = ""
        self._failures = 0

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def pool(self, teacher: str, done: int, of: int) -> None:
        """Tell of a teacher being trained."""
        if done < of:
            self.phase(f"training private teacher {done + 1} of {of}: {teacher}", 0.0)

    def phase(self, text: str, worth: float = STARTUP) -> None:
        """Tell what is being done now; what was done before counts as finished."""
        self._bar.advance(self._task, self._last)
        self._last = worth
        self._bar.update(self._task, description=text + self._accuracy)
        if not self.console.is_terminal:
            self.console.print(text + self._accuracy, highlight=False)

    def event(self, event: dict[str, Any]) -> None:
        """Tell of one event of the run."""
        kind = event["event"]
        if kind == "phase":
            self._phase(event)
        elif kind == "round" and event.get("student") is not None:
            self._accuracy = f"  (accuracy so far {event['student']:.3f})"
            self.console.print(
                f"round {event['round']} of {self.rounds}: student {event['student']:.3f}",
                highlight=False,
            )
        elif kind == "baseline":
            self.console.print(f"baseline {event['name']}: {event['metric']:.3f}", highlight=False)
        elif kind == "resumed":
            self._bar.advance(self._task, event["round"] * (3 * PHASE + FUSION))
            self.console.print(f"going on after round {event['round']}", highlight=False)
        elif kind == "failure":
            self._failures += 1
            self.console.print(
                f"[yellow]teacher {event['teacher']}: {event['code']}[/]", highlight=False
            )

    def _phase(self, event: dict[str, Any]) -> None:
        phase, worth = str(event["phase"]), PHASE
        names = {
            "offer": "bringing the transfer set to the teachers",
            "first look": "training a first student on the labels alone",
            "saliency": "comparing looks",
            "evidence": "gathering evidence and selecting teachers",
            "query": "asking the selected teachers",
            "fusion": "fusing the answers into the student",
            "report": "drawing the report",
        }
        if phase == "fusion":
            worth = FUSION
        elif phase.startswith("baselines"):
            worth = BASELINE
        text = names.get(phase, phase)
        if "round" in event:
            text = f"round {event['round']} of {self.rounds}: {text}"
        self.phase(text, worth)
