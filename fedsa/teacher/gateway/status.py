"""Codes of failures to gRPC's status codes and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc

from fedsa.messages import Failure
from fedsa.messages.failures import SENTENCES
from fedsa.teacher.faults import failure
from fedsa.teacher.gateway.calls import CODE

_S = grpc.StatusCode
STATUS: dict[str, grpc.StatusCode] = {
    "unknown-teacher": _S.NOT_FOUND,
    "unknown-set": _S.NOT_FOUND,
    "indices": _S.INVALID_ARGUMENT,
    "shape": _S.INVALID_ARGUMENT,
    "method": _S.INVALID_ARGUMENT,
    "malformed": _S.INVALID_ARGUMENT,
    "refused": _S.PERMISSION_DENIED,
    "not-approved": _S.PERMISSION_DENIED,
    "coordinator": _S.PERMISSION_DENIED,
    "closed": _S.PERMISSION_DENIED,
    "budget": _S.RESOURCE_EXHAUSTED,
    "busy": _S.RESOURCE_EXHAUSTED,
    "room": _S.RESOURCE_EXHAUSTED,
    "cancelled": _S.CANCELLED,
    "starting": _S.UNAVAILABLE,
    "loading": _S.UNAVAILABLE,
    "storage": _S.UNAVAILABLE,
    "model": _S.INTERNAL,
    "internal": _S.INTERNAL,
}
"""Status of every code that a gateway answers with."""

_WITHOUT_CODE = {
    _S.UNAVAILABLE: "unreachable",
    _S.CANCELLED: "cancelled",
    _S.DEADLINE_EXCEEDED: "cancelled",
    _S.RESOURCE_EXHAUSTED: "busy",  # gRPC's own bound on the calls under way
    _S.INVALID_ARGUMENT: "malformed",
    _S.PERMISSION_DENIED: "refused",
    _S.NOT_FOUND: "unknown-set",
}


def failure_of(status: grpc.StatusCode, metadata: Iterable[Any] | None) -> Failure:
    """Return the failure that a call's end stands for.

    A code of the trailing metadata counts only if a gateway may answer it with this status; the
    sentence is always that of the code, never one that came over the wire.
    """
    for key, value in metadata or ():
        if key == CODE and STATUS.get(value) is status and value in SENTENCES:
            return failure(value)
    return failure(_WITHOUT_CODE.get(status, "internal"))
