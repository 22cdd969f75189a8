"""What told class shares give the beliefs: ``python -m fedsa.runs.shares_gain FOLDER...``.

FOLDERs are as those of :mod:`fedsa.runs.beliefs_gain`. Labels are drawn anew five times from the
transfer set, at random as a person would have them, and as many of each class; measured is the
share of unlabelled transfer items whose belief is right when it is calibrated to the counts of the
labels (one of each class added), to even shares, to the told and to the true ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fedsa.fusion.beliefs import beliefs
from fedsa.options import FusionOptions
from fedsa.problem import Problem
from fedsa.runs.conduct import make_problem
from fedsa.runs.surveyed import numbers, plainly, read
from fedsa.seeding import numpy_generator

DRAWS = 5
WITHOUT_NAMES = FusionOptions(names=False)
"""Beliefs by names are not calibrated to shares."""
WAYS = "counted", "even", "told", "true"


def measure(folder: Path, each: int) -> Iterator[tuple[str, list[float]]]:
    """Yield a way of drawing and the mean share of right beliefs for each of ``WAYS``.

    Parameters
    ----------
    folder : Path
        A survey, or a finished run that asked all teachers about everything.
    each : int
        Labels a class: of every one, or on average.
    """
    survey = read(folder)
    scenario, truth = survey.scenario, survey.parts.truth
    problem = make_problem(scenario, survey.parts)
    classes = problem.task.outputs

    def believe(drawn: Problem, known: Tensor | None) -> Tensor:
        return beliefs(drawn, survey.answers, survey.weights, WITHOUT_NAMES, known)

    for way in ("at random", "by class"):
        found = []
        for draw in range(DRAWS):
            order = numpy_generator(scenario.seed, "shares gain", way, draw).permutation(len(truth))
            if way == "by class":
                own = [order[truth[order] == c][:each] for c in range(classes)]
                chosen = np.concatenate(own)
            else:
                chosen = order[: each * classes]
            where, labels = torch.from_numpy(chosen), torch.from_numpy(truth[chosen])
            drawn = replace(problem, labelled=where, labels=labels, masses=None)
            found.append(_right(drawn, truth, believe))
        yield way, np.mean(found, axis=0).tolist()


def _right(
    problem: Problem, truth: np.ndarray, believe: Callable[[Problem, Tensor | None], Tensor]
) -> list[float]:
    """Return the percentage of right beliefs about unlabelled items, for each of ``WAYS``."""
    classes = problem.task.outputs
    counts = torch.bincount(problem.labels, minlength=classes) + 1.0
    real = torch.from_numpy(np.bincount(truth, minlength=classes)).float()
    hidden = np.setdiff1d(np.arange(len(truth)), problem.labelled.numpy())
    every = counts / counts.sum(), torch.full((classes,), 1.0 / classes), None, real / real.sum()
    told = [believe(problem, shares).argmax(dim=1).numpy() for shares in every]
    return [100 * float((one == truth)[hidden].mean()) for one in told]


def main() -> None:
    """Print a line of Markdown for each folder, draw and number of labels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument(
        "--labels", default="6,30", type=numbers, help="Labels of each class, on average."
    )
    wanted = parser.parse_args()
    print(f"| answers | labels a class | drawn | {' | '.join(WAYS)} |\n| --- |{' --- |' * 6}")
    for folder in wanted.folders:
        for each in wanted.labels:
            for way, right in measure(folder, each):
                cells = " | ".join(f"{value:.1f}" for value in right)
                print(f"| {folder.name} | {each} | {way} | {cells} |", flush=True)


if __name__ == "__main__":
    plainly(main)
