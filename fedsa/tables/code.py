"""What a result was made with: a digest of the code that it depends on, and who ran it where."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from fedsa.app_folder import FOLDERS
from fedsa.fusion import FUSIONS
from fedsa.models import MODELS
from fedsa.pools import pool_key
from fedsa.registry import Registry
from fedsa.runs.folder import versions
from fedsa.scenario import Scenario
from fedsa.selection import SELECTORS
from fedsa.sources import sources

APART = (
    "_app",  # the app's folders as a wheel has them; they are counted by themselves
    "bench",
    "cli",
    "contradictions.py",
    "deploy",
    "few_shot",
    "launcher",
    "ranking",
    "runs/beliefs_gain.py",
    "runs/compare.py",
    "runs/finished.py",
    "runs/intervals.py",
    "runs/report",
    "runs/shares_gain.py",
    "runs/suggest.py",
    "runs/suggest_gain.py",
    "runs/surveyed.py",
    "tables",
    "teacher/gateway",
    "teacher/policy",
)
"""What of the library starts runs, shows results or serves real institutions, or measures outside
runs: no figure of a simulation depends on it (but for teachers with a policy)."""
BESIDE = ("runs/baselines.py", "runs/beside.py", "runs/known_baselines.py", "whitebox")
"""What trains baselines, on which the strategy that they run beside does not depend."""
OF_SEVERAL = ("fusion/heads.py", "task/several.py", "task/values.py")
"""What only a task of several heads, or a teacher of another kind than classes, is served by."""


def digest(scenario: Scenario, apart: tuple[str, ...] = APART) -> str:
    """Return 16 hex digits that change with the code or the data files that a run depends on.

    The version of torch and the content of a person's own files are in the pool's key, and so is
    the code of plug-ins that teachers are made with.

    Parameters
    ----------
    scenario : Scenario
        What is run.
    apart : tuple[str, ...]
        Beginnings of paths in the library on which it does not depend.
    """
    policy = any(teacher.policy is not None for teacher in scenario.teachers)
    several = bool(scenario.task.heads) or any(t.task or t.file for t in scenario.teachers)
    apart = apart if several else (*apart, *OF_SEVERAL)
    text = f"{sources(apart, ('teacher/',) if policy else ())} {pool_key(scenario)}"
    named = [
        (Registry("strategy", {}, ()), scenario.strategy),
        (SELECTORS, scenario.selection.selector),
        (FUSIONS, scenario.fusion.fusion),
        (MODELS, scenario.student.model),
    ]
    text += "".join(kind.source(name) for kind, name in named)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def strategy_digest(scenario: Scenario) -> str:
    """Return the digest of what a run's strategy depends on, whatever baselines run beside it."""
    return digest(scenario, (*APART, *BESIDE))


def circumstances() -> dict[str, Any]:
    """Return commit, versions and hardware, as they go with every result."""
    return {"commit": _commit(), "versions": versions(), "machine": _machine()}


def _commit() -> str:
    """Return the checkout's commit, marked where files were changed since; empty without one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "fedsa", *FOLDERS)
        return git("rev-parse", "--short", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        pass  # not Linux, or another processor
    return f"{model}, {os.cpu_count()} cores"
