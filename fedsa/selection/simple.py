"""Selectors to measure against: all teachers, random ones, and the single best."""

from __future__ import annotations

import torch

from fedsa.options import SelectionOptions
from fedsa.seeding import torch_generator
from fedsa.selection.base import Evidence, Selection
from fedsa.selection.layers import measure
from fedsa.selection.policies import size, top_k
from fedsa.transferability.cross_validation import features, held_out


class All:
    """Every teacher in reach, with even weights."""

    def __init__(self, options: SelectionOptions) -> None:
        self.options = options

    def select(self, evidence: Evidence) -> Selection:
        """Give all the same weight."""
        scores = dict.fromkeys(evidence.teachers, 0.0)
        return Selection(
            weights=top_k(scores, len(scores)),
            scores=scores,
            reasons=dict.fromkeys(scores, "everybody takes part"),
        )


class RandomK:
    """``options.k`` teachers by lot (0: half of them), drawn anew at each selection."""

    def __init__(self, options: SelectionOptions) -> None:
        self.options = options

    def select(self, evidence: Evidence) -> Selection:
        """Draw this round's lots; the score is the lot."""
        seed = evidence.problem.seed
        generator = torch_generator(seed, "selection", "random", evidence.round)
        lots = torch.rand(len(evidence.teachers), generator=generator).tolist()
        scores = dict(zip(sorted(evidence.teachers), lots, strict=True))
        chosen = top_k(scores, size(self.options, len(scores)))
        return Selection(
            weights=chosen,
            scores=scores,
            reasons={name: "drawn by lot" if name in chosen else "not drawn" for name in scores},
        )


class BestSingle:
    """The one teacher whose answers tell the held-out labels best (cross-validated, in nats).

    Of several heads: in the mean over them, each in shares of what its best teacher tells.
    """

    def __init__(self, options: SelectionOptions) -> None:
        self.options = options

    def select(self, evidence: Evidence) -> Selection:
        """Choose by the labelled items only."""
        if evidence.problem.task.heads[0].label is not None:
            return self._of_heads(evidence)
        problem, answers = evidence.problem, evidence.answers
        # Compared are those who answered the most of them, where budgets ended on the way.
        heard = {n: answers.asked(n)[problem.labelled] for n in sorted(evidence.teachers)}
        most = max(int(mark.sum()) for mark in heard.values())
        names = [name for name, mark in heard.items() if int(mark.sum()) == most]
        items = torch.stack([heard[name] for name in names]).all(dim=0)
        blocks = [features(answers[name][problem.labelled[items]]) for name in names]
        told = held_out(blocks, problem.labels[items], problem.seed).mean(dim=1).tolist()
        scores = dict(zip(names, told, strict=True))
        best = top_k(scores, 1)
        return Selection(
            weights=best,
            scores=scores,
            evidence={name: {"cross-validation": scores[name]} for name in names},
            reasons={
                name: f"{'best' if name in best else 'not the best'} at {scores[name]:.2f} nats"
                for name in names
            },
        )

    def _of_heads(self, evidence: Evidence) -> Selection:
        scores = dict.fromkeys(sorted(evidence.teachers), 0.0)
        parts = evidence.parts()
        for _, part in parts:
            found = {n: layers.cross_validation or 0.0 for n, layers in measure(part).items()}
            most = max(1e-9, *found.values())
            for name, told in found.items():
                scores[name] += max(0.0, told) / most / len(parts)
        best = top_k(scores, 1)
        return Selection(
            weights=best,
            scores=scores,
            reasons={
                name: f"{'best' if name in best else 'not the best'} at {scores[name]:.2f}"
                for name in scores
            },
        )
