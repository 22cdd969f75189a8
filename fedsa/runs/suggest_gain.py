"""What proposed items gain over random ones: ``python -m fedsa.runs.suggest_gain FOLDER...``.

FOLDERs are surveys of one scenario under several seeds (``fedsa suggest-labels --answers FOLDER
--seed N``). For each seed and number of labels, items are chosen in several ways, and the default
fusion trains a student on them in one round. The teachers that the scenario notes as relevant have
even weights, so that nothing but the items differs; items are proposed from the answers of all.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from fedsa.data.splits import Split
from fedsa.data.transfer import to_float
from fedsa.fusion.base import Stage
from fedsa.fusion.beliefs import beliefs
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.fusion.stack import features
from fedsa.fusion.training import outputs
from fedsa.problem import Answers
from fedsa.prototypes.coverage import nearest, typical
from fedsa.runs.conduct import make_problem
from fedsa.runs.intervals import interval
from fedsa.runs.suggest import suggest
from fedsa.runs.surveyed import Surveyed, numbers, plainly, read
from fedsa.seeding import numpy_generator

Chosen = tuple[NDArray[np.int64], NDArray[np.float64] | None]


def random(parts: Split, answers: Answers, count: int, seed: int) -> Chosen:
    """Draw from all items alike; a class may get no label."""
    draw = numpy_generator(seed, "gain", "random", count)
    return draw.choice(len(parts.transfer), count, replace=False), None


def by_class(parts: Split, answers: Answers, count: int, seed: int) -> Chosen:
    """Draw as many of each class, which only somebody can who knows all labels."""
    draw, classes = numpy_generator(seed, "gain", "by class", count), len(parts.classes)
    each = [np.flatnonzero(parts.truth == c) for c in range(classes)]
    return np.concatenate([draw.choice(one, count // classes, replace=False) for one in each]), None


def k_centre(parts: Split, answers: Answers, count: int, seed: int) -> Chosen:
    """Take the item farthest from those taken (Sener and Savarese, ICLR 2018)."""
    columns = _columns(answers)
    chosen = [int(((columns - columns.mean(axis=0)) ** 2).sum(axis=1).argmin())]
    apart = ((columns - columns[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < count:
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, ((columns - columns[chosen[-1]]) ** 2).sum(axis=1))
    items = np.array(chosen)
    home = nearest(columns, columns[items])
    return items, np.bincount(home, minlength=count) / len(columns)


def typiclust(parts: Split, answers: Answers, count: int, seed: int) -> Chosen:
    """Take the most typical item of each cluster of k-means (Hacohen et al., ICML 2022)."""
    columns = _columns(answers)
    home = KMeans(count, n_init=5, random_state=seed).fit(columns).labels_
    items = [typical(columns, np.flatnonzero(home == cluster)) for cluster in range(count)]
    return np.array(items), np.bincount(home, minlength=count) / len(columns)


def suggested(parts: Split, answers: Answers, count: int, seed: int) -> Chosen:
    """Take what ``fedsa suggest-labels`` proposes."""
    found = suggest(answers, count, seed)
    return found.items, found.masses


def suggested_alike(parts: Split, answers: Answers, count: int, seed: int) -> Chosen:
    """Take the same items for a random draw."""
    return suggested(parts, answers, count, seed)[0], None


WAYS: dict[str, Callable[[Split, Answers, int, int], Chosen]] = {
    "random": random,
    "by-class": by_class,
    "k-centre": k_centre,
    "TypiClust": typiclust,
    "suggested-alike": suggested_alike,
    "suggested": suggested,
}


def measure(survey: Surveyed, chosen: Chosen, steps: int) -> tuple[float, float, int]:
    """Return the accuracy of the beliefs on the transfer set and the student's on the test set.

    The third is the number of classes that got a label; with no steps there is no student (NaN).
    """
    scenario, parts, answers = survey.scenario, survey.parts, survey.answers
    order = np.argsort(chosen[0])
    items = chosen[0][order]
    masses = None if chosen[1] is None else chosen[1][order]
    given = replace(parts, labelled=items, labels=parts.truth[items], masses=masses)
    problem = make_problem(scenario, given)
    weights = survey.weights
    hidden = np.setdiff1d(np.arange(len(parts.transfer)), items)
    told = beliefs(problem, answers, weights, scenario.fusion).argmax(dim=1).numpy()
    right = float((told == parts.truth)[hidden].mean())
    classes = len(np.unique(given.labels))
    if not steps:
        return right, float("nan"), classes
    problem = replace(problem, student=problem.student.model_copy(update={"steps": steps}))
    student = PrototypeFusion(scenario.fusion).fit(problem, answers, weights, Stage(), {}).student
    raw = outputs(student, to_float(parts.test_inputs))
    metric = problem.task.metric(raw, torch.from_numpy(parts.test_labels))
    return right, metric, classes


def main() -> None:
    """Print one line a measurement, then a table with intervals and paired differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--counts", default="10,30,60", type=numbers)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--steps", type=int, default=1200, help="0: beliefs alone, no student")
    wanted = parser.parse_args()
    found: dict[tuple[int, str], list[tuple[float, float, int]]] = defaultdict(list)
    for folder in wanted.folders:
        survey = read(folder)
        seed = survey.scenario.seed
        for count in wanted.counts:
            for way in wanted.ways.split(","):
                chosen = WAYS[way.strip()](survey.parts, survey.answers, count, seed)
                one = measure(survey, chosen, wanted.steps)
                found[count, way.strip()].append(one)
                print(seed, count, way, *one, flush=True)
    print(table(found))


def table(found: dict[tuple[int, str], list[tuple[float, float, int]]]) -> str:
    """Return the means over seeds as Markdown; differences to ``random`` are paired by seed."""
    lines = [
        "| labels | items | classes seen | beliefs | student | student, over random |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for (count, way), rows in found.items():
        right, student, classes = (np.array(column) for column in zip(*rows, strict=True))
        base = [row[1] for row in found.get((count, "random"), [])]
        gain = ""
        if len(base) == len(student) > 1 and way != "random" and not np.isnan(student).any():
            over = interval((100 * (student - np.array(base))).tolist())
            gain = f"{over.mean:+.1f} ± {over.half:.1f}" if over else ""
        lines.append(
            f"| {count} | {way} | {classes.mean():.1f} | {100 * right.mean():.1f} | "
            f"{100 * student.mean():.1f} | {gain} |"
        )
    return "\n".join(lines)


def _columns(answers: Answers) -> NDArray[np.float64]:
    columns = features(answers, dict.fromkeys(answers, 1.0 / len(answers)))
    return columns.numpy().astype(np.float64)


if __name__ == "__main__":
    plainly(main)
