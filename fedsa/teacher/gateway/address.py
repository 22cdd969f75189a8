"""Where a gateway listens: a unix socket, or a host and port."""

from __future__ import annotations

import os
from pathlib import Path

from fedsa.errors import FedsaError

_LONGEST = 107  # bytes of a unix socket's path, by the kernel


class GatewayError(FedsaError):
    """A gateway cannot be started as it was asked to be."""

    exit_code = 5


def socket_of(address: str) -> Path | None:
    """Return the path of a unix socket's address, or None for ``host:port``.

    Raises
    ------
    GatewayError
        If it is neither.
    """
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:").replace("//", "", 1))
        if not path.is_absolute():
            raise GatewayError(
                f"The address '{address}' has no absolute path: write unix:///run/fedsa/mint.sock."
            )
        if len(os.fsencode(path)) > _LONGEST:
            raise GatewayError(
                f"The socket's path '{path}' is longer than {_LONGEST} bytes: use a shorter one."
            )
        return path
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise GatewayError(
            f"The address '{address}' is neither unix:///path nor host:port: write one of them."
        )
    return None
