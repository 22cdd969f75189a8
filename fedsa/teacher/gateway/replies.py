"""Answers to their form on the wire and back: long ones leave and arrive in bounded parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fedsa.messages import (
    CompactAnswers,
    Describe,
    Described,
    Failure,
    MessageError,
    Offer,
    Offered,
    Predict,
    Predicted,
    Reply,
    Request,
    Saliency,
    Salient,
    Scored,
)
from fedsa.messages.checks import KINDS, MAX_REPLY_BYTES
from fedsa.messages.replies import MAX_CARDS
from fedsa.saliency.compact import CompactMaps
from fedsa.teacher.gateway.calls import PART_BYTES
from fedsa.teacher.gateway.cards import read_card, write_card
from fedsa.teacher.gateway.proto import teacher_pb2 as pb
from fedsa.teacher.gateway.requests import DTYPES, dtype_of, read_maps, write_maps

_STATUS = {
    "held": pb.OfferReply.STATUS_HELD,
    "more": pb.OfferReply.STATUS_MORE,
    "refused": pb.OfferReply.STATUS_REFUSED,
}
_STATUS_NAMES = {number: name for name, number in _STATUS.items()}


def write_reply(reply: Reply) -> Iterator[Any]:
    """Yield the protobuf messages of a reply: one, or as many as its stream has."""
    match reply:
        case Described():
            yield pb.DescribeReply(host=pb.Host(software=reply.software, clock=reply.clock))
            for card in reply.cards:
                yield pb.DescribeReply(card=write_card(card))
        case Offered():
            yield pb.OfferReply(status=_STATUS[reply.status], held=reply.held)
        case Predicted():
            values = reply.answers.values
            plain = values.astype(values.dtype.newbyteorder("<"), copy=False)
            form, outputs = DTYPES[reply.answers.form], values.shape[1]
            kind = pb.AnswerKind.Value(f"ANSWER_KIND_{reply.answers.kind.upper()}")
            for rows in _parts(plain, outputs * plain.itemsize):
                yield pb.PredictReply(form=form, outputs=outputs, values=rows.tobytes(), kind=kind)
        case Salient():
            maps = reply.maps
            for rows in _parts(maps.values, maps.values.shape[1]):
                yield pb.SaliencyReply(maps=write_maps(CompactMaps(rows, maps.bits)))
        case Scored():
            yield pb.ScoreReply(closeness=reply.closeness)
        case Failure():
            raise ValueError("a failure travels as a status")


def read_reply(request: Request, messages: Iterable[Any]) -> Reply:
    """Put a reply together from the messages of its stream (one, where there is no stream).

    Nothing grows beyond what the request can be answered with, whatever is sent.

    Raises
    ------
    MessageError
        If the messages are no reply to such a request.
    """
    match request:
        case Describe():
            return _read_cards(messages)
        case Predict():
            return Predicted(_read_rows(messages, len(request.indices)))
        case Saliency():
            return Salient(_read_looks(messages, len(request.indices)))
        case Offer():
            (message,) = messages
            return Offered(_STATUS_NAMES.get(message.status, ""), message.held)
        case _:
            (message,) = messages
            return Scored(message.closeness)


def _parts(values: np.ndarray, row: int) -> Iterator[np.ndarray]:
    """Yield whole rows of ``row`` bytes, as many at a time as one message takes."""
    step = max(1, PART_BYTES // row)
    for start in range(0, len(values), step):
        yield values[start : start + step]


def _read_cards(messages: Iterable[Any]) -> Described:
    host, cards = None, []
    for message in messages:
        if message.WhichOneof("part") == "host":
            host = message.host
        else:
            cards.append(read_card(message.card))
        if len(cards) > MAX_CARDS:
            raise MessageError("The reply holds too many cards.")
    if host is None:
        raise MessageError("The reply does not say who answers.")
    return Described(tuple(cards), host.software, host.clock)


def _read_rows(messages: Iterable[Any], items: int) -> CompactAnswers:
    parts, kinds = _Parts(items), set[int]()
    for message in messages:
        kinds.add(message.kind)
        if len(kinds) > 1 or message.kind >= len(KINDS):
            raise MessageError("The reply's parts do not fit each other.")
        dtype = np.dtype(dtype_of(message.form))
        row = message.outputs * dtype.itemsize
        if not message.values or row == 0 or len(message.values) % row:
            raise MessageError("The reply holds a part that is not made of whole rows.")
        values = np.frombuffer(message.values, dtype=dtype.newbyteorder("<"))
        parts.add(values.reshape(-1, message.outputs).astype(dtype, copy=False))
    values = np.concatenate(parts.kept) if parts.kept else np.empty((0, 0), np.uint8)
    return CompactAnswers(values, KINDS[kinds.pop() if kinds else 0])


def _read_looks(messages: Iterable[Any], items: int) -> CompactMaps:
    parts, bits = _Parts(items), 0
    for message in messages:
        maps = read_maps(message.maps)
        if bits not in (0, maps.bits):
            raise MessageError("The reply's parts do not fit each other.")
        bits = maps.bits
        parts.add(maps.values)
    if not parts.kept:
        raise MessageError("The reply is empty.")
    return CompactMaps(np.concatenate(parts.kept), bits)


class _Parts:
    """What has come of a reply; one part more costs the same, however many there are."""

    def __init__(self, items: int) -> None:
        self.kept: list[np.ndarray] = []
        self._rows, self._bytes = items, MAX_REPLY_BYTES

    def add(self, part: np.ndarray) -> None:
        """Keep a part that fits the others, as long as there is room."""
        first = self.kept[0] if self.kept else part
        if part.shape[1] != first.shape[1] or part.dtype != first.dtype:
            raise MessageError("The reply's parts do not fit each other.")
        self._rows -= len(part)
        self._bytes -= part.nbytes
        if self._rows < 0 or self._bytes < 0:
            raise MessageError("The reply holds more than was asked for.")
        self.kept.append(part)
