"""Baselines that need no teacher are the same in every run of a task: they are trained once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from fedsa.cache import cache
from fedsa.data.transfer import content_hash
from fedsa.problem import Problem
from fedsa.runs.folder import versions, write_json
from fedsa.sources import sources
from fedsa.task import Several


def place(name: str, problem: Problem, test: tuple[Tensor, Tensor]) -> Path | None:
    """Return the file in the cache where a baseline's metric is kept; None if it is not.

    Its name changes with all that the metric depends on: the library's code, the versions, the
    items, the labels, the student and its seed, the test. Not kept is what a person's own model
    learnt, whose code may change unseen, nor the metrics of several heads.

    Parameters
    ----------
    name : str
        Of a baseline that sees no teacher.
    problem : Problem
        As the baseline sees it.
    test : tuple[Tensor, Tensor]
        Inputs and labels that are measured on.
    """
    if ":" in problem.student.model or isinstance(problem.task, Several):
        return None
    digest = hashlib.sha256(json.dumps([sources(), versions()]).encode())
    digest.update(json.dumps([problem.seed, problem.task.outputs, problem.digest]).encode())
    digest.update(f"{problem.student.model_dump_json()} {torch.get_num_threads()}".encode())
    for table in (*test, *(() if problem.masses is None else (problem.masses,))):
        digest.update(content_hash(table.numpy()).encode())
    return cache() / "baselines" / f"{name}-{digest.hexdigest()[:24]}.json"


def read(path: Path) -> float | None:
    """Return the metric in a file, in [0, 1]; None if there is none, or it is not whole."""
    try:
        return float(json.loads(path.read_text("utf-8"))["metric"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(path: Path, metric: float) -> None:
    """Keep a metric; a cache that cannot be written to is no reason to lose the run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"metric": metric})
    except OSError:
        pass
