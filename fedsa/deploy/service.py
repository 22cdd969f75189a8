"""Starts a long-lived process with a pid file and stops that very process, as the kits do.

``python -m fedsa.deploy.service start NAME --in DIR [--until TEXT] -- COMMAND...``,
``... stop NAME --in DIR``, ``... status NAME --in DIR``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from fedsa.errors import RunError
from fedsa.launcher.processes import is_alive

STARTUP, GRACE, _PAUSE = 90.0, 15.0, 3.0


class Service:
    """A process by name, with ``NAME.pid`` and ``NAME.log`` in a folder.

    The pid file holds the time at which the process began too, so that another process that was
    given the same number is never taken for it; nor is another user's, so that root can stop
    what runs from a folder into which somebody else writes.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.pid_file, self.log = folder / f"{name}.pid", folder / f"{name}.log"

    def process(self) -> psutil.Process | None:
        """Return the living process, if there is one."""
        try:
            noted = json.loads(self.pid_file.read_text("ascii"))
            process = psutil.Process(int(noted["pid"]))
            same = abs(process.create_time() - float(noted["began"])) < 0.01
            same = same and process.uids().real == self.pid_file.lstat().st_uid
            alive = same and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, KeyError, TypeError, psutil.Error):
            return None
        return process if alive else None

    def start(self, command: Sequence[str], until: str = "", patience: float = 0.0) -> int:
        """Start the command, wait until its log holds ``until``, and return its pid.

        Parameters
        ----------
        command : Sequence[str]
            The program and its arguments.
        until : str
            What the log holds once it is ready.
        patience : float
            Seconds in which one that ends before it is ready is started anew.

        Raises
        ------
        RunError
            If it runs already, or ends, or is not ready in time; then nothing is left of it.
        """
        if self.process() is not None:
            raise RunError(f"'{self.name}' runs already: stop it first.")
        deadline = time.monotonic() + patience
        while True:
            try:
                return self._start(command, until)
            except RunError:
                if time.monotonic() + _PAUSE > deadline:
                    raise
            time.sleep(_PAUSE)

    def _start(self, command: Sequence[str], until: str) -> int:
        try:
            with self.log.open("ab") as log:
                begin = log.tell()
                started = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise RunError(f"'{self.name}' cannot be started: {error}.") from None
        began = psutil.Process(started.pid).create_time()
        self.pid_file.write_text(json.dumps({"pid": started.pid, "began": began}), "ascii")
        deadline = time.monotonic() + STARTUP
        while until and until not in self._said(begin):
            if started.poll() is not None or time.monotonic() > deadline:
                lines = self._said(begin).strip().splitlines()[-12:]
                self.stop()
                raise RunError(f"'{self.name}' did not start:\n" + "\n".join(lines))
            time.sleep(0.1)
        return started.pid

    def stop(self, grace: float = GRACE) -> bool:
        """Ask the process to end, insist after ``grace`` seconds; return whether it ran.

        What it started is ended with it.

        Raises
        ------
        RunError
            If it runs on.
        """
        process = self.process()
        if process is not None:
            below = _below(process)
            _end([process], grace)
            _end([one for one in below if one.is_running()], 5.0)
            if is_alive(process):
                raise RunError(
                    f"'{self.name}' (process {process.pid}) does not end: end it by hand."
                )
        self.pid_file.unlink(missing_ok=True)
        return process is not None

    def _said(self, begin: int) -> str:
        with self.log.open("rb") as log:
            log.seek(begin)
            return log.read().decode("utf-8", "replace")


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.Error:
        return []
    return found


def _end(processes: list[psutil.Process], grace: float) -> None:
    for act, seconds in ((psutil.Process.terminate, grace), (psutil.Process.kill, 5.0)):
        for process in processes:
            with contextlib.suppress(psutil.Error):
                act(process)
        deadline = time.monotonic() + seconds
        # One that ended and that nobody has asked for its exit code has ended all the same.
        while any(is_alive(one) for one in processes) and time.monotonic() < deadline:
            time.sleep(0.05)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit code."""
    own, command = list(arguments), []
    if "--" in own:
        place = own.index("--")
        own, command = own[:place], own[place + 1 :]
    parser = argparse.ArgumentParser(prog="service", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("act", choices=("start", "stop", "status"))
    parser.add_argument("name")
    parser.add_argument("--in", dest="folder", type=Path, default=Path())
    parser.add_argument("--until", default="")
    parser.add_argument("--patience", type=float, default=0.0)
    given = parser.parse_args(own)
    service = Service(given.folder, given.name)
    try:
        if given.act == "start":
            service.start(command, given.until, given.patience)
            print(f"{given.name} runs; its log is {service.log}")
        elif given.act == "stop":
            print(f"{given.name} {'stopped' if service.stop() else 'was not running'}")
        else:
            running = service.process() is not None
            print(f"{given.name} {'runs' if running else 'does not run'}")
            return 0 if running else 1
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
