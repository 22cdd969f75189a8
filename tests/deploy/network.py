"""Hosts for a federation: network namespaces on one bridge where that is allowed, else loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Sequence


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def namespaces_work() -> bool:
    """Whether this process may make network namespaces and join them."""
    if os.geteuid() != 0 or shutil.which("ip") is None or os.environ.get("FEDSA_TEST_PLAIN"):
        return False
    name = f"fedsa-{uuid.uuid4().hex[:6]}"
    try:
        _ip("netns", "add", name)
        try:
            _ip("-n", name, "link", "add", "name", "bridge0", "type", "bridge")
            _ip("-n", name, "link", "add", "name", "end0", "type", "veth", "peer", "name", "end1")
        finally:
            _ip("netns", "del", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


class Network:
    """One host for each name, the first of them holding the bridge; all go with :meth:`close`.

    Without namespaces every host is this machine's loopback, and :meth:`cut` is not to be had.
    """

    def __init__(self, *hosts: str) -> None:
        self.separate = namespaces_work()
        self._spaces: dict[str, str] = {}
        self._hub = hosts[0]
        self._base = 20_000 + os.getpid() % 10 * 1000  # others may run the same tests
        mark = uuid.uuid4().hex[:6]
        try:
            for number, host in enumerate(hosts):
                if self.separate:
                    self._make(host, f"fedsa-{mark}-{number}", number)
        except BaseException:
            self.close()
            raise
        self._numbers = {host: number for number, host in enumerate(hosts)}

    def address(self, host: str) -> str:
        """Return a host's address."""
        return f"10.213.0.{self._numbers[host] + 1}" if self.separate else "127.0.0.1"

    def port(self, host: str, number: int) -> int:
        """Return a port that is this host's alone, also where all hosts are one machine."""
        return number if self.separate else self._base + number % 1000 + self._numbers[host]

    def on(self, host: str, command: Sequence[str]) -> list[str]:
        """Return the command that runs ``command`` on a host."""
        if not self.separate:
            return list(command)
        return ["ip", "netns", "exec", self._spaces[host], *command]

    def cut(self, host: str) -> None:
        """Cut a host off from all others."""
        _ip("-n", self._spaces[self._hub], "link", "set", f"to{self._numbers[host]}", "down")

    def mend(self, host: str) -> None:
        """Join it again."""
        _ip("-n", self._spaces[self._hub], "link", "set", f"to{self._numbers[host]}", "up")

    def close(self) -> None:
        """End every process in the namespaces and take these away."""
        for space in reversed(list(self._spaces.values())):
            for number in (signal.SIGTERM, signal.SIGKILL):
                deadline = time.monotonic() + 3
                while (pids := _ip("netns", "pids", space).split()) and (
                    time.monotonic() < deadline
                ):
                    for pid in pids:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(int(pid), number)
                    time.sleep(0.1)
            _ip("netns", "del", space)
        self._spaces.clear()

    def _make(self, host: str, space: str, number: int) -> None:
        _ip("netns", "add", space)
        self._spaces[host] = space
        _ip("-n", space, "link", "set", "lo", "up")
        own, hub = f"10.213.0.{number + 1}/24", self._spaces[self._hub]
        if host == self._hub:
            _ip("-n", space, "link", "add", "name", "bridge0", "type", "bridge")
            _ip("-n", space, "addr", "add", own, "dev", "bridge0")
            _ip("-n", space, "link", "set", "bridge0", "up")
            return
        end = f"to{number}"
        pair = ("name", end, "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("-n", hub, "link", "add", *pair)
        _ip("-n", hub, "link", "set", end, "master", "bridge0", "up")
        _ip("-n", space, "addr", "add", own, "dev", "eth0")
        _ip("-n", space, "link", "set", "eth0", "up")
