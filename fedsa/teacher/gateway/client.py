"""The client of a gateway: a question in, a reply out, nothing raised and no model imported."""

from __future__ import annotations

import logging
import time
from types import TracebackType
from typing import Any, Self

import grpc

from fedsa.messages import Failure, MessageError, Offer, Reply, Request, check_reply
from fedsa.teacher.faults import Fault, failure
from fedsa.teacher.gateway.calls import CALLS, MESSAGE_BYTES, Call
from fedsa.teacher.gateway.replies import read_reply
from fedsa.teacher.gateway.requests import write_request
from fedsa.teacher.gateway.status import failure_of
from fedsa.teacher.gateway.target import Target

PATIENCE = 30.0
"""Seconds in which a gateway that is down, or not ready, is asked again."""
_PAUSES = (0.1, 0.2, 0.5, 1.0)  # seconds between two tries; the last one again and again
_PASSING = ("unreachable", "starting", "busy")

_log = logging.getLogger("fedsa.teacher")


class Client:
    """A connection to a gateway, for any number of questions from any number of threads.

    Parameters
    ----------
    target : Target
        The gateway.
    patience : float
        Seconds, within each question's own, in which a gateway that cannot be reached, still
        loads its models, or has too much to do, is asked again.

    Raises
    ------
    Fault
        ``no-teacher`` if the target's certificates cannot be read.
    """

    def __init__(self, target: Target, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._channel = target.channel(MESSAGE_BYTES)
        self._calls = {
            name: (self._channel.unary_stream if call.streams else self._channel.unary_unary)(
                call.path, response_deserializer=call.reply.FromString
            )
            for name, call in CALLS.items()
        }

    def ask(self, request: Request, timeout: float) -> Reply:
        """Ask one question; whatever happens is a reply.

        Parameters
        ----------
        request : Request
            The question.
        timeout : float
            Seconds until it is withdrawn.
        """
        begin = time.monotonic()
        tried = 0
        try:
            data = write_request(request).SerializeToString()
            if len(data) > MESSAGE_BYTES - 1024:
                return failure("shape" if isinstance(request, Offer) else "indices")
            while True:
                left = begin + timeout - time.monotonic()
                reply = self._try(request, data, left)
                pause = _PAUSES[min(tried, len(_PAUSES) - 1)]
                spent = time.monotonic() - begin + pause
                passing = isinstance(reply, Failure) and reply.code in _PASSING
                if not passing or spent >= min(timeout, self._patience):
                    return reply
                tried += 1
                time.sleep(pause)
        except Exception as error:  # nothing of it may leave
            _log.warning("asking the gateway failed", exc_info=error)
            return failure("internal")

    def close(self) -> None:
        """Close the connection; questions under way are withdrawn."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _try(self, request: Request, data: bytes, timeout: float) -> Reply:
        call = CALLS[type(request).__name__]
        try:
            reply = read_reply(request, self._messages(call, data, timeout))
            check_reply(request, reply)
            return reply
        except grpc.RpcError as error:
            return failure_of(error.code(), error.trailing_metadata())
        except MessageError as error:
            _log.warning("the gateway's reply is not valid: %s", error)
            return failure("internal")

    def _messages(self, call: Call, data: bytes, timeout: float) -> Any:
        found = self._calls[call.name](data, timeout=timeout)
        return found if call.streams else (found,)


def ask(target: Target, request: Request, timeout: float, patience: float = PATIENCE) -> Reply:
    """Ask one question over a connection of its own; see :meth:`Client.ask`."""
    try:
        with Client(target, patience) as client:
            return client.ask(request, timeout)
    except Fault as fault:
        return failure(fault.code)
