"""Why a question got no answer: a code and its fixed sentence, known to both wings.

The server repeats the sentence of this table, never one that came over the wire.
"""

from __future__ import annotations

SENTENCES = {
    "unknown-teacher": "This node has no teacher of that id; ask it to describe its teachers.",
    "unknown-set": "This teacher does not hold that transfer set; offer it first.",
    "indices": "The question names items beyond the set's end, or too many at once.",
    "shape": "The items, or the maps, do not have a shape that this teacher can take.",
    "method": "This teacher does not answer that saliency method; see its card.",
    "refused": "This teacher's institution does not answer such a question; see its card.",
    "not-approved": "This teacher's institution has not approved that transfer set; ask it to.",
    "room": "This teacher's institution has no room for that transfer set; ask it to make some.",
    "coordinator": "This teacher's institution does not answer this coordinator; ask it to.",
    "closed": "This teacher's institution answers on other days only; see its card.",
    "budget": "The budget for such questions is spent; see the card for its window.",
    "busy": "This teacher has too many questions at once; ask again later.",
    "cancelled": "The question was withdrawn, or its time ran out, before it was answered.",
    "unreachable": "The gateway of this node's teachers cannot be reached; it may be down.",
    "starting": "This teacher's model is still being loaded; ask again shortly.",
    "storage": "The institution's own records cannot be written, so nothing is answered.",
    "loading": "This teacher could not be loaded; its institution has to mend it.",
    "model": "This teacher's model failed on these items; its institution has to mend it.",
    "malformed": "The question does not say what such a question must say.",
    "no-pool": "The run's configuration names no folder of simulated teachers ('pool').",
    "no-teacher": "This node has no teacher configured; its institution has to set one up.",
    "internal": "Something failed on the teacher's side; its institution's log says what.",
}


def sentence_of(code: str) -> str:
    """Return the sentence of a code; codes of other versions have none of their own."""
    return SENTENCES.get(code, "The teacher's side gave a reason that is not known here.")
