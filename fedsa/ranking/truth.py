"""What each teacher is truly worth: the yardstick that estimates are held against.

The gain of a teacher is the test accuracy of a student that is distilled from this one teacher's
answers and fine-tuned on the labels (multi-head distillation, the usual way), less that of a
student of the labels alone, of as many steps. It sees the test set, so nothing but this comparison
may ever use it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fedsa.fusion.base import Fusion, Stage
from fedsa.fusion.multihead import MultiHead
from fedsa.fusion.scratch import Scratch
from fedsa.problem import Answers
from fedsa.ranking.pool import Pool


@dataclass(frozen=True)
class Truth:
    """True gains.

    Parameters
    ----------
    alone : float
        Accuracy of the student of the labels alone, in [0, 1].
    gains : dict[str, float]
        By teacher, accuracy above ``alone``.
    """

    alone: float
    gains: dict[str, float]


def truth(pool: Pool, steps: int) -> Truth:
    """Train one student from each teacher, and one from none, of ``steps`` optimiser steps."""
    options = pool.problem.student.model_copy(update={"steps": steps})
    problem = replace(pool.problem, student=options)

    def accuracy(fusion: Fusion, answers: Answers) -> float:
        weights = dict.fromkeys(answers, 1.0)
        return pool.accuracy(fusion.fit(problem, answers, weights, Stage(), {}).student)

    pool.progress("student of the labels alone")
    alone, gains = accuracy(Scratch(), Answers({})), {}
    for name in pool.answers:
        pool.progress(f"student of {name}")
        gains[name] = accuracy(MultiHead(), Answers({name: pool.answers[name]})) - alone
    return Truth(alone, gains)
