"""Accuracy per round, against the baselines."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fedsa.runs.report import figure as draw
from fedsa.runs.report.headline import metrics, number
from fedsa.runs.report.material import Material

_LINES = {"scratch": draw.MUTED, "uniform": draw.WARM, "best_single": draw.GREEN}


def curve(run: Material) -> str | None:
    """Return the plot as a data URI, or None before the first round."""
    points = {
        index: value
        for index, event in run.per_round("round").items()
        if (value := number(event.get("student"))) is not None
    } or {
        int(record["round"]): value
        for record in run.summary.get("rounds", [])
        if (value := number(record.get("student"))) is not None
    }
    if not points:
        return None
    baselines = {name: value for name, value in metrics(run).items() if name != "student"}
    with draw.style():
        plot = Figure(figsize=(8.4, 3.6))
        axes = plot.subplots()
        labels = []
        for position, (name, value) in enumerate(baselines.items()):
            colour = _LINES.get(name, draw.SAND)
            dashes = (0, (5 - position % 3, 2 + position % 2))
            axes.axhline(100 * value, color=colour, linewidth=1.4, linestyle=dashes)
            labels.append((100 * value, name.replace("_", " "), colour))
        rounds, values = list(points), [100 * value for value in points.values()]
        axes.plot(rounds, values, color=draw.ACCENT, linewidth=2.4, marker="o", markersize=6)
        labels.append((values[-1], "student", draw.ACCENT))
        axes.set_xlim(min(rounds) - 0.15, max(rounds) + 0.15)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y", color=draw.RULE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.margins(y=0.12)
        axes.set_xlabel("round")
        axes.set_ylabel("test accuracy (%)")
        low, high = axes.get_ylim()
        for height, (value, name, colour) in zip(
            _spread([label[0] for label in labels], (high - low) * 0.075), labels, strict=True
        ):
            axes.annotate(
                f"{name}  {value:.1f}",
                (1.01, (height - low) / (high - low)),
                xycoords="axes fraction",
                color=colour,
                va="center",
                fontweight="bold" if name == "student" else "normal",
            )
        return draw.svg(plot)


def _spread(heights: list[float], gap: float) -> list[float]:
    """Push labels apart until neighbours are ``gap`` from each other, keeping their order.

    Labels that meet form a block that stays centred on the places its members asked for.
    """
    blocks: list[list[int]] = []

    def place(block: list[int]) -> list[float]:
        middle = sum(heights[i] for i in block) / len(block)
        return [middle + (rank - (len(block) - 1) / 2) * gap for rank in range(len(block))]

    for index in sorted(range(len(heights)), key=heights.__getitem__):
        blocks.append([index])
        while len(blocks) > 1 and place(blocks[-1])[0] - place(blocks[-2])[-1] < gap:
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    out = list(heights)
    for block in blocks:
        for index, height in zip(block, place(block), strict=True):
            out[index] = height
    return out
