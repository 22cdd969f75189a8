"""From plots and arrays to data URIs, in one style, without pyplot's global state."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from fedsa.runs.report.material import Array

INK, MUTED, RULE = "#1f2933", "#65717f", "#dde3e9"
ACCENT, WARM, GREEN, SAND = "#1b6ca8", "#c2571a", "#3f7d4e", "#8c6d1f"
BLUES = LinearSegmentedColormap.from_list("fedsa", ["#f7fafc", "#9cc3e0", ACCENT, "#0d3555"])

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10.0,
    "text.color": INK,
    "text.parse_math": False,  # class names come from outside; a dollar sign is a dollar sign
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.0,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "svg.hashsalt": "fedsa",  # the same run gives the same file
}


@contextmanager
def style() -> Iterator[None]:
    """Apply the report's style to figures made and drawn inside."""
    with mpl.rc_context(_STYLE):
        yield


def svg(figure: Figure) -> str:
    """Return a drawn figure as an SVG data URI (text as outlines, so no font is needed)."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", bbox_inches="tight", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def png(image: Array) -> str:
    """Return an ``(h, w, 3)`` image in [0, 1] as a PNG data URI."""
    stream = io.BytesIO()
    pixels = np.round(np.clip(np.nan_to_num(image), 0.0, 1.0) * 255.0).astype(np.uint8)
    if np.ptp(pixels, axis=2).max(initial=0) == 0:
        pixels = pixels[..., 0]  # a grey picture needs a third of the room
    Image.fromarray(pixels).save(stream, format="png")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def heat(axes: Axes, values: Array, top: float | None = None) -> None:
    """Draw a matrix as a calm heat map with hair lines between its cells."""
    axes.imshow(values, cmap=BLUES, vmin=0.0, vmax=top, aspect="auto", interpolation="nearest")
    for spine in axes.spines.values():
        spine.set_visible(False)
    rows, columns = values.shape
    if rows * columns <= 2500:
        axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=0.8)
        axes.tick_params(which="minor", length=0)


def shorten(text: str, length: int = 24) -> str:
    """Return text that fits a label."""
    return text if len(text) <= length else text[: length - 1] + "…"
