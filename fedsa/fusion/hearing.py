"""All that is heard about the items: the answers, and networks on the labels where these count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from fedsa.fusion.beliefs import Believed, believe
from fedsa.fusion.witness import Witness, call_witness, can_learn, joined
from fedsa.options import FusionOptions
from fedsa.problem import Answers, Problem

_LOOKED = (
    "The items' own look tells held-out labels better than the teachers' answers do: the student "
    "learns from changed views of the items too, and a step costs about three times as much."
)
_HEARD = (
    "Networks that learnt the labels alone tell others better beside the teachers' answers than "
    "these do by themselves: the student learns from both. They took five more trainings."
)


class Heard(NamedTuple):
    """What the student learns of the task.

    Parameters
    ----------
    believed : Believed
        What is believed of the items.
    said : Mapping[str, Tensor]
        What the witness said, for the state: it is not called again.
    notes : Sequence[str]
        Sentences for who runs it.
    """

    believed: Believed
    said: Mapping[str, Tensor]
    notes: Sequence[str] = ()


def hear(
    problem: Problem,
    answers: Answers,
    weights: Mapping[str, float],
    options: FusionOptions,
    state: Mapping[str, Tensor] | None = None,
    learns: bool = True,
) -> Heard:
    """Return what is believed from the answers, joined with the witness where that counts.

    Parameters
    ----------
    problem, answers, weights, options
        As in :func:`fedsa.fusion.beliefs.believe`.
    state : Mapping[str, Tensor] | None
        The fusion's, which may hold what the witness said in a round before.
    learns : bool
        Whether the student learns the task in this round; the witness waits until it does.
    """

    def answered(part: Problem) -> Believed:
        return believe(part, answers, weights, options)

    believed = answered(problem)
    said = {key: value for key, value in (state or {}).items() if key.startswith("witness.")}
    if learns and believed.looked:
        return Heard(believed, said, (_LOOKED,))  # changed views are a witness already
    if not (learns and options.sight and can_learn(problem)):
        return Heard(believed, said)
    if not said:
        asked = answers.covered(weights)
        witness = call_witness(problem, lambda part: answered(part).rows, asked)
        said = {"witness.rows": witness.rows, "witness.powers": witness.powers}
    witness = Witness(said["witness.rows"], said["witness.powers"])
    if not witness.counts:
        return Heard(believed, said)
    rows = joined(problem, believed.rows, witness)
    return Heard(Believed(rows, looked=False), said, (_HEARD,))
