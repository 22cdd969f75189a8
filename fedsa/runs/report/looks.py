"""Where the networks look: the student's and the teachers' maps on the same probe items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsa.runs.report import pictures
from fedsa.runs.report.choices import Choices
from fedsa.runs.report.figure import png
from fedsa.runs.report.material import Array, Material

SHOWN_ITEMS = 8
SHOWN_TEACHERS = 24


@dataclass(frozen=True)
class Look:
    """One network's row: a strip of pictures, as a data URI."""

    name: str
    relevant: bool | None
    strip: str


@dataclass(frozen=True)
class Looks:
    """The rows, probe images first, and how many teachers were left out for length."""

    rows: tuple[Look, ...]
    left_out: int


def looks(run: Material, chosen: Choices | None) -> Looks | None:
    """Return the strips, or None when the items are no images or no maps were asked for."""
    images = run.arrays.get("probe_images")
    if images is None or not pictures.is_images(images, 4):
        return None
    images = images[:SHOWN_ITEMS]
    rows = [Look("probe images", None, png(pictures.strip([pictures.picture(i) for i in images])))]
    student = run.arrays.get("student_maps")
    if student is not None:
        rows.append(Look("student", None, _strip(images, student)))
    maps, ids = run.arrays.get("teacher_maps"), run.arrays.get("teacher_ids")
    left_out = 0
    if maps is not None and ids is not None and len(maps) == len(ids):
        index = {str(name): position for position, name in enumerate(ids)}
        known = [row.id for row in chosen.rows if row.id in index] if chosen else []
        order = known + sorted(set(index) - set(known))
        seen = [name for name in order if np.isfinite(maps[index[name]]).any()]
        truth = {str(record["id"]): record.get("relevant") for record in run.teachers()}
        left_out = len(order) - len(seen[:SHOWN_TEACHERS])
        rows += [
            Look(name, truth.get(name), _strip(images, maps[index[name]]))
            for name in seen[:SHOWN_TEACHERS]
        ]
    return Looks(tuple(rows), left_out) if len(rows) > 1 else None


def _strip(images: Array, maps: Array) -> str:
    pairs = zip(images, maps[: len(images)], strict=True)
    return png(pictures.strip([pictures.overlaid(image, look) for image, look in pairs]))
