"""A gateway: it listens at once, loads its models, answers, and stops with grace."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from fedsa.teacher.gateway.address import GatewayError, socket_of
from fedsa.teacher.gateway.calls import MESSAGE_BYTES, SERVICE
from fedsa.teacher.gateway.holdings import Holdings
from fedsa.teacher.gateway.place import Socket
from fedsa.teacher.gateway.service import Service
from fedsa.teacher.gateway.tls import Tls

ADMITTED = 64
"""Calls that are worked on at once; further ones are told ``busy``."""
_SPARE = 8  # threads that say so, and that answer health checks
_BACKSTOP = 4 * ADMITTED  # calls that gRPC takes in at all
_PATIENCE = 3.0  # seconds for a cancelled call to notice it
_FLUSH = 1.0  # seconds for the end of a reply to leave
GRACE = 10.0
"""Seconds in which what is under way may finish before it is cancelled."""
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Gateway:
    """A gateway inside this process; :func:`~fedsa.teacher.gateway.process.serve` makes one of it.

    Parameters
    ----------
    files : Sequence[Path]
        Teacher files, read and checked at once; their models are loaded after :meth:`start`.
    address : str
        ``unix:///path``, or ``host:port`` (port 0 for any that is free).
    state : Path
        The institution's own records, see :class:`~fedsa.teacher.policy.office.Office`.
    tls : Tls | None
        Needed on TCP, of no use on a unix socket.
    admitted : int
        Calls that are worked on at once.

    Raises
    ------
    GatewayError
        If the address cannot be served so.
    TeacherFileError
        If a file has faults.
    """

    def __init__(
        self,
        files: Sequence[Path],
        address: str,
        state: Path,
        tls: Tls | None = None,
        admitted: int = ADMITTED,
    ) -> None:
        self.address = address
        self._path = socket_of(address)
        if self._path is None and tls is None:
            raise GatewayError(
                "On TCP a gateway serves with mutual TLS only: give --certificate, --key and "
                "--client-ca, or serve on a unix socket (unix:///path)."
            )
        if self._path is not None and tls is not None:
            raise GatewayError("A unix socket takes no certificates: leave them out.")
        self._credentials = None if tls is None else tls.credentials()
        self._holdings = Holdings(files, state)
        self._open = True
        self._service = Service(admitted)
        self._health = health.HealthServicer(experimental_non_blocking=True)
        self._turn(_NOT_SERVING)
        self._place: Socket | None = None
        self._server: grpc.Server | None = None
        self._admitted = admitted
        self.settled = threading.Event()
        """Set once the models are loaded, or cannot be."""
        self.fault: Exception | None = None
        """Why they cannot."""

    @property
    def teachers(self) -> tuple[str, ...]:
        """Ids of the teachers that are served, sorted."""
        return self._holdings.ids

    def start(self) -> None:
        """Listen, and load the models in the background.

        Raises
        ------
        GatewayError
            If the address is taken or cannot be had.
        """
        options = [
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.max_send_message_length", MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),  # else a second gateway could share the port
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ]
        self._server = grpc.server(
            ThreadPoolExecutor(self._admitted + _SPARE, thread_name_prefix="gateway"),
            options=options,
            maximum_concurrent_rpcs=max(_BACKSTOP, 4 * self._admitted),
        )
        self._server.add_generic_rpc_handlers((self._service.handlers(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._bind(self._server)
        self._server.start()
        threading.Thread(target=self._load, name="loading", daemon=True).start()

    def stop(self, grace: float = GRACE) -> bool:
        """Take no further calls, give those under way ``grace`` seconds, cancel the rest.

        Returns
        -------
        bool
            False if a model did not come back from its forward pass; then the records stay open,
            since it may yet want to write to them.
        """
        self._health.enter_graceful_shutdown()
        if self._server is not None:
            self._end(self._server, grace)
        if self._place is not None:
            self._place.close()
            self._place = None
        if not self._service.drained(_PATIENCE):
            return False
        if self._open:
            self._open = False
            self._holdings.close()
        return True

    def hurry(self) -> None:
        """Cancel what a :meth:`stop` in another thread still waits for."""
        if self._server is not None:
            self._server.stop(0)

    def _end(self, server: grpc.Server, grace: float) -> None:
        """Stop with grace, which is for answers: who only watches the health holds nothing up.

        Nor does a call that gRPC took in at the very moment of closing and then never hands over.
        """
        ended, idle = server.stop(grace), 0.0
        while not ended.wait(_FLUSH / 10):
            idle = idle + _FLUSH / 10 if self._service.drained(0.0) else 0.0
            if idle >= _FLUSH:
                server.stop(0)

    def _bind(self, server: grpc.Server) -> None:
        if self._path is not None:
            self._place = Socket(self._path)
            before = os.umask(0o117)  # so that it never exists with wider rights than 0660
            try:
                server.add_insecure_port(f"unix:{self._path}")
            except RuntimeError:
                self._place.close()
                raise GatewayError(
                    f"The socket '{self._path}' cannot be made: check the folder's owner."
                ) from None
            finally:
                os.umask(before)
            return
        assert self._credentials is not None
        host, _, port = self.address.rpartition(":")
        try:
            bound = server.add_secure_port(self.address, self._credentials)
        except RuntimeError:
            raise GatewayError(
                f"Nothing can be served on '{self.address}': the port {port} is taken, or '{host}' "
                "is not an address of this machine."
            ) from None
        self.address = f"{host}:{bound}"

    def _load(self) -> None:
        try:
            teachers, sets = self._holdings.load()
            self._service.open(teachers, sets)
            self._turn(_SERVING)
        except Exception as error:
            self.fault = error
        self.settled.set()

    def _turn(self, status: Any) -> None:
        self._health.set("", status)
        self._health.set(SERVICE, status)
