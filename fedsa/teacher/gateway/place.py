"""A unix socket's place: taken over from the dead, never from the living."""

from __future__ import annotations

import fcntl
import socket
import stat
from pathlib import Path
from typing import IO

from fedsa.teacher.gateway.address import GatewayError


class Socket:
    """A unix socket's place, held against other gateways by a lock that dies with its process.

    Parameters
    ----------
    path : Path
        Of the socket; ``path.lock`` lies beside it.

    Raises
    ------
    GatewayError
        If the folder is missing or closed, something else lies there, or a gateway answers there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.parent.is_dir():
            raise GatewayError(f"There is no folder '{path.parent}' for the socket: make it first.")
        self._lock = _locked(path)
        try:
            self._clear()
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Take the socket away and let the place go."""
        self.path.unlink(missing_ok=True)
        self._lock.close()

    def _clear(self) -> None:
        try:
            kind = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(kind):
            raise GatewayError(f"'{self.path}' is there and is no socket: use another path.")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2.0)
            try:
                probe.connect(str(self.path))
            except OSError:
                self.path.unlink(missing_ok=True)  # of a process that has died
            else:
                raise _taken(self.path)


def _locked(path: Path) -> IO[bytes]:
    try:
        lock = path.with_name(path.name + ".lock").open("ab")
    except OSError as error:
        raise GatewayError(
            f"The socket '{path}' cannot be made: {error.strerror}. Check the folder's owner."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise _taken(path) from None
    return lock


def _taken(path: Path) -> GatewayError:
    return GatewayError(
        f"Another process serves on '{path}': stop it first, or use another address."
    )
