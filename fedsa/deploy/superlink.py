"""A SuperLink that takes from other machines what nodes ask, and nothing else.

``python -m fedsa.deploy.superlink ...``, as ``flower-superlink``. Flower serves three interfaces on
one port: the nodes' (``/v1/fleet/``), the one by which runs are submitted, and the one by which a
run's own process gets its work. Only the first knows who asks; through the others whoever reaches
the port could run code as the coordinator's user, or take a run over. So these are shut to
everybody but this machine. The hook by which it is done is Flower's own, for its extensions, and
may change, so this is made for one version and refuses every other.
"""

from __future__ import annotations

import importlib
import ipaddress
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

from fedsa.deploy.pinning import FLOWER
from fedsa.errors import RunError

OPEN = "/v1/fleet/"
"""Where the paths of the nodes' interface begin."""
REFUSAL = b"Only nodes are answered from another machine: submit runs on the SuperLink's own."
_OTHER_PORTS = ("FLWR_INTERNAL_GRPC_CONTROL_API", "FLWR_INTERNAL_GRPC_FLEET_API")
_STATUS, _CLOSED = 403, 1008

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class NodesOnly:
    """The SuperLink's application, shut to other machines but for what nodes ask.

    Parameters
    ----------
    app : App
        What answers those who come through.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, by Python's interface for web servers (ASGI)."""
        kind = scope["type"]
        asked = kind == "http" and str(scope["path"]).startswith(OPEN)
        if kind == "lifespan" or asked or is_from_here(scope):
            await self._app(scope, receive, send)
        elif kind == "http":
            headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": _STATUS, "headers": headers})
            await send({"type": "http.response.body", "body": REFUSAL})
        else:
            await send({"type": "websocket.close", "code": _CLOSED})


def is_from_here(scope: Scope) -> bool:
    """Say whether a request comes from the machine that it came to.

    Either over the loopback, or from the very address that it was sent to: no machine but this
    one has a connection from there.
    """
    peer, own = (_host(scope.get(side)) for side in ("client", "server"))
    return peer is not None and (peer.is_loopback or peer == own)


def lock() -> None:
    """Put the lock around the SuperLink that this process will be.

    Raises
    ------
    RunError
        If the installed Flower is not the one that the lock was made for.
    """
    extensions: Any = None
    try:
        found = version("flwr")
        extensions = importlib.import_module("flwr.superlink.extensions")
    except (PackageNotFoundError, ImportError):
        found = "another version"
    before = getattr(extensions, "get_middleware", None)
    if found != FLOWER or before is None:
        raise RunError(
            f"A SuperLink can be shut to other machines in Flower {FLOWER} only, and this is "
            f"{found}: install flwr=={FLOWER}. The SuperLink was not started."
        )
    from starlette.middleware import Middleware

    extensions.__dict__["get_middleware"] = lambda: (Middleware(NodesOnly), *before())
    for name in _OTHER_PORTS:  # of Flower's older interfaces, which the lock is not around
        os.environ.pop(name, None)
    os.environ["FORWARDED_ALLOW_IPS"] = "127.0.0.1"  # else a header could say who asks


def main() -> NoReturn:
    """Lock, then start Flower's own command."""
    try:
        lock()
    except RunError as error:
        sys.exit(f"error: {error}")
    from flwr.superlink.cli.flower_superlink import flower_superlink

    sys.argv = ["flower-superlink", *sys.argv[1:]]
    flower_superlink()
    sys.exit(0)


def _host(end: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address of one end of a connection, as ``(host, port)`` names it."""
    try:
        found = ipaddress.ip_address(end[0])
    except (TypeError, ValueError, LookupError):
        return None
    return getattr(found, "ipv4_mapped", None) or found


if __name__ == "__main__":
    main()
