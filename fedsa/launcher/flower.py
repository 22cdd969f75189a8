"""A private SuperLink for one run: own home, own ports, neutral folder, ended with the run."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sysconfig
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from fedsa.bundling import staged
from fedsa.errors import RunError
from fedsa.launcher import commands
from fedsa.launcher.processes import MARK, end, home, is_alive

STARTUP = 60.0
SERVER = "flwr-simulation"
"""Flower's process in which the ServerApp runs and, under Ray, the clients."""
_QUIET = {
    **commands.QUIET,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Threads that spin while they wait take tenfold time on cores that others use too.
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
}


class Flower:
    """A SuperLink in simulation mode, as a context manager.

    Parameters
    ----------
    log : Path
        Where Flower's and Ray's output goes.
    mark : str
        The run's mark; see :mod:`fedsa.launcher.processes`.
    """

    def __init__(self, log: Path, mark: str | None = None) -> None:
        self.log = log
        self.mark = mark or uuid.uuid4().hex
        self.home = home(self.mark)
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.port, control = _free_ports()
        self._control = control
        self._superlink: subprocess.Popen[bytes] | None = None
        self._serving: psutil.Process | None = None
        self.environment = {
            **os.environ,
            **_QUIET,
            MARK: self.mark,
            "FLWR_HOME": str(self.home),
            "RAY_TMPDIR": str(self.home),
            # Flower starts its own commands by name, whether or not the environment is active.
            "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]),
            "PYTHONPATH": os.pathsep.join(
                [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
        }

    def __enter__(self) -> Flower:
        (self.home / "config.toml").write_text(
            '[superlink]\ndefault = "fedsa"\n\n[superlink.fedsa]\n'
            f'address = "127.0.0.1:{self.port}"\ninsecure = true\n',
            encoding="utf-8",
        )
        command = [
            "flower-superlink",
            "--insecure",
            "--simulation",
            "--isolation",
            "subprocess",
            "--control-api-address",
            f"127.0.0.1:{self._control}",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        try:
            self._superlink = self._popen(command)
            self._await_port()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process of the run and remove Flower's home."""
        end(self.mark)
        if self._superlink is not None:
            self._superlink.wait(timeout=10)
        shutil.rmtree(self.home, ignore_errors=True)

    def submit(
        self, app: Path, run_config: Mapping[str, str | int], nodes: int, actors: int
    ) -> int:
        """Submit the app; return the run's id.

        Raises
        ------
        RunError
            If Flower refuses it; the sentence holds Flower's own last line.
        """
        federation = f"num-supernodes={nodes} client-resources-num-cpus=1"
        if "RAY_ADDRESS" not in os.environ:  # a cluster that runs already has its own size
            federation += f" init-args-num-cpus={actors}"
        with staged(app) as folder:
            found = self._flwr(
                "run",
                str(folder),
                "fedsa",
                "--format",
                "json",
                "-c",
                commands.settings(run_config),
                "--federation-config",
                federation,
            )
        return commands.run_id(found, self.log)

    def is_serving(self) -> bool | None:
        """Whether the process lives in which the server's side runs; None if it never started.

        Flower itself tells of its death only after a minute.
        """
        if self._superlink is None or self._superlink.poll() is not None:
            return False
        if self._serving is None:
            self._serving = _below(self._superlink.pid, SERVER)
        return None if self._serving is None else is_alive(self._serving)

    def status(self, run_id: int) -> str:
        """Return the run's status in Flower's words, such as ``running`` or ``finished:failed``."""
        if self._superlink is None or self._superlink.poll() is not None:
            return "finished:superlink ended"
        found = self._flwr("ls", "fedsa", "--run-id", str(run_id), "--format", "json")
        runs = found.get("runs") or [{}]
        return str(runs[0].get("status", "unknown"))

    def _flwr(self, *arguments: str) -> dict[str, Any]:
        return commands.flwr(*arguments, environment=self.environment, cwd=self.home, log=self.log)

    def _popen(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [commands.script(command[0]), *command[1:]],
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _await_port(self) -> None:
        assert self._superlink is not None
        deadline = time.monotonic() + STARTUP
        while time.monotonic() < deadline and self._superlink.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RunError(
            f"Flower's SuperLink did not start on port {self.port}: see {self.log} for why."
        )


def _below(pid: int, script: str) -> psutil.Process | None:
    """Return the process below ``pid`` that runs a console script, if there is one."""
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if any(Path(part).name == script for part in process.cmdline()[:2]):
                    return process
    return None


def check_port() -> None:
    """Try the port that ``FEDSA_PORT`` asks for, before anything that takes long.

    Raises
    ------
    RunError
        If it cannot be used.
    """
    _free_ports()


def _free_ports() -> tuple[int, int]:
    wanted = os.environ.get("FEDSA_PORT")
    with socket.socket() as first, socket.socket() as second:
        try:
            first.bind(("127.0.0.1", int(wanted) if wanted else 0))
        except (OSError, ValueError) as error:
            raise RunError(
                f"The port {wanted} (FEDSA_PORT) cannot be used: {error}; choose another one, or "
                "unset it to have a free one found."
            ) from None
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
