"""The service: reads a question, hands it to the desk, writes the reply. It decides nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc

from fedsa.messages import Failure, MessageError, Reply
from fedsa.teacher.desk import answer
from fedsa.teacher.faults import Fault, failure
from fedsa.teacher.gateway.calls import CALLS, CODE, SERVICE, Call
from fedsa.teacher.gateway.replies import write_reply
from fedsa.teacher.gateway.requests import read_request
from fedsa.teacher.gateway.status import STATUS
from fedsa.teacher.sets import SetStore

_RESERVED = ("local", "*")  # what a policy calls a unix socket, and anyone

_log = logging.getLogger("fedsa.teacher")


class Service:
    """Answers calls; before :meth:`open` every one with ``starting``.

    Parameters
    ----------
    most : int
        Calls that may be under way; further ones are answered ``busy``.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._changed = threading.Condition()
        self._inside: tuple[Mapping[str, Any], SetStore] | None = None

    def open(self, teachers: Mapping[str, Any], sets: SetStore) -> None:
        """Begin to answer for these teachers."""
        self._inside = (teachers, sets)

    def drained(self, timeout: float) -> bool:
        """Wait until no call is under way; False if some still are after ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._taken == 0, timeout)

    def handlers(self) -> grpc.GenericRpcHandler:
        """Return what a gRPC server takes: the calls of the proto and nothing else.

        Requests arrive here as bytes, so that damaged ones get a code like all other faults.
        """
        methods = {
            name: grpc.unary_stream_rpc_method_handler(self._stream(call))
            if call.streams
            else grpc.unary_unary_rpc_method_handler(self._single(call))
            for name, call in CALLS.items()
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _single(self, call: Call) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def handle(data: bytes, context: grpc.ServicerContext) -> bytes:
            (message,) = self._messages(call, data, context)
            return message

        return handle

    def _stream(self, call: Call) -> Callable[[bytes, grpc.ServicerContext], Iterator[bytes]]:
        def handle(data: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            yield from self._messages(call, data, context)

        return handle

    def _messages(self, call: Call, data: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        with self._place() as place:
            reply = self._reply(call, data, context) if place else failure("busy")
            if isinstance(reply, Failure):
                _refuse(context, reply)
            for message in write_reply(reply):
                yield message.SerializeToString()

    @contextmanager
    def _place(self) -> Iterator[bool]:
        with self._changed:
            found = self._taken < self._most
            self._taken += found
        try:
            yield found
        finally:
            with self._changed:
                self._taken -= found
                self._changed.notify_all()

    def _reply(self, call: Call, data: bytes, context: grpc.ServicerContext) -> Reply:
        try:
            request = read_request(call, data)
            if self._inside is None:
                return failure("starting")
            teachers, sets = self._inside
            return answer(
                request,
                teachers,
                sets,
                caller=caller_of(context.auth_context()),
                cancelled=lambda: _withdrawn(context),
            )
        except MessageError:
            return failure("malformed")
        except Fault as fault:
            return failure(fault.code)
        except Exception as error:  # nothing of it may leave
            _log.warning("%s failed", call.name, exc_info=error)
            return failure("internal")


def caller_of(identity: Mapping[str, Any]) -> str:
    """Return who asks: the common name of the certificate shown, or ``local`` without one.

    Only a unix socket is served without certificates.

    Raises
    ------
    Fault
        ``coordinator`` if the certificate names nobody, or somebody whom a policy means otherwise.
    """
    if identity.get("transport_security_type") != [b"ssl"]:
        return "local"
    names = identity.get("x509_common_name") or [b""]
    name = str(names[0].decode("utf-8", "replace"))
    if not name.strip() or name in _RESERVED:
        raise Fault("coordinator")
    return name


def _withdrawn(context: grpc.ServicerContext) -> bool:
    """Whether nobody waits for the answer any more."""
    left = context.time_remaining()
    return not context.is_active() or (left is not None and left <= 0)


def _refuse(context: grpc.ServicerContext, reply: Failure) -> NoReturn:
    context.set_trailing_metadata(((CODE, reply.code),))
    context.abort(STATUS.get(reply.code, grpc.StatusCode.INTERNAL), reply.sentence)
    raise AssertionError("abort has raised")
