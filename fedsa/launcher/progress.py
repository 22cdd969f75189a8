"""What a person sees while a run goes on: what it does, round, accuracy so far, time left."""

from __future__ import annotations

import time
from datetime import timedelta
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from fedsa.scenario import Scenario

TEACHER, STARTUP, REPORT = 6.0, 12.0, 3.0
WORTH = {
    "offer": 5.0,
    "first look": 20.0,
    "saliency": 4.0,
    "evidence": 0.5,
    "query": 0.5,
    "fusion": 12.0,
    "report": REPORT,
}
"""Rough shares of the time (seconds of the quickstart on two cores), for the bar only."""
ROUND = sum(WORTH[phase] for phase in ("saliency", "evidence", "query", "fusion"))
NAMES = {
    "offer": "bringing the items to the teachers",
    "first look": "training a first student on labels",
    "saliency": "comparing looks",
    "evidence": "selecting teachers by the evidence",
    "query": "asking the selected teachers",
    "fusion": "fusing answers into the student",
    "report": "drawing the report",
}


class Progress:
    """A bar on a terminal, a line a step elsewhere.

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
        self.failures: dict[tuple[str, str], int] = {}
        self._bar = Bar(
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True)),
            TextColumn("{task.fields[accuracy]}"),
            BarColumn(bar_width=12),
            _Left(),
            console=console,
            transient=True,
            expand=True,
            disable=not console.is_terminal,
        )
        total = STARTUP + WORTH["offer"] + WORTH["first look"] + self.rounds * ROUND + REPORT
        self._task = self._bar.add_task("starting", total=total, accuracy="")
        self._worth = 0.0

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

    def say(self, text: str, style: str = "") -> None:
        """Print a line that stays."""
        self.console.print(escape(text), style=style, highlight=False, soft_wrap=True)

    def pool(self, teacher: str, done: int, of: int) -> None:
        """Tell of a teacher being trained."""
        if done == of:
            return
        if self._worth != TEACHER:
            self._more((of - done) * TEACHER)
        self.phase(f"training private teacher {done + 1} of {of}: {teacher}", TEACHER)

    def phase(self, text: str, worth: float = STARTUP) -> None:
        """Tell what is being done now; what was done before counts as finished."""
        self._bar.advance(self._task, self._worth)
        self._worth = worth
        self._bar.update(self._task, description=escape(text))
        if not self.console.is_terminal:
            self.say(text)

    def event(self, event: dict[str, Any]) -> None:
        """Tell of one event of the run."""
        match event["event"]:
            case "phase":
                self._phase(str(event["phase"]), event.get("round"))
            case "round" if event.get("student") is not None:
                self._bar.update(self._task, accuracy=f"accuracy {event['student']:.3f}")
                self.say(f"round {event['round']} of {self.rounds}: student {event['student']:.3f}")
            case "baseline":
                self.say(f"baseline {event['name']}: {event['metric']:.3f}")
            case "one-shot":
                self._more((event["rounds"] - self.rounds) * ROUND)
                self.rounds = event["rounds"]
                self.say("this strategy trains its student in one go: a single round")
            case "resumed":
                self._more(-event["round"] * ROUND - WORTH["first look"])
                self.say(f"going on after round {event['round']}")
            case "failure":
                self._failure(event["teacher"], event["sentence"])

    def _phase(self, phase: str, number: int | None) -> None:
        # Items are brought before the rounds, and to a run that only lacks its report too.
        counted = number is not None and phase != "offer"
        where = f"round {number} of {self.rounds}: " if counted else ""
        self.phase(where + NAMES.get(phase, phase), WORTH.get(phase, 1.0))

    def _failure(self, teacher: str, sentence: str) -> None:
        """Tell of a failure, the same one once only: the table at the end counts them."""
        key = (teacher, sentence)
        self.failures[key] = self.failures.get(key, 0) + 1
        if self.failures[key] == 1:
            self.say(f"teacher {teacher} left out: {sentence}", style="yellow")

    def _more(self, worth: float) -> None:
        (task,) = self._bar.tasks
        self._bar.update(self._task, total=(task.total or 0.0) + worth)


class _Left(ProgressColumn):
    """Time left, from the time that the steps done have taken; counts down within a step."""

    max_refresh = 0.5

    def __init__(self) -> None:
        super().__init__(table_column=Column(no_wrap=True))
        self._done, self._whole, self._begin = 0.0, 0.0, time.monotonic()

    def render(self, task: Task) -> Text:
        """Return ``0:01:23 left``."""
        gone = time.monotonic() - self._begin
        if task.completed > self._done:
            self._done, self._whole = task.completed, gone * (task.total or 0.0) / task.completed
        if not self._done:
            return Text("")
        left = max(1.0, self._whole - gone)
        return Text(f"{timedelta(seconds=round(left))} left", style="progress.remaining")
