"""Selection by one estimator of transferability alone, to measure the layers of evidence against.

The score is the estimator's figure above what it says of teachers that know nothing, its mean
over shuffled items: an estimator that is fitted and judged on the same few labels flatters
teachers of many classes, and policies need a score whose zero means "of no use". The figure as
published stands in the evidence.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from fedsa.errors import RunError
from fedsa.options import SelectionOptions
from fedsa.seeding import torch_generator
from fedsa.selection.base import Evidence, Selection
from fedsa.selection.policies import weights
from fedsa.transferability import ESTIMATORS
from fedsa.transferability.cross_validation import above_shares, features

SHUFFLES = 12
"""Orders of the items that show what an estimator says when there is nothing to say."""

WITHOUT_LABELS = frozenset({"mutual-information", "rsa", "cka"})
"""Estimators that hear the student's answers in place of labels."""

ZERO = frozenset({"rsa", "cka", "parc"})
"""Estimators that are zero in the mean over shuffled items, as correlations are."""


class Ranked:
    """Scores every teacher by one estimator and applies the scenario's policy.

    Parameters
    ----------
    estimator : str
        A name of :data:`fedsa.transferability.ESTIMATORS`, but not ``gain``: it asks for answers
        of a student that never saw the labels, and the run's student was fitted to them.
    options : SelectionOptions
        Policy, k and temperature.

    Raises
    ------
    PluginError
        If there is no such estimator.
    """

    def __init__(self, estimator: str, options: SelectionOptions) -> None:
        self.estimator, self.options = estimator, options
        self.measure = ESTIMATORS.get(estimator)

    def select(self, evidence: Evidence) -> Selection:
        """Score on the labelled items, or on all answered ones where no labels are needed.

        Raises
        ------
        RunError
            If the task is no single classification.
        """
        problem, figures = evidence.problem, {}
        if not problem.task.distributions:
            raise RunError(f"The selector '{self.estimator}' compares classes: use 'evidence'.")
        for name in sorted(evidence.teachers):
            items = self._items(evidence, name)
            if len(items):
                figures[name] = self._figures(evidence, name, items)
        heard = {name: above for name, (_, above) in figures.items()}
        # Who was not heard cannot be judged, and stays out unless nobody was heard.
        least = min([0.0, *heard.values()])
        scores = {name: heard.get(name, least) for name in sorted(evidence.teachers)}
        chosen = weights(heard or scores, self.options, problem.seed, evidence.round)
        return Selection(
            weights=chosen,
            scores=scores,
            evidence={
                name: {self.estimator: figure, "above-chance": above}
                for name, (figure, above) in figures.items()
            },
            reasons={
                name: f"{self.estimator} {figures[name][0]:.2f}, {heard[name]:+.2f} above chance"
                if name in heard
                else "has not answered"
                for name in scores
            },
        )

    def _items(self, evidence: Evidence, name: str) -> Tensor:
        """Return the items of the transfer set on which a teacher is judged."""
        if name not in evidence.answers:
            return torch.empty(0, dtype=torch.long)
        asked = evidence.answers.asked(name)
        if self.estimator in WITHOUT_LABELS:
            return asked.nonzero()[:, 0]
        where = evidence.problem.labelled
        return where if len(where) and bool(asked[where].all()) else where[:0]

    def _figures(self, evidence: Evidence, name: str, items: Tensor) -> tuple[float, float]:
        """Return the estimator's figure, and the same above chance."""
        answers, student = evidence.answers[name][items], evidence.student[items]
        labels = evidence.problem.labels
        figure = float(self.measure(answers, labels, student))
        if self.estimator in ZERO:
            return figure, figure
        if self.estimator == "cross-validation":  # judged on other items than it is fitted on
            return figure, float(above_shares([features(answers)], labels).mean())
        generator = torch_generator(evidence.problem.seed, "selection", "shuffle", self.estimator)
        chance = []
        for _ in range(SHUFFLES):
            order = torch.randperm(len(items), generator=generator)
            chance.append(float(self.measure(answers[order], labels, student)))
        return figure, figure - math.fsum(chance) / SHUFFLES


leep = partial(Ranked, "leep")
nce = partial(Ranked, "nce")
h_score = partial(Ranked, "h-score")
h_score_shrunk = partial(Ranked, "h-score-shrunk")
logme = partial(Ranked, "logme")
transrate = partial(Ranked, "transrate")
parc = partial(Ranked, "parc")
cross_validation = partial(Ranked, "cross-validation")
mutual_information = partial(Ranked, "mutual-information")
rsa = partial(Ranked, "rsa")
cka = partial(Ranked, "cka")
