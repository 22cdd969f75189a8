"""The calls of the service and its limits, read off the proto, so that there is one truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.message_factory import GetMessageClass

from fedsa.messages import MAX_CHUNK_BYTES
from fedsa.teacher.gateway.proto import teacher_pb2 as pb

PART_BYTES = 2**20
"""Array bytes of one message of a streamed reply."""
MESSAGE_BYTES = 2 * MAX_CHUNK_BYTES
"""Bytes of one message on the wire; gRPC itself refuses longer ones."""
CODE = "fedsa-code"
"""Key of the trailing metadata that holds the code of a failure."""


@dataclass(frozen=True)
class Call:
    """One call of the service.

    Parameters
    ----------
    name : str
        As in the proto; also the class of its request in :mod:`fedsa.messages`.
    path : str
        Its name on the wire.
    request, reply : type
        Classes of its messages.
    streams : bool
        Whether its reply is a stream.
    """

    name: str
    path: str
    request: Any
    reply: Any
    streams: bool


_SERVICE = pb.DESCRIPTOR.services_by_name["Teacher"]
SERVICE: str = _SERVICE.full_name
"""Name of the service, for health checks too."""
CALLS: dict[str, Call] = {
    method.name: Call(
        method.name,
        f"/{SERVICE}/{method.name}",
        GetMessageClass(method.input_type),
        GetMessageClass(method.output_type),
        method.server_streaming,
    )
    for method in _SERVICE.methods
}
"""Every call there is, by name."""
