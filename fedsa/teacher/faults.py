"""Why a question got no answer, in words that give nothing away.

Whatever goes wrong inside an institution leaves it as one of these codes with its fixed sentence:
never as the text of an exception, which may hold paths, shapes or values.
"""

from __future__ import annotations

from fedsa.messages import Failure

SENTENCES = {
    "unknown-teacher": "This node has no teacher of that id; ask it to describe its teachers.",
    "unknown-set": "This teacher does not hold that transfer set; offer it first.",
    "indices": "The question names items beyond the set's end, or too many at once.",
    "shape": "The items, or the maps, do not have a shape that this teacher can take.",
    "method": "This teacher does not answer that saliency method; see its card.",
    "refused": "This teacher's institution does not answer such a question; see its card.",
    "loading": "This teacher could not be loaded; its institution has to mend it.",
    "model": "This teacher's model failed on these items; its institution has to mend it.",
    "malformed": "The question does not say what such a question must say.",
    "no-pool": "The run's configuration names no folder of simulated teachers ('pool').",
    "no-teacher": "This node has no teacher configured; its institution has to set one up.",
    "internal": "Something failed on the teacher's side; its institution's log says what.",
}


class Fault(Exception):
    """A question that will not be answered, by code; raised and caught inside the wing only."""

    def __init__(self, code: str) -> None:
        if code not in SENTENCES:
            raise ValueError(f"no such code: {code}")
        self.code = code
        super().__init__(code)


def failure(code: str) -> Failure:
    """Return the reply for a code."""
    return Failure(code, SENTENCES[code])
