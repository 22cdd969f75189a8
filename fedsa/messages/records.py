"""Messages to Flower records and back; nothing is believed that was not checked."""

from __future__ import annotations

import dataclasses
import math
import types
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from fedsa.errors import DataError
from fedsa.messages import replies, requests
from fedsa.messages.answers import CompactAnswers
from fedsa.messages.card import Card
from fedsa.messages.checks import (
    KINDS,
    MAX_CELLS,
    MAX_ITEMS,
    MAX_REPLY_BYTES,
    MessageError,
    check_whole,
)
from fedsa.messages.replies import MAX_CARDS, Failure, Reply, check_reply
from fedsa.messages.requests import Request
from fedsa.saliency.compact import CompactMaps

REQUESTS: dict[str, type[Any]] = {
    "query.describe": requests.Describe,
    "query.offer": requests.Offer,
    "query.predict": requests.Predict,
    "query.saliency": requests.Saliency,
    "query.score": requests.Score,
}
REPLIES: dict[str, type[Any]] = {
    "query.describe": replies.Described,
    "query.offer": replies.Offered,
    "query.predict": replies.Predicted,
    "query.saliency": replies.Salient,
    "query.score": replies.Scored,
}
_CONFIG, _ARRAYS, _KIND = "message", "arrays", "kind"
# Plain bytes, not Flower's default (an .npy file each): an .npy header can claim a size that its
# reader then allocates, and costs 128 bytes an array.
_RAW = "fedsa.little-endian"
_DTYPES = ("uint8", "int32", "float16", "float32")


def message_type(request: Request) -> str:
    """Return the Flower message type of a request (``query.predict``, ...)."""
    for name, kind in REQUESTS.items():
        if type(request) is kind:
            return name
    raise MessageError(f"A {type(request).__name__} is not a request.")


def to_record(message: Request | Reply) -> RecordDict:
    """Write a request or a reply as a Flower record."""
    config: dict[str, Any] = {_KIND: type(message).__name__}
    arrays: dict[str, Array] = {}
    for field in dataclasses.fields(message):
        name, value = field.name, getattr(message, field.name)
        if value is None:
            continue
        if isinstance(value, np.ndarray):
            arrays[name] = _to_array(value)
        elif isinstance(value, CompactAnswers):
            arrays[name] = _to_array(value.values)
            if value.kind != KINDS[0]:
                config[name] = value.kind
        elif isinstance(value, CompactMaps):
            arrays[name] = _to_array(np.frombuffer(value.packed(), dtype=np.uint8))
            config[name] = [value.bits, *map(int, value.values.shape)]
        elif isinstance(value, tuple):
            config[name] = [item.to_json() if isinstance(item, Card) else item for item in value]
        else:
            config[name] = value
    return RecordDict({_CONFIG: ConfigRecord(config), _ARRAYS: ArrayRecord(arrays)})


def from_record(record: RecordDict, message_type: str) -> Request | Reply:
    """Read and validate any message of one Flower message type.

    Raises
    ------
    MessageError
        If the record is no valid request, reply or failure of that type.
    """
    wanted = (REQUESTS.get(message_type), REPLIES.get(message_type), Failure)
    kinds = {kind.__name__: kind for kind in wanted if kind is not None}
    message: Request | Reply = _read(record, kinds)
    return message


def request_from(record: RecordDict, message_type: str) -> Request:
    """Read and validate a request; see :func:`from_record`."""
    if message_type not in REQUESTS:
        raise MessageError("There is no such question.")
    kind = REQUESTS[message_type]
    message: Request = _read(record, {kind.__name__: kind})
    return message


def reply_from(
    record: RecordDict, request: Request, outputs: int | None = None, kind: str | None = None
) -> Reply:
    """Read the reply to ``request`` and check that it fits it; see :func:`check_reply`."""
    wanted = REPLIES[message_type(request)]
    reply: Reply = _read(record, {wanted.__name__: wanted, "Failure": Failure})
    check_reply(request, reply, outputs, kind)
    return reply


def _read(record: RecordDict, known: dict[str, type[Any]]) -> Any:
    try:
        config, arrays = record.config_records[_CONFIG], record.array_records[_ARRAYS]
        name = config[_KIND]
    except KeyError:
        raise MessageError("The record holds no message.") from None
    if not isinstance(name, str) or name not in known:
        raise MessageError(f"The record is not one of {', '.join(known)}.")
    kind = known[name]
    hints = get_type_hints(kind)
    fields = [field.name for field in dataclasses.fields(kind)]
    if not {*config} <= {_KIND, *fields} or not {*arrays} <= {*fields}:
        raise MessageError(f"The {name} holds fields that it does not have.")
    return kind(**{field: _field(field, hints[field], config, arrays) for field in fields})


def _field(name: str, hint: Any, config: ConfigRecord, arrays: ArrayRecord) -> Any:
    """Read one field; the message's own checks then decide on its range."""
    if get_origin(hint) is types.UnionType:  # the one optional field is an offer's chunk
        return _from_array(arrays[name]) if name in arrays else None
    if hint in (np.ndarray, CompactAnswers, CompactMaps) and name not in arrays:
        raise MessageError(f"The message lacks its {name}.")
    if hint is np.ndarray:
        return _from_array(arrays[name])
    if hint is CompactAnswers:
        return CompactAnswers(_from_array(arrays[name]), str(config.get(name, KINDS[0])))
    value = config.get(name)
    if hint is CompactMaps:
        return _maps(_from_array(arrays[name]), value)
    if get_origin(hint) is tuple:
        if not isinstance(value, list) or len(value) > MAX_CARDS:
            raise MessageError(f"The message lacks its {name}.")
        return tuple(map(_card, value)) if get_args(hint)[0] is Card else tuple(value)
    if value is None:
        raise MessageError(f"The message lacks its {name}.")
    return value


def _maps(packed: np.ndarray, sizes: Any) -> CompactMaps:
    if not isinstance(sizes, list) or len(sizes) != 3 or packed.dtype != np.uint8:
        raise MessageError("The message's maps are not packed, or without their sizes.")
    bits, items, cells = sizes
    check_whole("number of bits", bits, 1, 8)
    check_whole("number of maps", items, 1, MAX_ITEMS)
    check_whole("number of cells", cells, 1, MAX_CELLS)
    try:
        return CompactMaps.unpacked(packed.tobytes(), items, cells, bits)
    except DataError as error:
        raise MessageError(f"The message's maps do not fit their sizes: {error}") from None


def _card(text: Any) -> Card:
    if not isinstance(text, str) or len(text) > 2**22:
        raise MessageError("A teacher's card is not text, or too long.")
    return Card.from_json(text)


def _to_array(values: np.ndarray) -> Array:
    plain = np.ascontiguousarray(values)
    data = plain.astype(plain.dtype.newbyteorder("<")).tobytes()
    return Array(plain.dtype.name, tuple(map(int, plain.shape)), _RAW, data)


def _from_array(array: Array) -> np.ndarray:
    shape = tuple(array.shape)
    if array.stype != _RAW or array.dtype not in _DTYPES:
        raise MessageError("The message holds an array of a type that has no place in it.")
    if len(shape) > 6 or any(not isinstance(size, int) or size < 0 for size in shape):
        raise MessageError("The message holds an array of an impossible shape.")
    dtype = np.dtype(array.dtype).newbyteorder("<")
    size = math.prod(shape) * dtype.itemsize
    if size != len(array.data) or size > MAX_REPLY_BYTES:
        raise MessageError("The message holds an array whose bytes do not fit its shape.")
    values = np.frombuffer(array.data, dtype=dtype).reshape(shape)
    return values.astype(np.dtype(array.dtype), copy=False)
