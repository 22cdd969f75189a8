"""Selection by evidence in layers: looks rank, responses weigh, complementarity gates.

FedSA (Xie et al., arXiv 2207.13309) selects by saliency alone. A look is a weak witness by
itself, and a teacher may show any; so what it answers is weighed against the few labels. The
score is the product of two figures, each on a scale where 1 is a good teacher of this pool:

* strength: the mean over layers of information, each as a share of the standard (the mean of the
  better half of the pool). Held-out information and LEEP count the more, the more labels there
  are; mutual information with the student, which needs no labels, has the rest. Looks
  enter by rank with three tenths; they decide alone when nothing has been answered yet;
* gate: 1 for a teacher that betters what untrained eyes tell of held-out labels, 0 for one
  that does not, with a ramp between, once some teacher's gain is above its standard error. Each
  counts as it is, noisy as it may be with six labels a class: who is left out by mistake takes
  classes along, and who is let in by mistake is hardly heard by the fusion.

Under the policy ``adaptive``, who says by name what the others do not is let in after that
(:mod:`fedsa.selection.complement`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import torch

from fedsa.options import SelectionOptions
from fedsa.problem import Problem
from fedsa.selection.base import Evidence, Selection
from fedsa.selection.complement import complement
from fedsa.selection.layers import Layers, judging, measure
from fedsa.selection.policies import weights
from fedsa.task import Classification

LOOKS = 0.3
"""Part of the looks in the strength when there are responses too: enough to set a teacher back, not
to leave one out whose answers are up to the standard."""

ERRORS = 1.0
"""Standard errors that some gain must clear, lest gates close by chance."""

OPEN = 0.3
"""Share of the standard gain from which the gate is fully open."""


class EvidenceSelector:
    """The default selector.

    Parameters
    ----------
    options : SelectionOptions
        Policy, k and temperature.
    looks : float
        Part of the looks in the strength, in [0, 1].
    """

    def __init__(self, options: SelectionOptions, looks: float = LOOKS) -> None:
        self.options, self.looks = options, looks

    def select(self, evidence: Evidence) -> Selection:
        """Measure all layers, score, and apply the policy; for each head by itself.

        A teacher that knows much of one head and nothing of the others is needed all the same, so
        it is weights that are averaged over the heads, not scores before the policy.
        """
        parts = [(head.name, self._select(part)) for head, part in evidence.parts()]
        return parts[0][1] if len(parts) == 1 else averaged(parts)

    def _select(self, evidence: Evidence) -> Selection:
        found = measure(evidence)
        problem = evidence.problem
        each = _each(problem)
        strengths = strength(found, _trust(each), self.looks)
        gates = gate(found, _firmness(each))
        scores = {name: strengths[name] * gates[name] for name in found}
        chosen = weights(scores, self.options, problem.seed, evidence.round)
        reasons = {name: _reason(layers, chosen.get(name, 0.0)) for name, layers in found.items()}
        if self.options.policy == "adaptive" and isinstance(problem.task, Classification):
            alone = complement(judging(problem), evidence.answers.of(found), chosen)
            chosen = let_in(chosen, alone)
            reasons |= {
                name: f"{_reason(found[name], 1.0)}, by name betters the others by {gain:.3f} nats"
                for name, (gain, _) in alone.items()
            }
        return Selection(
            weights=chosen,
            scores=scores,
            evidence={name: layers.document() for name, layers in found.items()},
            reasons=reasons,
        )


def averaged(parts: Sequence[tuple[str, Selection]]) -> Selection:
    """Join the selections that were made for each head, by name, into one."""
    names = sorted({name for _, part in parts for name in part.scores})
    weighed = {n: math.fsum(p.weights.get(n, 0.0) for _, p in parts) / len(parts) for n in names}
    reasons = {}
    for name in names:
        head, best = max(parts, key=lambda part: part[1].weights.get(name, 0.0))
        clause = best.reasons.get(name, "")
        reasons[name] = f"for {head}: {clause}" if weighed[name] > 0 else clause
    return Selection(
        weights=weighed,
        scores={n: math.fsum(p.scores.get(n, 0.0) for _, p in parts) / len(parts) for n in names},
        evidence={
            name: {
                f"{head} {layer}": value
                for head, part in parts
                for layer, value in part.evidence.get(name, {}).items()
            }
            for name in names
        },
        reasons=reasons,
    )


def let_in(chosen: Mapping[str, float], more: Collection[str]) -> dict[str, float]:
    """Return the weights with some teachers' as high as the highest; they sum to one again."""
    full = max(chosen.values(), default=0.0)
    raised = {**chosen, **dict.fromkeys(more, full)}
    total = math.fsum(raised.values())
    return {name: weight / total for name, weight in raised.items()} if more else dict(chosen)


def strength(found: Mapping[str, Layers], share: float, looks: float = LOOKS) -> dict[str, float]:
    """Return each teacher's strength; 1 is the standard of the pool.

    Parameters
    ----------
    found : Mapping[str, Layers]
        What is known of each teacher.
    share : float
        Part of the labels' evidence against the label-free, in [0, 1].
    looks : float
        Part of the looks against all responses, in [0, 1].
    """
    told = 1.0 - looks
    parts = [
        (looks, _ranks(found)),
        (told * share / 2, _relative(found, lambda layers: layers.cross_validation)),
        (told * share / 2, _relative(found, lambda layers: layers.leep)),
        (told * (1 - share), _relative(found, lambda layers: layers.mutual_information)),
        (told * (1 - share), _relative(found, lambda layers: layers.alignment)),
    ]
    out = {}
    for name in found:
        known = [(part, values[name]) for part, values in parts if part > 0 and name in values]
        total = math.fsum(part for part, _ in known)
        weighed = math.fsum(part * value for part, value in known)
        out[name] = weighed / total if total > 0 else 0.0
    return out


def gate(found: Mapping[str, Layers], firmness: float = 1.0) -> dict[str, float]:
    """Return 0 (adds nothing) to 1 (adds) for each teacher; 1 for all if none adds clearly.

    Parameters
    ----------
    found : Mapping[str, Layers]
        What is known of each teacher.
    firmness : float
        How far a gate can close, in [0, 1]: few labels cannot rule a teacher out.
    """
    gains = {
        name: (layers.gain, ERRORS * layers.error)
        for name, layers in found.items()
        if layers.gain is not None and layers.error is not None
    }
    if not any(gain > error for gain, error in gains.values()):
        return dict.fromkeys(found, 1.0)
    level = OPEN * _standard([gain for gain, _ in gains.values()])
    # A teacher that did not answer on the labelled items cannot be checked, so it stays out.
    opened = {name: min(1.0, max(0.0, gain / level)) for name, (gain, _) in gains.items()}
    return {
        name: 1.0 - firmness * (1.0 - opened[name]) if name in opened else 0.0 for name in found
    }


def _trust(each: float) -> float:
    """Return the part of the labels' evidence: 3/4 at six labels a class, 1/3 at one."""
    return each / (each + 2.0)


def _firmness(each: float) -> float:
    """Return how far gates close: fully from six labels a class on."""
    return min(1.0, each / 6.0)


def _each(problem: Problem) -> float:
    """Return the mean number of labels a class; a quantity asks for as many as two classes."""
    labels = problem.labels
    if not problem.task.distributions:
        return len(labels) / 2.0
    return len(labels) / int((torch.bincount(labels) > 0).sum()) if len(labels) else 0.0


def _relative(
    found: Mapping[str, Layers], layer: Callable[[Layers], float | None]
) -> dict[str, float]:
    values = {name: value for name in found if (value := layer(found[name])) is not None}
    standard = _standard(list(values.values()))
    if standard <= 0:
        return {}
    return {name: min(1.5, max(0.0, value / standard)) for name, value in values.items()}


def _ranks(found: Mapping[str, Layers]) -> dict[str, float]:
    """Return the rank of each look from 0 to 1.5 (ties share their mean), as strengths go."""
    looks = {name: layers.saliency for name, layers in found.items() if layers.saliency is not None}
    if len(looks) < 2:
        return {}
    values = torch.tensor(list(looks.values()), dtype=torch.float64)
    below = (values[:, None] > values).sum(dim=1) + 0.5 * ((values[:, None] == values).sum(1) - 1)
    return dict(zip(looks, (1.5 * below / (len(looks) - 1)).tolist(), strict=True))


def _standard(values: list[float]) -> float:
    """Return the mean of the better half of the values above zero (0 if there is none)."""
    good = sorted((value for value in values if value > 0), reverse=True)
    better = good[: math.ceil(len(good) / 2)]
    return math.fsum(better) / len(better) if better else 0.0


def _reason(layers: Layers, weight: float) -> str:
    look = ""
    if layers.saliency is not None:
        look = f"look {'alike' if layers.saliency > 0 else 'unlike'} ({layers.saliency:+.2f})"
    unit = " nats" if layers.alignment is None else " of the variance"
    if layers.gain is not None and layers.error is not None:
        figure = f"{layers.gain:+.2f} ± {layers.error:.2f}{unit}"
        if weight == 0 and layers.gain <= ERRORS * layers.error:
            return f"gated: adds nothing sure ({figure})"
        look = f"{look + ', ' if look else ''}adds {figure}"
    told = layers.leep if layers.leep is not None else layers.mutual_information
    if told is None:
        told = layers.cross_validation
    clause = f"{look + ', ' if look else ''}tells {told:.2f}{unit}" if told is not None else look
    clause = clause or "nothing is known of it"
    return clause if weight > 0 else f"left out: {clause}"
