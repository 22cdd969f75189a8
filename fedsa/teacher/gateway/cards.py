"""A teacher's card to its form on the wire and back."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from fedsa.messages import Card, Terms
from fedsa.teacher.gateway.proto import teacher_pb2 as pb

_PLAIN = ("id", "task", "outputs", "architecture", "gradients", "grid", "bits", "fingerprint")
_FORMS = ("window", "temperature", "top_k", "bits", "sets", "sigma", "epsilon", "delta")


def write_card(card: Card) -> pb.Card:
    """Return the card's message."""
    written = pb.Card(
        **{name: getattr(card, name) for name in _PLAIN},
        shape=card.shape,
        methods=card.methods,
        licence=card.licence,
    )
    if card.classes is not None:
        written.classes.names.extend(card.classes)
    if card.terms is not None:
        written.terms.CopyFrom(_write_terms(card.terms))
    return written


def read_card(message: pb.Card) -> Card:
    """Read a card; what it must say is checked where cards are defined.

    Raises
    ------
    MessageError
        If it is not a card.
    """
    document: dict[str, Any] = {name: getattr(message, name) for name in _PLAIN}
    document |= {
        "classes": list(message.classes.names) if message.HasField("classes") else None,
        "shape": list(message.shape),
        "methods": list(message.methods),
        "licence": message.licence,
        "terms": _read_terms(message.terms) if message.HasField("terms") else None,
    }
    return Card.from_json(json.dumps(document))


def _write_terms(terms: Terms) -> pb.Terms:
    return pb.Terms(
        limits=[pb.Limit(**dataclasses.asdict(limit)) for limit in terms.limits],
        costs=[pb.Cost(**dataclasses.asdict(cost)) for cost in terms.costs],
        **{name: getattr(terms, name) for name in _FORMS},
    )


def _read_terms(message: pb.Terms) -> dict[str, Any]:
    limits = [
        {"call": limit.call, "items": limit.items, "left": limit.left} for limit in message.limits
    ]
    costs = [{"method": cost.method, "items": cost.items} for cost in message.costs]
    return {"limits": limits, "costs": costs} | {name: getattr(message, name) for name in _FORMS}
