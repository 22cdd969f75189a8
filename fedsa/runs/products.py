"""What a run leaves: the student with its card, the tensors to look at, the summary, the report."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from fedsa.data.transfer import to_float
from fedsa.fusion.training import outputs
from fedsa.problem import Problem
from fedsa.runs.certify import certificate
from fedsa.runs.folder import write_json
from fedsa.runs.report import write as write_report
from fedsa.runs.run import Run, rounded
from fedsa.strategy import aside
from fedsa.task import Head, Several, Task

NEAREST = 5


def write(
    grid: Any,
    run: Run,
    status: str,
    metrics: dict[str, float],
    startup: float,
    begin: float,
    heads: Mapping[str, Mapping[str, float]],
) -> None:
    """Write the student, the artefacts, ``summary.json`` and ``report.html``.

    ``metrics`` and ``heads`` are the baselines', of all heads and of each where there are several.
    """
    run.folder.emit("phase", phase="report")
    _student(run)
    np.savez_compressed(run.folder.path / "artefacts.npz", **_artefacts(grid, run))
    certified = _certificate(run)
    total = time.monotonic() - begin
    summary = _summary(run, status, metrics, startup, total) | certified | _heads(run, heads)
    write_json(run.folder.path / "summary.json", summary)
    write_report(run.folder.path)


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def _student(run: Run) -> None:
    folder, shape = run.folder.path, tuple(run.problem.inputs.shape[1:])
    latest = run.strategy.checkpoints.latest()
    assert latest is not None, "products are of runs with a round"
    shutil.copyfile(latest / "student.pt2", folder / "student.pt2")
    program = torch.export.load(folder / "student.pt2")
    tensors = {k: v.detach().clone().contiguous() for k, v in program.state_dict.items()}
    (folder / "student.safetensors").write_bytes(save(tensors))
    write_json(
        folder / "student.json",
        {
            "task": run.problem.task.kind,
            "classes": list(run.split.classes),
            **_card_heads(run.problem.task),
            "architecture": run.scenario.student.model,
            "embedding": run.scenario.student.embedding,
            "input": {"shape": list(shape), "low": 0.0, "high": 1.0, "dtype": "float32"}
            if run.split.transfer.array.dtype == np.uint8
            else {"shape": list(shape), "dtype": "float32"},
            "output": "logits" if run.problem.task.distributions else "raw",
            "licence_of_data": run.split.licence,
            "scenario": run.scenario.name,
            "strategy": run.scenario.strategy,
            "seed": run.scenario.seed,
            "program": "student.pt2",
            "weights": "student.safetensors",
        },
    )


def _artefacts(grid: Any, run: Run) -> dict[str, Any]:
    memory, problem = run.strategy.memory, run.problem
    shown = problem.probe[: run.scenario.saliency.shown]
    ids = sorted(memory.accounts)
    found: dict[str, Any] = {"teacher_ids": np.array(ids, dtype=np.str_)}
    if memory.student_maps is not None and len(shown):
        mine = memory.student_maps.dense()[: len(shown)]
        found["student_maps"] = mine
        theirs = np.full((len(ids), *mine.shape), np.nan, dtype=np.float32)
        for name, maps in aside.looks(run.strategy, grid, shown).items():
            # Who joins only now, after the last round, has no place among the teachers of the run.
            if name in ids and maps.values.shape == mine.shape:
                theirs[ids.index(name)] = maps.dense()
        found["teacher_maps"] = theirs
        if problem.inputs.ndim == 4:
            found["probe_images"] = problem.inputs[shown].numpy()
    if {"responsibilities", "coverage", "emission"} <= set(memory.views):
        found |= _prototypes(problem, memory.views)
        # The fusion saw every teacher with an answer that counts, in sorted order.
        seen = sorted(name for name, marks in memory.marks.items() if bool(marks.any()))
        if len(seen) == len(found["coverage"]):
            found["coverage_ids"] = np.array(seen, dtype=np.str_)
    if not problem.task.distributions:
        return found
    program = torch.export.load(run.folder.path / "student.pt2").module()
    predicted = outputs(program, run.test_inputs).argmax(dim=1)
    classes = problem.task.outputs
    cells = run.test_labels * classes + predicted
    found["confusion"] = torch.bincount(cells, minlength=classes**2).view(classes, classes).numpy()
    return found


def _card_heads(task: Task) -> dict[str, Any]:
    """Return where each head's columns stand among the outputs, and how to read them."""
    if not isinstance(task, Several):
        return {}
    return {
        "heads": [
            {
                "name": head.name,
                "kind": head.task.kind,
                "columns": [head.columns.start, head.columns.stop],
                "names": list(head.task.names),
                "answer": "softmax" if head.task.distributions else "sigmoid",
            }
            for head in task.heads
        ]
    }


def _heads(run: Run, beside: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return the metric of each head, by method, where the task has several."""
    task = run.problem.task
    if not isinstance(task, Several):
        return {}
    program = torch.export.load(run.folder.path / "student.pt2").module()
    own = task.metrics(outputs(program, run.test_inputs), run.test_labels)
    return {"heads": {"student": rounded(own), **beside}}


def _prototypes(problem: Problem, views: dict[str, Tensor]) -> dict[str, Any]:
    inputs = problem.inputs
    nearest = views["responsibilities"].topk(min(NEAREST, len(inputs)), dim=0).indices.T
    found: dict[str, Any] = {
        "nearest": nearest.numpy(),
        "coverage": views["coverage"].numpy(),
        "usage": views["responsibilities"].mean(dim=0).numpy(),
    }
    if (head := _speaking(problem.task)) is not None:
        found["emission"] = views["emission"][:, head.columns].numpy()
    if inputs.ndim == 4:
        found["nearest_images"] = inputs[nearest].to(torch.float16).numpy()
    return found


def _speaking(task: Task) -> Head | None:
    """Return the head by whose classes prototypes are named: the first that has classes."""
    return next((head for head in task.heads if head.task.distributions), None)


def _certificate(run: Run) -> dict[str, Any]:
    """Return what the summary says of the student's error rate, if labels were kept for it."""
    inputs, labels = run.split.held_inputs, run.split.held_labels
    if inputs is None or labels is None:
        return {}
    student = torch.export.load(run.folder.path / "student.pt2").module()
    delta = run.scenario.certificate.delta
    held = to_float(inputs), torch.from_numpy(labels)
    return {"certificate": certificate(run.strategy, student, *held, delta)}


def _summary(
    run: Run, status: str, metrics: dict[str, float], startup: float, total: float
) -> dict[str, Any]:
    memory = run.strategy.memory
    chosen = [entry["selected"] for entry in memory.history]
    relevant = {teacher.id: teacher.relevant for teacher in run.scenario.pool()}
    scores = dict(memory.selection.scores) if memory.selection else {}
    unused, limits = aside.unused(run.strategy), _limits(run)
    names = ("startup", "saliency", "query", "fusion")
    seconds = {"startup": startup, **memory.seconds}
    return {
        "scenario": run.scenario.name,
        "strategy": run.scenario.strategy,
        "seed": run.scenario.seed,
        "status": status,
        "task": _task(run.problem.task),
        "metrics": {"student": memory.history[-1]["student"], **metrics},
        "rounds": [
            {key: entry[key] for key in ("round", "selected", "weights", "student")}
            for entry in memory.history
        ],
        "teachers": [
            {
                "id": name,
                "relevant": relevant.get(name),
                "score": scores.get(name),
                "times_selected": sum(name in names for names in chosen),
                "queries": account.queries,
                "unused": unused.get(name),
                "limits": limits.get(name, {}),
                "bytes": account.to_teacher + account.from_teacher,
            }
            for name, account in sorted(memory.accounts.items())
        ],
        "notes": list(dict.fromkeys(e["sentence"] for e in run.folder.events("note"))),
        "bytes": {
            "to_teachers": sum(account.to_teacher for account in memory.accounts.values()),
            "from_teachers": sum(account.from_teacher for account in memory.accounts.values()),
        },
        "seconds": {
            "total": round(total, 3),
            **{name: round(seconds.get(name, 0.0), 3) for name in names},
        },
    }


def _task(task: Task) -> dict[str, Any]:
    """Return what the summary says of the task; its classes are the first head's that has some."""
    head = _speaking(task)
    found: dict[str, Any] = {"kind": task.kind, "classes": list(head.task.names) if head else []}
    if isinstance(task, Several):
        found["heads"] = {head.name: head.task.kind for head in task.heads}
    return found


def _limits(run: Run) -> dict[str, dict[str, dict[str, int]]]:
    """Return what each teacher's terms did not allow, by kind of question, as it was told last."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for event in run.folder.events("limit"):
        told = {"wanted": event["wanted"], "left": event["left"]}
        found.setdefault(event["teacher"], {})[event["call"]] = told
    return found
