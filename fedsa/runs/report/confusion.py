"""Which classes the student takes for which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from fedsa.runs.report import figure as draw
from fedsa.runs.report.material import Material
from fedsa.runs.report.prototypes import class_names


@dataclass(frozen=True)
class Confusion:
    """The matrix as a picture, and its largest errors in words."""

    picture: str
    worst: tuple[str, ...]


def confusion(run: Material) -> Confusion | None:
    """Return the test set's confusion matrix, or None when the run did not come that far."""
    counts = run.arrays.get("confusion")
    if counts is None or counts.ndim != 2 or counts.sum() <= 0:
        return None
    names = class_names(run, len(counts))
    rows = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = min(8.0, 2.4 + 0.46 * len(counts))
    with draw.style():
        plot = Figure(figsize=(size + 0.6, size))
        axes = plot.subplots()
        draw.heat(axes, rows, top=1.0)
        step = -(-len(names) // 40)
        ticks = np.arange(0, len(names), step)
        axes.set_xticks(ticks, names[::step], rotation=45, ha="right", fontsize=9)
        axes.set_yticks(ticks, names[::step], fontsize=9)
        axes.set_xlabel("the student says")
        axes.set_ylabel("it is")
        if len(names) <= 20:
            for (true, said), share in np.ndenumerate(rows):
                if counts[true, said]:
                    axes.text(
                        said,
                        true,
                        str(int(counts[true, said])),
                        ha="center",
                        va="center",
                        fontsize=8,
                        color="white" if share > 0.55 else draw.INK,
                    )
        picture = draw.svg(plot)
    wrong = rows - np.diag(np.diag(rows))
    pairs = [divmod(int(flat), len(names)) for flat in np.argsort(-wrong, axis=None)[:3]]
    worst = tuple(
        f"{names[true]} taken for {names[said]}: {100 * wrong[true, said]:.0f} %"
        for true, said in pairs
        if wrong[true, said] > 0
    )
    return Confusion(picture, worst)
