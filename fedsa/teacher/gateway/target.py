"""Which gateway a node asks, and as whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from fedsa.teacher.faults import Fault

_KEYS = {"ca": "gateway-ca", "certificate": "gateway-certificate", "key": "gateway-key"}
_OPTIONS = [
    ("grpc.enable_http_proxy", 0),  # an institution's gateway is never behind one
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]


@dataclass(frozen=True)
class Target:
    """A gateway's address, with what a TCP connection to it needs.

    Parameters
    ----------
    address : str
        ``unix:///path`` or ``host:port``.
    ca, certificate, key : Path | None
        Authority of the gateway's certificate, and this node's own certificate and key, PEM;
        all three on TCP, none on a unix socket.
    """

    address: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @classmethod
    def of(cls, node_config: Mapping[str, Any]) -> Target:
        """Read a node's own configuration (never the run's, which the coordinator writes).

        Raises
        ------
        Fault
            ``no-teacher`` if it names no gateway, or TCP without certificates.
        """
        address = node_config.get("gateway")
        if not isinstance(address, str) or not address:
            raise Fault("no-teacher")
        if address.startswith("unix:"):
            return cls(address)
        paths = {name: node_config.get(key) for name, key in _KEYS.items()}
        if not all(isinstance(path, str) and path for path in paths.values()):
            raise Fault("no-teacher")
        return cls(address, **{name: Path(str(path)) for name, path in paths.items()})

    def channel(self, longest: int) -> grpc.Channel:
        """Open a channel for messages of at most ``longest`` bytes; it connects when it is used.

        Raises
        ------
        Fault
            ``no-teacher`` if a certificate cannot be read.
        """
        options = [
            *_OPTIONS,
            ("grpc.max_receive_message_length", longest),
            ("grpc.max_send_message_length", longest),
        ]
        if self.address.startswith("unix:"):
            return grpc.insecure_channel(self.address, options=options)
        if self.ca is None or self.certificate is None or self.key is None:
            raise Fault("no-teacher")
        try:
            credentials = grpc.ssl_channel_credentials(
                self.ca.read_bytes(), self.key.read_bytes(), self.certificate.read_bytes()
            )
        except OSError as error:
            raise Fault("no-teacher") from error
        return grpc.secure_channel(self.address, credentials, options=options)
