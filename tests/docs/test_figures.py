"""The figures in README's table are those of the results that it links to."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TASKS = {
    "ten classes": "all classes, ten",
    "ten classes, fifty teachers": "all classes, fifty",
    "four coarse classes": "coarse classes, ten",
    "classes that no teacher knows": "held-out classes, ten",
}
LABELS = {"100": "1 %", "1,000": "10 %", "all": "100 %", "about 25 a class": "1 %"}
RIVALS = ("by_name", "uniform", "best_single", "stacking", "fedmd", "bplus")
ALONE = ("scratch", "fixmatch", "self_training")


def test_readme_has_the_table_as_it_was_measured() -> None:
    results = ROOT / "simulations" / "results" / "single-task.json"
    cells = {cell["name"]: cell for cell in json.loads(results.read_text("utf-8"))["cells"]}
    readme = (ROOT / "README.md").read_text("utf-8")
    table = readme[readme.index("| the new task |") :].split("\n\n")[0].splitlines()[2:]
    task = ""
    for line in table:
        first, labels, seeds, *figures = (part.strip() for part in line.strip("|").split("|"))
        task = first or task
        cell = cells[f"{TASKS[task]}, conv, {LABELS.get(labels, labels)}"]
        metrics = {row["method"]: row["metric"] for row in cell["rows"]}
        best = [max((metrics[name] for name in group), key=_mean) for group in (RIVALS, ALONE)]
        told = [metrics["fedsa"], *best, metrics["supervised"]]
        shown = [f"{100 * one['mean']:.1f} ± {100 * one['half']:.1f}" for one in told]
        assert shown == figures, line
        assert int(seeds) == len(cell["seeds"]), line
    assert len(table) > 5 and re.search(r"\| 1 a class \|", "".join(table))


def _mean(metric: dict[str, float]) -> float:
    return metric["mean"]
