"""A real gateway for a benchmark: teachers made on the spot, a process of its own, a socket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from safetensors.torch import save_file

from fedsa.data.transfer import content_hash
from fedsa.errors import RunError
from fedsa.messages import Failure, Offered, Reply, Request, offers
from fedsa.models import build
from fedsa.teacher.gateway.client import Client
from fedsa.teacher.gateway.target import Target

SHAPE, CLASSES = (1, 28, 28), 10
_LONG = 600.0
_PLENTY = 10**12
_FILE = """id = "{name}"
classes = {classes}
[model]
factory = "{name}"
weights = "{name}.safetensors"
[input]
shape = {shape}
[compute]
device = "{device}"
threads = {threads}
[policy]
calls = ["predict", "saliency", "score"]
coordinators = ["local"]
any-set = true
[policy.budget]
predict = {plenty}
saliency = {plenty}
score = {plenty}
"""


def teacher_file(folder: Path, name: str, device: str, threads: int) -> Path:
    """Write an untrained teacher of one of our own architectures; return its file."""
    save_file(build(name, SHAPE, CLASSES, seed=0).state_dict(), folder / f"{name}.safetensors")
    path = folder / f"{name}.toml"
    path.write_text(
        _FILE.format(
            name=name,
            classes=CLASSES,
            shape=list(SHAPE),
            device=device,
            threads=threads,
            plenty=_PLENTY,
        )
    )
    return path


@dataclass(frozen=True)
class Served:
    """A gateway that is ready.

    Parameters
    ----------
    client : Client
        A connection to it.
    process : psutil.Process
        Its process.
    """

    client: Client
    process: psutil.Process

    def ask(self, request: Request) -> Reply:
        """Ask, and insist on an answer.

        Raises
        ------
        RunError
            If there is none.
        """
        reply = self.client.ask(request, _LONG)
        if isinstance(reply, Failure):
            raise RunError(f"The gateway answered '{reply.code}': {reply.sentence}")
        return reply

    def offer(self, name: str, items: np.ndarray) -> str:
        """Bring items to a teacher; return their hash."""
        set_hash = content_hash(items)
        found = [self.ask(offer) for offer in offers(name, set_hash, items)]
        if found[-1] != Offered("held", len(items)):
            raise RunError("The gateway did not take the items.")
        return set_hash

    def memory(self) -> tuple[int, int]:
        """Return its resident bytes, all of them and without the pages of mapped files."""
        found = self.process.memory_info()
        return int(found.rss), int(found.rss - getattr(found, "shared", 0))


@contextmanager
def served(folder: Path, files: Sequence[Path]) -> Iterator[Served]:
    """Serve teachers from a process of its own, with fresh records, on a unix socket.

    Raises
    ------
    RunError
        If the gateway does not become ready.
    """
    address = f"unix://{folder}/gateway.sock"
    command = [sys.executable, "-c", "from fedsa.cli import main; main()", "teacher", "serve"]
    command += [*map(str, files), "--address", address, "--state", str(folder / "state")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        if not lines[1].startswith("ready"):
            raise RunError("The gateway to be measured could not be started.")
        with Client(Target(address)) as client:
            yield Served(client, psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
