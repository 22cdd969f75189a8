"""What each step gives the beliefs: ``python -m fedsa.runs.beliefs_gain FOLDER...``.

FOLDERs are surveys (``fedsa suggest-labels --answers FOLDER --seed N``) or finished runs of any
scenario that asked every teacher about everything. Labels are drawn by class; the teachers that the
scenario notes as relevant have even weights, so that nothing but the beliefs differs. Measured is
the share of unlabelled transfer items whose belief is right; no test image is looked at.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from fedsa.data.splits import split
from fedsa.fusion.beliefs import beliefs
from fedsa.options import FusionOptions
from fedsa.runs.conduct import make_problem
from fedsa.runs.intervals import interval
from fedsa.runs.surveyed import numbers, plainly, read

WAYS = {
    "neither": FusionOptions(names=False, competence=False, spreading=0.0),
    "competence": FusionOptions(names=False, spreading=0.0),
    "spreading": FusionOptions(names=False, competence=False),
    "both": FusionOptions(names=False),
    "names": FusionOptions(),
}


def measure(folder: Path, each: int) -> dict[str, float]:
    """Return the share of right beliefs by way, with so many labels of each class."""
    survey = read(folder)
    scenario = survey.scenario
    task = scenario.task.model_copy(update={"labels_per_class": each, "labelled": None})
    scenario = scenario.model_copy(update={"task": task})
    parts = split(scenario)
    problem = make_problem(scenario, parts)
    hidden = np.setdiff1d(np.arange(len(parts.transfer)), problem.labelled.numpy())
    found = {}
    for way, options in WAYS.items():
        told = beliefs(problem, survey.answers, survey.weights, options).argmax(dim=1).numpy()
        found[way] = float((told == parts.truth)[hidden].mean())
    return found


def main() -> None:
    """Print the means over folders as Markdown; gains are over neither, paired by folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--labels", default="1,5,10,60", type=numbers, help="Labels of each class.")
    wanted = parser.parse_args()
    print(f"| labels a class | {' | '.join(WAYS)} |\n| --- |{' --- |' * len(WAYS)}")
    for each in wanted.labels:
        found: dict[str, list[float]] = defaultdict(list)
        for folder in wanted.folders:
            for way, right in measure(folder, each).items():
                found[way].append(100 * right)
        cells = [f"{np.mean(found['neither']):.1f}"]
        for way in list(WAYS)[1:]:
            gains = np.subtract(found[way], found["neither"])
            over = interval(gains.tolist())
            half = f" ± {over.half:.1f}" if over and over.half is not None else ""
            cells.append(f"{np.mean(found[way]):.1f} ({gains.mean():+.1f}{half})")
        print(f"| {each} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    plainly(main)
