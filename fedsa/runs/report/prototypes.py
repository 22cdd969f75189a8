"""The shared prototypes: what they look like, who covers them, what the task makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from fedsa.runs.report import figure as draw
from fedsa.runs.report import pictures
from fedsa.runs.report.material import Array, Material

SHOWN = 64
IN_USE = 0.1
"""Share of an even part of the items from which a prototype counts as in use."""


@dataclass(frozen=True)
class Prototype:
    """One prototype: its number, the class it speaks for, how surely, its nearest items."""

    number: int
    says: str
    percent: float | None
    strip: str | None
    items: str


@dataclass(frozen=True)
class Prototypes:
    """Everything about the prototypes that can be shown."""

    gallery: tuple[Prototype, ...]
    total: int
    used: int
    maps: str | None


def class_names(run: Material, count: int) -> list[str]:
    """Return ``count`` class names: the task's own, or numbers."""
    task = run.summary.get("task") or {}
    for found in (task.get("classes"), (run.scenario.get("task") or {}).get("classes")):
        if isinstance(found, list) and len(found) == count:
            return [draw.shorten(str(name), 18) for name in found]
    return [f"class {index}" for index in range(count)]


def prototypes(run: Material) -> Prototypes | None:
    """Return what is known of the prototypes, grouped by the class that they speak for."""
    emission, coverage = run.arrays.get("emission"), run.arrays.get("coverage")
    nearest = run.arrays.get("nearest")
    sizes = {
        size
        for array, axis in ((emission, 0), (coverage, 1), (nearest, 0))
        if array is not None and (size := array.shape[axis])
    }
    if not sizes:
        return None
    if len(sizes) > 1:
        raise ValueError("the arrays disagree on the number of prototypes")
    total = sizes.pop()
    order = np.arange(total)
    if emission is not None:
        order = np.lexsort((-emission.max(axis=1), emission.argmax(axis=1)))
    usage = run.arrays.get("usage")
    if usage is not None:  # what no item belongs to has neither meaning nor nearest items
        order = order[usage[order] > IN_USE / total]
    return Prototypes(_gallery(run, order, emission), total, len(order), _maps(run, order))


def _gallery(run: Material, order: Array, emission: Array | None) -> tuple[Prototype, ...]:
    nearest, images = run.arrays.get("nearest"), run.arrays.get("nearest_images")
    if nearest is None:
        return ()
    names = class_names(run, emission.shape[1]) if emission is not None else []
    drawn = images is not None and pictures.is_images(images, 5)
    # With more prototypes than fit, every class keeps its share: they are grouped by class.
    shown = order[np.unique(np.linspace(0, len(order) - 1, min(SHOWN, len(order))).astype(int))]
    out = []
    for number in shown:
        strip = None
        if drawn and images is not None:
            tiles = [pictures.picture(image, 48) for image in images[number]]
            strip = draw.png(pictures.strip(tiles, gap=2))
        best = None if emission is None else int(emission[number].argmax())
        out.append(
            Prototype(
                number=int(number),
                says="" if best is None else names[best],
                percent=None if emission is None else 100.0 * float(emission[number].max()),
                strip=strip,
                items=", ".join(str(int(item)) for item in nearest[number]),
            )
        )
    return tuple(out)


def _covering(run: Material, count: int) -> list[str]:
    """Name the rows of the coverage: its own ids, else those of the last round, else all ids."""
    rounds = run.summary.get("rounds") or [{}]
    candidates = (
        run.arrays.get("coverage_ids"),
        rounds[-1].get("selected"),
        run.arrays.get("teacher_ids"),
    )
    for ids in candidates:
        if ids is not None and len(ids) == count:
            return [draw.shorten(str(name)) for name in ids]
    return [f"row {index + 1}" for index in range(count)]


def _maps(run: Material, order: Array) -> str | None:
    """Draw task emission and teachers' coverage over the same prototypes, one below the other."""
    parts: list[tuple[str, Array, list[str]]] = []
    emission, coverage = run.arrays.get("emission"), run.arrays.get("coverage")
    if emission is not None:
        title = "The new task: share of each class in a prototype"
        parts.append((title, emission[order].T, class_names(run, emission.shape[1])))
    if coverage is not None:
        title = "Teachers: where in the prototypes a teacher is at home"
        parts.append((title, coverage[:, order], _covering(run, len(coverage))))
    if not parts:
        return None
    heights = [max(4, len(part[1])) for part in parts]
    with draw.style():
        plot = Figure(figsize=(10.0, 0.9 * len(parts) + 0.2 * sum(heights)))
        grid = plot.subplots(
            len(parts), 1, squeeze=False, height_ratios=heights, gridspec_kw={"hspace": 0.22}
        )
        for axes, (title, values, names) in zip(grid[:, 0], parts, strict=True):
            draw.heat(axes, np.nan_to_num(values))
            axes.set_title(title)
            step = -(-len(names) // 60)  # labels of a large pool thin out instead of overlapping
            axes.set_yticks(np.arange(0, len(names), step), names[::step], fontsize=9)
            axes.set_xticks([])
        grid[-1, 0].set_xlabel(f"{len(order)} prototypes, grouped by the class they speak for")
        return draw.svg(plot)
