"""The closing table: the student against its baselines, who taught it and why, what it cost."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedsa.runs.folder import RunFolder


def show(console: Console, summary: dict[str, Any], folder: RunFolder) -> None:
    """Print a run that has a result."""
    metrics = summary["metrics"]
    results = Table(
        title="test accuracy", box=None, pad_edge=False, title_justify="left", show_header=False
    )
    results.add_column()
    results.add_column(justify="right")
    results.add_column(justify="right")
    for name, value in metrics.items():
        gain = "" if name == "student" else f"{100 * (metrics['student'] - value):+.1f} points"
        label = escape(f"student ({summary['strategy']})") if name == "student" else name
        results.add_row(label, f"{value:.3f}", gain, style="bold" if name == "student" else None)
    console.print(results)
    if certified := summary.get("certificate"):
        from fedsa.runs.report.certificate import sentences

        for sentence in sentences(certified):
            console.print(f"certificate: {sentence}", highlight=False, soft_wrap=True)
    last = summary["rounds"][-1]
    events = folder.events("selection")
    reasons = events[-1].get("reasons", {}) if events else {}
    table = Table(title="\nteachers", box=None, pad_edge=False, title_justify="left")
    for column in ("teacher", "weight", "rounds", "queries", "bytes", "why"):
        table.add_column(column, justify="left" if column in ("teacher", "why") else "right")
    for teacher in sorted(
        summary["teachers"], key=lambda one: (-last["weights"].get(one["id"], 0.0), one["id"])
    ):
        name = teacher["id"]
        table.add_row(
            name,
            f"{last['weights'].get(name, 0.0):.2f}",
            f"{teacher['times_selected']}/{len(summary['rounds'])}",
            str(teacher["queries"]),
            _size(teacher["bytes"]),
            escape(str(reasons.get(name, ""))),
        )
    console.print(table)
    _failures(console, folder)
    _terms(console, summary)
    moved, seconds = summary["bytes"], summary["seconds"]
    console.print(
        f"\n{_size(moved['to_teachers'])} to the teachers, {_size(moved['from_teachers'])} back; "
        f"{seconds['total']:.0f} s (saliency {seconds['saliency']:.0f}, queries "
        f"{seconds['query']:.0f}, fusion {seconds['fusion']:.0f})",
        highlight=False,
    )
    console.print(f"report: {folder.path / 'report.html'}", highlight=False, soft_wrap=True)


def _failures(console: Console, folder: RunFolder) -> None:
    """Name the teachers whose questions failed, with what their institution said and how often."""
    failures = Counter((e["teacher"], e["sentence"]) for e in folder.events("failure"))
    if not failures:
        return
    table = Table(title="\nfailures", box=None, pad_edge=False, title_justify="left")
    table.add_column("teacher")
    table.add_column("times", justify="right")
    table.add_column("what came back")
    for (teacher, sentence), times in sorted(failures.items()):
        table.add_row(escape(teacher), str(times), escape(sentence), style="yellow")
    console.print(table)


def _terms(console: Console, summary: dict[str, Any]) -> None:
    """Name what institutions' terms did not allow, and what else was done otherwise than usual."""
    lines = [
        f"{teacher['id']}: {limit['left']} of {limit['wanted']} items left for {call}"
        for teacher in summary["teachers"]
        for call, limit in sorted((teacher.get("limits") or {}).items())
    ]
    for line in [*lines, *summary.get("notes", [])]:
        console.print(line, style="yellow", highlight=False, markup=False)


def _size(count: int) -> str:
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} B"
