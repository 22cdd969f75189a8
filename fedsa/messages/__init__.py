"""The corridor between the wings: typed, validated requests and replies <-> Flower records."""

from fedsa.messages.answers import CompactAnswers
from fedsa.messages.card import Card
from fedsa.messages.checks import MAX_CHUNK_BYTES, MAX_ITEMS, MessageError
from fedsa.messages.records import (
    REPLIES,
    REQUESTS,
    from_record,
    message_type,
    reply_from,
    request_from,
    to_record,
)
from fedsa.messages.replies import (
    Described,
    Failure,
    Offered,
    Predicted,
    Reply,
    Salient,
    Scored,
    check_reply,
)
from fedsa.messages.requests import Describe, Offer, Predict, Request, Saliency, Score, offers
from fedsa.messages.terms import Cost, Limit, Terms
from fedsa.messages.wire import OVERHEAD

__all__ = [
    "MAX_CHUNK_BYTES",
    "MAX_ITEMS",
    "OVERHEAD",
    "REPLIES",
    "REQUESTS",
    "Card",
    "CompactAnswers",
    "Cost",
    "Describe",
    "Described",
    "Failure",
    "Limit",
    "MessageError",
    "Offer",
    "Offered",
    "Predict",
    "Predicted",
    "Reply",
    "Request",
    "Saliency",
    "Salient",
    "Score",
    "Scored",
    "Terms",
    "check_reply",
    "from_record",
    "message_type",
    "offers",
    "reply_from",
    "request_from",
    "to_record",
]
