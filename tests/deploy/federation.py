"""A whole federation, started by the blocks of the runbooks and ended without a trace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from fedsa.deploy.service import Service
from fedsa.launcher import processes
from fedsa.teacher.policy.office import Office
from tests.deploy.network import Network
from tests.deploy.runbook import CHECKOUT, blocks, settings
from tests.launcher.commands import events

SCRIPTS = Path(sys.executable).parent
PORT, GATEWAY, RUNTIME = 18443, 18500, 19094
SUDO = """#!/bin/bash
# Stands for sudo -u USER COMMAND..., with users that exist by their number only.
shift; user=$1; shift
PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec setpriv --reuid="$user" --regid="$user" --groups="$user" "$@"
"""


class Federation:
    """A coordinator and institutions, each on a host of its own.

    Parameters
    ----------
    hosts : str
        Names of the institutions' hosts.
    """

    def __init__(self, *hosts: str) -> None:
        # Not pytest's: other users must get into it, and a socket's path is short.
        self.root = Path(tempfile.mkdtemp(prefix="fd-")).resolve()
        self.root.chmod(0o755)
        self.mark = uuid.uuid4().hex
        self.services: list[Service] = []
        self.mounts: list[Path] = []
        self.network = Network("hub", *hosts)
        self.home = self.root / "hub"
        sudo = self.root / "bin" / "sudo"
        sudo.parent.mkdir()
        sudo.write_text(SUDO)
        sudo.chmod(0o755)
        self.variables = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("FLWR_", "FEDSA_"))},
            "PATH": f"{sudo.parent}:{SCRIPTS}:{os.environ['PATH']}",
            processes.MARK: self.mark,
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "FEDSA_CACHE": str(self.root / "cache"),
            "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.5",
            "FLWR_HOME": str(self.home / "flower"),
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_TELEMETRY_ENABLED": "0",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "160",
            "HOME": str(self.root),
            "COORDINATOR": str(self.home),
            "HOST": self.network.address("hub"),
            "PORT": str(self.network.port("hub", PORT)),
            "SUPERLINK": f"{self.network.address('hub')}:{self.network.port('hub', PORT)}",
            "SUPERLINK_CA": str(self.home / "keys" / "ca.crt"),
            "BUNDLE": str(self.home / "app.fab"),
        }

    # ---- commands ---------------------------------------------------------------------------

    def command(self, host: str, *command: str | Path) -> list[str]:
        """Return a command as it is run on a host."""
        return self.network.on(host, list(map(str, command)))

    def start(self, host: str, *command: str | Path) -> subprocess.Popen[str]:
        """Start a command on a host and do not wait."""
        return subprocess.Popen(
            self.command(host, *command),
            cwd=CHECKOUT,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, host: str, *command: str | Path) -> tuple[int, str]:
        """Return a command's exit code and what it said."""
        return _wait(self.start(host, *command))

    def begin(
        self, page: str, name: str, host: str = "hub", **variables: str | Path
    ) -> subprocess.Popen[str]:
        """Start a block of a runbook on a host and do not wait."""
        return subprocess.Popen(
            self.command(host, "bash", "-euc", blocks(page)[name]),
            cwd=CHECKOUT,
            env={**self.variables, **{key: str(value) for key, value in variables.items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def block(self, page: str, name: str, host: str = "hub", **variables: str | Path) -> str:
        """Run a block of a runbook, on a host, and return what it said."""
        code, said = _wait(self.begin(page, name, host, **variables))
        assert code == 0, f"{page}: {name}\n{said}"
        return said

    # ---- the coordinator --------------------------------------------------------------------

    def open(self) -> None:
        """Start the SuperLink, as the runbook says, and make the bundle."""
        assert settings("coordinator") <= {*self.variables, "SCENARIO"}
        assert settings("institution") <= {*self.variables, "INSTITUTION", "TEACHER"}
        self.services.append(Service(self.home, "superlink"))
        self.block("coordinator", "start")
        self.block("coordinator", "bundle")

    def register(self, folder: Path, name: str) -> None:
        """Let a node in."""
        self.block("coordinator", "register", NODE_KEY=folder / "node.pub", NODE_NAME=name)

    # ---- institutions -----------------------------------------------------------------------

    def gateway(self, host: str, teacher: Path, disk: str = "") -> Institution:
        """Start a gateway behind mutual TLS and make its node's settings, all on one host.

        ``disk`` is the size of a disk for its records alone.
        """
        folder, keys = self.root / host, self.root / f"{host}-gateway"
        keys.mkdir()
        if disk and self.network.separate:
            self.mount(keys / "records", "-t", "tmpfs", "-o", f"size={disk},mode=700", "tmpfs")
        variables = {
            "INSTITUTION": folder,
            "TEACHER": teacher,
            "CALLER": "coordinator",
            "GATEWAY_DIR": keys,
            "GATEWAY_KEYS": keys / "keys",
            "GATEWAY_HOST": self.network.address(host),
            "GATEWAY_PORT": str(self.network.port(host, GATEWAY)),
            "RUNTIME_PORT": str(self.network.port(host, RUNTIME)),
        }
        found = Institution(self, host, folder, keys, variables)
        self.services += [found.gateway, found.supernode]
        self.block("institution", "gateway-host", host, **variables)
        self.block("institution", "gateway-elsewhere", host, **variables)
        return found

    def join(self, host: str, teacher: Path, disk: str = "") -> Institution:
        """Bring a whole institution into the federation; see :meth:`gateway`."""
        found = self.gateway(host, teacher, disk)
        self.register(found.folder, host)
        found.block("approve")
        return found

    def users(self, host: str, teacher: Path) -> Institution:
        """Prepare an institution of three users, whose node is registered but not started."""
        folder = self.root / host
        gateway, supernode, app = (61001, 61002, 61003)
        for path in (teacher.parent, *teacher.parent.iterdir()):
            os.chown(path, gateway, gateway)
            path.chmod(0o700 if path.is_dir() else 0o600)
        scripts = self.readable()
        found = Institution(
            self,
            host,
            folder / "supernode",
            folder / "gateway",
            {
                "INSTITUTION": folder,
                "TEACHER": teacher,
                "RUNTIME_PORT": str(self.network.port(host, RUNTIME)),
                "PATH": f"{scripts}:{self.variables['PATH']}",
                "LD_LIBRARY_PATH": str(self.root / "python" / "lib"),
                "GATEWAY_USER": str(gateway),
                "SUPERNODE_USER": str(supernode),
                "APP_USER": str(app),
                "APP_GROUP": str(app),
            },
        )
        self.services += [found.gateway, found.supernode, Service(folder / "app", "app")]
        found.block("three-users")
        self.register(folder / "supernode", host)
        return found

    def readable(self) -> Path:
        """Return the scripts of an environment that every user can read.

        The interpreter of this one may lie where only its owner gets; it is then mounted
        elsewhere, and an environment of its own borrows all packages from this one.
        """
        base = Path(sys.base_prefix)
        if all(path.stat().st_mode & 0o1 for path in (base, *base.parents)):
            return SCRIPTS
        mounted, place = self.root / "python", self.root / "environment"
        self.mount(mounted, "--bind", str(base))
        python = mounted / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
        subprocess.run([python, "-m", "venv", "--without-pip", place], check=True)
        (site,) = place.glob("lib/python*/site-packages")
        borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
        for script in SCRIPTS.glob("f*"):
            if script.name == "fedsa" or script.name.startswith(("flwr", "flower-")):
                _, _, code = script.read_text().partition("\n")
                copy = place / "bin" / script.name
                copy.write_text(f"#!{place}/bin/python\n{code}")
                copy.chmod(0o755)
        return place / "bin"

    def mount(self, path: Path, *what: str) -> None:
        """Mount something on a folder until the end."""
        path.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", *what, str(path)], check=True)
        self.mounts.append(path)

    # ---- the end ----------------------------------------------------------------------------

    def close(self) -> None:
        """End everything and remove every trace."""
        try:
            for service in reversed(self.services):
                service.stop(grace=2.0)
        finally:
            processes.clear(self.mark)
            self.network.close()
            gone = [subprocess.run(["umount", "-l", mount]).returncode for mount in self.mounts]
            if not any(gone):  # else what is mounted would be removed
                shutil.rmtree(self.root, ignore_errors=True)


def _wait(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        said, _ = process.communicate(timeout=600)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, said


class Institution:
    """One institution's folders and processes.

    Parameters
    ----------
    federation : Federation
        Where it takes part.
    host : str
        On which it is.
    folder, records : Path
        Of the node, and of the gateway.
    variables : Mapping[str, str | Path]
        As its engineer has set them for the runbook.
    """

    def __init__(
        self,
        federation: Federation,
        host: str,
        folder: Path,
        records: Path,
        variables: Mapping[str, str | Path],
    ) -> None:
        self.federation, self.host, self.folder = federation, host, folder
        self.variables, self.records = dict(variables), records
        self.gateway, self.supernode = Service(records, "gateway"), Service(folder, "supernode")

    def block(self, name: str) -> str:
        """Run a block of the institution's runbook."""
        return self.federation.block("institution", name, self.host, **self.variables)

    def script(self, name: str, folder: Path) -> None:
        """Run a script of the kit, as after a crash."""
        code, said = self.federation.run(self.host, "bash", f"clients/kit/{name}.sh", folder)
        assert code == 0, said

    def app(self) -> psutil.Process | None:
        """Return the process in which the coordinator's code answers a question now."""
        return below(self.supernode, "flwr-clientapp")

    def spent(self, call: str = "predict") -> int:
        """Return how many items the ledger says were asked about."""
        office = Office(self.records / "records")
        try:
            return sum(one.spent for one in office.spent() if one.call == call)
        finally:
            office.close()


def below(service: Service, command: str) -> psutil.Process | None:
    """Return a running process that a service has started, by its command."""
    node = service.process()
    for process in node.children(recursive=True) if node is not None else ():
        try:
            if command in " ".join(process.cmdline()):
                return process
        except psutil.Error:  # it ended just now
            continue
    return None


def kill(service: Service) -> None:
    """Kill a process outright."""
    process = service.process()
    assert process is not None, service.name
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def eventually(good: Callable[[], Any], seconds: float = 120.0, every: float = 0.1) -> Any:
    """Wait until something is so and return what it is."""
    deadline = time.monotonic() + seconds
    while not (found := good()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)
    return found


def reached(folder: Path, process: subprocess.Popen[str], starts: int, **fields: Any) -> None:
    """Wait for an event with these fields after a run was started for the n-th time."""

    def so() -> bool:
        assert process.poll() is None, process.communicate()
        found = events(folder)
        begun = [place for place, event in enumerate(found) if event["event"] == "started"]
        return len(begun) >= starts and any(
            fields.items() <= event.items() for event in found[begun[starts - 1] :]
        )

    eventually(so, 400.0)


def read(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text("utf-8"))
