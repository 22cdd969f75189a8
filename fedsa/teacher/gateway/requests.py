"""Questions to their form on the wire and back; the messages' own checks decide on ranges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from fedsa.errors import DataError
from fedsa.messages import (
    MAX_CHUNK_BYTES,
    MAX_ITEMS,
    Describe,
    MessageError,
    Offer,
    Predict,
    Request,
    Saliency,
    Score,
)
from fedsa.messages.checks import MAX_AXES, check_shape
from fedsa.saliency.compact import CompactMaps
from fedsa.teacher.gateway.calls import Call
from fedsa.teacher.gateway.proto import teacher_pb2 as pb

DTYPES = {"uint8": pb.DTYPE_UINT8, "float16": pb.DTYPE_FLOAT16, "float32": pb.DTYPE_FLOAT32}
_NAMES = {int(number): name for name, number in DTYPES.items()}
_MOST_CELLS = 2**22  # of all maps of a message, since a packed bit takes bytes when unpacked


def write_request(request: Request) -> Any:
    """Return the protobuf message of a request."""
    if isinstance(request, Describe):
        return pb.DescribeRequest()
    if isinstance(request, Offer):
        return _write_offer(request)
    asked: dict[str, Any] = {
        "teacher": request.teacher,
        "set_hash": request.set_hash,
        "indices": request.indices.tolist(),
    }
    if isinstance(request, Predict):
        return pb.PredictRequest(**asked, form=DTYPES[request.form])
    asked["method"] = request.method
    if isinstance(request, Saliency):
        return pb.SaliencyRequest(**asked, grid=request.grid, bits=request.bits)
    return pb.ScoreRequest(**asked, maps=write_maps(request.maps))


def read_request(call: Call, data: bytes) -> Request:
    """Read and validate the bytes of a request.

    Raises
    ------
    MessageError
        If they are not such a request.
    """
    try:
        message = call.request.FromString(data)
    except DecodeError:
        raise MessageError(f"The bytes are no {call.name} request.") from None
    if call.name == "Describe":
        return Describe()
    if call.name == "Offer":
        return _read_offer(message)
    if len(message.indices) > MAX_ITEMS:
        raise MessageError(f"The message names more than {MAX_ITEMS} items.")
    asked = (message.teacher, message.set_hash, np.array(message.indices, dtype=np.int32))
    if call.name == "Predict":
        return Predict(*asked, dtype_of(message.form))
    if call.name == "Saliency":
        return Saliency(*asked, message.method, message.grid, message.bits)
    return Score(*asked, message.method, read_maps(message.maps))


def dtype_of(number: int) -> str:
    """Return the name of a number type on the wire."""
    if number not in _NAMES:
        raise MessageError("The message's number type is not known.")
    return _NAMES[number]


def write_maps(maps: CompactMaps) -> pb.Maps:
    """Return the message of some compact maps."""
    items, cells = maps.values.shape
    return pb.Maps(bits=maps.bits, cells=cells, items=items, packed=maps.packed())


def read_maps(message: pb.Maps) -> CompactMaps:
    """Read compact maps.

    Raises
    ------
    MessageError
        If the bytes do not fit the sizes.
    """
    if not 1 <= message.items * message.cells <= _MOST_CELLS:
        raise MessageError(f"The message's maps do not have 1 to {_MOST_CELLS} cells.")
    try:
        return CompactMaps.unpacked(message.packed, message.items, message.cells, message.bits)
    except DataError as error:
        raise MessageError(f"The message's maps do not fit their sizes: {error}") from None


def _write_offer(offer: Offer) -> pb.OfferRequest:
    chunk = None
    if offer.chunk is not None:
        chunk = offer.chunk.astype(offer.chunk.dtype.newbyteorder("<"), copy=False).tobytes()
    return pb.OfferRequest(
        teacher=offer.teacher,
        set_hash=offer.set_hash,
        dtype=DTYPES[offer.dtype],
        start=offer.start,
        chunk=chunk,
        shape=offer.shape,
    )


def _read_offer(message: pb.OfferRequest) -> Offer:
    dtype = dtype_of(message.dtype)
    # A message has room for millions of sizes: no more are read than show that there are too many,
    # and none are multiplied before they were checked.
    shape = tuple(message.shape[: MAX_AXES + 1])
    check_shape(shape, dtype)
    chunk = None
    if message.HasField("chunk"):
        if len(message.chunk) > MAX_CHUNK_BYTES:
            raise MessageError(f"The message's chunk is over {MAX_CHUNK_BYTES >> 20} MiB.")
        size = math.prod(shape[1:]) * np.dtype(dtype).itemsize
        if len(message.chunk) % size:
            raise MessageError("The message's chunk is not made of whole items.")
        values = np.frombuffer(message.chunk, dtype=np.dtype(dtype).newbyteorder("<"))
        chunk = values.reshape(-1, *shape[1:]).astype(dtype, copy=False)
    return Offer(message.teacher, message.set_hash, dtype, shape, message.start, chunk)
