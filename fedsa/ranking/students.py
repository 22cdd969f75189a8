"""What a student comes to when teachers are selected in different ways, fused alike.

Under the prototype fusion, which by itself weighs down what labels speak against, and under
multi-head distillation, the usual way, which believes every teacher that it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fedsa.fusion.base import Stage
from fedsa.fusion.multihead import MultiHead
from fedsa.fusion.prototypes import PrototypeFusion
from fedsa.options import SelectionOptions
from fedsa.ranking.estimates import Scores, Stand, evidence, with_parts
from fedsa.ranking.pool import Pool
from fedsa.selection.looks import SaliencySelector
from fedsa.selection.policies import top_k
from fedsa.selection.simple import All, BestSingle, RandomK

K = 5
"""Teachers that a fixed choice takes."""


def choices(
    pool: Pool,
    stand: Stand,
    teachers: Iterable[str],
    scores: Scores,
    gains: Mapping[str, float],
) -> dict[str, dict[str, float]]:
    """Return the weights of each way to select among some of the teachers.

    Parameters
    ----------
    pool, stand : Pool, Stand
        What is known.
    teachers : Iterable[str]
        To choose from.
    scores : Scores
        Of :func:`fedsa.ranking.estimates.estimates`; the looks among them are used.
    gains : Mapping[str, float]
        True gains, for the oracle alone.
    """
    names, options = sorted(teachers), SelectionOptions()
    look = scores[f"look: {pool.scenario.saliency.method}"]
    seen = evidence(pool, stand, names, look)
    five = options.model_copy(update={"policy": "top-k", "k": K})

    def best(values: Mapping[str, float]) -> dict[str, float]:
        return top_k({name: values[name] for name in names}, K)

    return {
        **{name: dict(one.select(seen).weights) for name, one in with_parts(options).items()},
        "looks alone, best five": dict(SaliencySelector(five).select(seen).weights),
        "FedSA's score, best five": best(scores["fedsa-score (grad-cam, raw)"]),
        "LEEP, best five": best(scores["leep"]),
        "uniform": dict(All(options).select(seen).weights),
        "random half": dict(RandomK(options).select(seen).weights),
        "best single": dict(BestSingle(options).select(seen).weights),
        "oracle, best five": best(gains),
    }


def students(
    pool: Pool,
    stand: Stand,
    chosen: Mapping[str, Mapping[str, float]],
    steps: int,
    usual: bool = False,
) -> dict[str, float]:
    """Return the test accuracy of a student by each choice, in one round.

    Parameters
    ----------
    pool, stand : Pool, Stand
        What is known.
    chosen : Mapping[str, Mapping[str, float]]
        Weights by choice; equal ones are trained with once.
    steps : int
        Optimiser steps of each student.
    usual : bool
        Whether by multi-head distillation in place of the prototype fusion.
    """
    options = pool.problem.student.model_copy(update={"steps": steps})
    problem = replace(stand.problem, student=options)
    fusion = MultiHead() if usual else PrototypeFusion(pool.scenario.fusion)
    known: dict[tuple[tuple[str, float], ...], float] = {}
    found = {}
    for name, weights in chosen.items():
        place = tuple(sorted((n, round(w, 9)) for n, w in weights.items() if w > 0))
        if place not in known:
            pool.progress(f"student by {name}{', multi-head' if usual else ''}")
            answers = pool.answers.of([n for n, _ in place])
            fused = fusion.fit(problem, answers, dict(place), Stage(), {})
            known[place] = pool.accuracy(fused.student)
        found[name] = known[place]
    return found
