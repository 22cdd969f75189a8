"""A run folder as a finished run leaves it, made up but of the true form and plausible numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsa.seeding import numpy_generator

CLASSES = ["disc", "ring", "square", "frame", "cross", "bar", "slope", "corner", "dots", "wave"]
TEACHERS = [f"museum-{i}" for i in range(1, 5)] + [f"clinic-{i}" for i in range(1, 4)]
DECOYS = ["other-domain", "label-noise", "pure-noise"]
IDS = sorted(TEACHERS + DECOYS)
ROUNDS = 4


def shapes(count: int, seed: int) -> np.ndarray:
    """Ten kinds of 28 x 28 figures with a little jitter, ``(count, 1, 28, 28)`` in [0, 1]."""
    rng = numpy_generator(seed, "shapes")
    rows, columns = np.mgrid[0:28, 0:28]
    out = np.zeros((count, 1, 28, 28), dtype=np.float32)
    for item in range(count):
        y, x = rows - 14 + rng.integers(-3, 4), columns - 14 + rng.integers(-3, 4)
        far, box = np.hypot(x, y), np.maximum(abs(x), abs(y))
        drawn = [
            far < 8, (far < 9) & (far > 5), box < 7, (box < 9) & (box > 6),
            (abs(x) < 2) | (abs(y) < 2), abs(x) < 3, abs(x - y) < 3, (x > -6) & (y > 2) & (box < 8),
            (x % 7 < 3) & (y % 7 < 3), abs(y - 4 * np.sin(x / 3)) < 2,
        ][item % 10]  # fmt: skip
        out[item, 0] = np.clip(drawn * rng.uniform(0.6, 1.0) + rng.normal(0, 0.03, (28, 28)), 0, 1)
    return out


def artefacts(seed: int) -> dict[str, np.ndarray]:
    """Everything in ``artefacts.npz``."""
    rng = numpy_generator(seed, "artefacts")
    probe = shapes(8, seed)
    pooled = probe.reshape(8, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(8, 49)
    maps = np.stack([pooled * rng.uniform(0.4, 1.6, (8, 49)) for _ in IDS]).astype(np.float32)
    for name in DECOYS:
        maps[IDS.index(name)] = rng.uniform(0, 1, (8, 49))
    maps[IDS.index("pure-noise")] = np.nan  # it gave none
    items = shapes(320, seed + 1).reshape(32, 10, 1, 28, 28)
    classes = np.arange(64) % 10
    nearest = np.stack([items[rng.integers(0, 32, 5), c] for c in classes])
    emission = rng.dirichlet(np.full(10, 0.25), 64) * 0.35
    emission[np.arange(64), classes] += 0.65
    known = {name: rng.permutation(10)[:4] for name in TEACHERS}
    coverage = np.stack(
        [
            np.where(np.isin(classes, known[i]), 0.8, 0.1) if i in known else np.full(64, 0.12)
            for i in IDS
        ]
    )
    coverage *= rng.uniform(0.8, 1.2, coverage.shape)
    confusion = rng.poisson(3, (10, 10)) + np.diag(rng.integers(140, 190, 10))
    confusion[2, 3] += 31
    return {
        "probe_images": probe,
        "student_maps": pooled.astype(np.float32),
        "teacher_maps": maps,
        "teacher_ids": np.array(IDS),
        "nearest": rng.integers(0, 6000, (64, 5)),
        "nearest_images": nearest.astype(np.float16),
        "coverage": (coverage / coverage.sum(axis=1, keepdims=True)).astype(np.float32),
        "emission": emission,
        "confusion": confusion,
    }


def run_events(seed: int) -> list[dict[str, Any]]:
    """``events.jsonl`` as objects."""
    rng = numpy_generator(seed, "events")
    events: list[dict[str, Any]] = [
        {"event": "started", "scenario": "quickstart"},
        {"event": "phase", "phase": "teachers", "detail": "10 described"},
        {"event": "baseline", "name": "scratch", "metric": 0.702},
        {"event": "baseline", "name": "uniform", "metric": 0.778},
        {"event": "baseline", "name": "best_single", "metric": 0.741},
    ]
    for number in range(1, ROUNDS + 1):
        trust = {n: 0.03 if n in DECOYS else float(rng.uniform(0.5, 1.5)) for n in IDS}
        if number > 2:
            trust |= dict.fromkeys(DECOYS, 0.0)
        total = sum(trust.values())
        scores = {n: float(rng.normal(-0.2 if n in DECOYS else 0.4, 0.08)) for n in IDS}
        events += [
            {
                "event": "selection",
                "round": number,
                "weights": {n: w / total for n, w in trust.items()},
                "scores": scores,
                "evidence": {n: {"saliency": s / 2, "leep": s - 1} for n, s in scores.items()},
                "reasons": {
                    n: "adds nothing to the student" if n in DECOYS else "answers the few labels"
                    for n in IDS
                },
            },
            {
                "event": "round",
                "round": number,
                "student": [0.781, 0.812, 0.829, 0.836][number - 1],
                "seconds": {"query": 2.1, "fusion": 9.0},
                "facts": {},
            },
        ]
    failure = "The teacher did not answer in time; it is left out of this round."
    events.append(
        {"event": "failure", "teacher": "clinic-2", "code": "timeout", "sentence": failure}
    )
    return [*events, {"event": "finished"}]


def run_summary(seed: int, strategy: str = "fedsa") -> dict[str, Any]:
    """``summary.json``."""
    selections = [e for e in run_events(seed) if e["event"] == "selection"]
    students = {e["round"]: e["student"] for e in run_events(seed) if e["event"] == "round"}
    return {
        "scenario": "quickstart",
        "strategy": strategy,
        "seed": seed,
        "status": "finished",
        "task": {"kind": "classification", "classes": CLASSES},
        "metrics": {"student": 0.836, "scratch": 0.702, "uniform": 0.778, "best_single": 0.741},
        "rounds": [
            {
                "round": e["round"],
                "selected": [n for n, w in e["weights"].items() if w > 0],
                "weights": e["weights"],
                "student": students[e["round"]],
            }
            for e in selections
        ],
        "teachers": [
            {
                "id": name,
                "relevant": name not in DECOYS,
                "score": selections[-1]["scores"][name],
                "times_selected": sum(e["weights"][name] > 0 for e in selections),
                "queries": 316 if name in DECOYS else 6000 - 200 * IDS.index(name),
                "bytes": 9_480 if name in DECOYS else 31_000 - 900 * IDS.index(name),
            }
            for name in IDS
        ],
        "bytes": {"to_teachers": 47_040_000, "from_teachers": 512_000},
        "seconds": {
            "total": 92.4,
            "startup": 11.2,
            "saliency": 14.9,
            "query": 12.3,
            "fusion": 44.0,
        },
    }


def write_run(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Write a whole run folder; ``changes`` go into the summary."""
    folder.mkdir(parents=True)
    scenario = {
        "name": "quickstart",
        "strategy": "fedsa",
        "seed": seed,
        "rounds": ROUNDS,
        "task": {"kind": "classification", "data": "shapes", "classes": CLASSES},
        "teachers": [{"id": name} for name in IDS],
    }
    versions = {"fedsa": "0.1.0", "torch": "2.13.0", "flwr": "1.41.0"}
    (folder / "config.json").write_text(json.dumps({"scenario": scenario, "versions": versions}))
    lines = [json.dumps(event) + "\n" for event in run_events(seed)]
    (folder / "events.jsonl").write_text("".join(lines))
    (folder / "summary.json").write_text(json.dumps(run_summary(seed) | changes))
    np.savez_compressed(folder / "artefacts.npz", **artefacts(seed))
    return folder


@pytest.fixture
def run_writer() -> Callable[..., Path]:
    """:func:`write_run`, for tests that want several folders."""
    return write_run


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """One finished run's folder."""
    return write_run(tmp_path / "run")
