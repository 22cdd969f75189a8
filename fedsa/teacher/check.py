"""What an institution should know of its teacher before it is served, all found in one go."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import psutil
import torch

from fedsa.errors import FedsaError
from fedsa.messages import Card
from fedsa.teacher.faults import Fault
from fedsa.teacher.policy import accountant
from fedsa.teacher.teacher import Teacher

LOOKS = 2
"""Items of which maps are made on trial."""
_REPEATS = 3
_SAME = 1e-3  # difference of logits, as a share of the largest, that is float noise
_MIB = 2**20


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Parameters
    ----------
    level : Literal["fault", "warning", "fact"]
        A teacher with a fault cannot be served; a warning is worth a look.
    about : str
        What it is about, in a word or two.
    text : str
        One sentence, for the institution only: it may name paths.
    """

    level: Literal["fault", "warning", "fact"]
    about: str
    text: str


@dataclass(frozen=True)
class Report:
    """What :func:`check` found, and the card as the outside would see it (None if none)."""

    findings: tuple[Finding, ...]
    card: Card | None = None

    @property
    def good(self) -> bool:
        """Whether there is no fault."""
        return all(finding.level != "fault" for finding in self.findings)


def check(path: Path) -> Report:
    """Try a teacher's file: read it, load its model, answer a batch, and make maps of each kind.

    Parameters
    ----------
    path : Path
        The teacher's TOML file.

    Returns
    -------
    Report
        Every fault, then warnings and facts; nothing is raised for a teacher that is at fault.
    """
    before = psutil.Process().memory_info().rss
    try:
        teacher = Teacher.load(path)
    except FedsaError as error:
        head, *rest = str(error).splitlines()
        return Report(tuple(Finding("fault", "file", line.strip()) for line in rest or [head]))
    items = _items(teacher)
    found = [*_file(teacher), *_answers(teacher, items)]
    for method in teacher.card.methods:
        found.append(_look(teacher, method, items[:LOOKS]))
    found.append(_memory(teacher, before))
    order = ("fault", "warning", "fact")
    return Report(tuple(sorted(found, key=lambda one: order.index(one.level))), teacher.card)


def _items(teacher: Teacher) -> np.ndarray:
    """Return a batch of noise as a transfer set would hold it."""
    draw, shape = np.random.default_rng(0), (teacher.file.compute.batch, *teacher.file.input.shape)
    if len(shape) == 4:
        return draw.integers(0, 256, shape, dtype=np.uint8)
    return draw.random(shape, np.float32)


def _file(teacher: Teacher) -> list[Finding]:
    """Return what is worth knowing of the file itself."""
    file, found = teacher.file, []
    if file.policy is None:
        found.append(
            Finding("warning", "policy", "without [policy] a gateway shows nothing but the card.")
        )
    else:
        noise = file.policy.noise
        try:  # as the gateway will when it starts
            accountant.epsilon(noise.sigma, 1, noise.delta)
        except FedsaError as error:
            found.append(Finding("fault", "policy", str(error)))
    lost = set(file.saliency.methods) - set(teacher.card.methods)
    if lost:
        found.append(
            Finding(
                "warning",
                "saliency",
                f"{', '.join(sorted(lost))} cannot be answered, the model has no gradients: take "
                "it out of saliency.methods.",
            )
        )
    if not teacher.card.methods:
        found.append(
            Finding("fault", "saliency", "no method is left; list occlusion or rise, or none.")
        )
    return found


def _answers(teacher: Teacher, items: np.ndarray) -> list[Finding]:
    took = []
    try:
        teacher.logits(items)  # the first pass sets things up
        for _ in range(_REPEATS):
            start = time.perf_counter()
            raw = teacher.logits(items)
            took.append(time.perf_counter() - start)
        alone = teacher.logits(items[:1])
    except Fault as fault:
        return [Finding("fault", "answers", _why(fault))]
    device = teacher.backend.device
    found = [
        Finding(
            "fact",
            "answers",
            f"{len(items)} items in {min(took):.3g} s on {device}: "
            f"{len(items) / min(took):,.0f} a second.",
        )
    ]
    if teacher.batch < teacher.file.compute.batch:
        found.append(
            Finding(
                "warning",
                "memory",
                f"it holds {teacher.batch} items at once and not compute.batch = "
                f"{teacher.file.compute.batch}: write compute.batch = {teacher.batch}.",
            )
        )
    scale = float(np.abs(raw).max()) or 1.0
    if float(np.abs(alone[0] - raw[0]).max()) > _SAME * scale:
        found.append(
            Finding(
                "warning",
                "answers",
                "an item is answered differently alone and in company: check that the model is in "
                "evaluation mode, since items of several callers share a pass.",
            )
        )
    if len(raw) > 1 and float(np.ptp(raw, axis=0).max()) <= 1e-6 * scale:
        found.append(
            Finding(
                "warning",
                "answers",
                "all items of noise get the same answer: check that [input] gives the model values "
                "like those that it was trained on.",
            )
        )
    return found


def _look(teacher: Teacher, method: str, items: np.ndarray) -> Finding:
    card, start = teacher.card, time.perf_counter()
    try:
        maps = teacher.compact_maps(items, method, card.grid, card.bits)
    except Fault as fault:
        return Finding("fault", method, _why(fault))
    took = (time.perf_counter() - start) / len(items)
    cells = maps.values.shape[1]
    return Finding("fact", method, f"maps of {cells} cells, {took:.3g} s each.")


def _memory(teacher: Teacher, before: int) -> Finding:
    grown = psutil.Process().memory_info().rss - before
    size = teacher.nbytes / _MIB
    text = f"the model has {size:,.1f} MiB; the process grew by {grown / _MIB:,.0f} MiB"
    device = teacher.backend.device
    if device.type == "cuda":
        text += f", at most {torch.cuda.max_memory_allocated(device) / _MIB:,.0f} MiB on {device}"
    return Finding("fact", "memory", f"{text}.")


def _why(fault: Fault) -> str:
    cause = fault.__cause__
    if cause is None:
        return f"the question fails ({fault.code}); a model must answer with finite numbers."
    return f"the question fails ({fault.code}): {type(cause).__name__}: {cause}."
