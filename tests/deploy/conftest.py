"""One federation for all slow tests: three institutions, and a host for one more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedsa.data.splits import split
from fedsa.launcher import processes
from fedsa.scenario import load
from tests.deploy import teachers
from tests.deploy.federation import Federation, Institution
from tests.launcher.commands import scenario

DISKS = {"onnx": "8m"}
"""The disk that a test fills."""
SEEDS = (0, 1)
"""Of the tests' runs; each has a transfer set of its own."""
TABLE = '[[teachers]]\nid = "{name}"\nfile = {file}\n'


@dataclass
class Running:
    """A federation that runs."""

    federation: Federation
    institutions: dict[str, Institution]
    files: dict[str, Path]
    scenario: Path

    @property
    def runs(self) -> Path:
        """Where the runbook puts runs."""
        return self.federation.home / "runs"

    def unguarded(self) -> Path:
        """Return the scenario with teachers that answer about every set: nobody approves them."""
        careful = self.files[teachers.CAREFUL]
        copy = teachers.another(careful, self.federation.root / "unguarded", teachers.CAREFUL)
        copy.write_text(
            copy.read_text("utf-8").replace("[policy]", "[policy]\nany-set = true"), "utf-8"
        )
        path = self.scenario.with_name("unguarded.toml")
        text = self.scenario.read_text("utf-8")
        path.write_text(text.replace(str(careful), str(copy)), "utf-8")
        return path


@pytest.fixture(scope="package")
def late(running: Running) -> Institution:
    """An institution of three users whose SuperNode is not started yet."""
    if not running.federation.network.separate:
        pytest.skip("three users take root and setpriv")
    path = teachers.another(
        running.files["torch"], running.federation.root / "teachers" / "late", "late"
    )
    return running.federation.users("late", path)


@pytest.fixture(scope="package")
def running() -> Iterator[Running]:
    """Started once, by the runbooks' own commands; nothing of it outlives the tests."""
    federation = Federation(*teachers.CLASSES, "late")
    try:
        with ThreadPoolExecutor() as threads:
            opening = threads.submit(federation.open)
            files = teachers.make(federation.root / "teachers")
            opening.result()
            joining = {
                name: threads.submit(federation.join, name, path, DISKS.get(name, ""))
                for name, path in files.items()
            }
            institutions = {name: job.result() for name, job in joining.items()}
        tables = [TABLE.format(name=n, file=json.dumps(str(p))) for n, p in files.items()]
        path = scenario(
            federation.root / "tiny.toml", "".join(tables), baselines=["uniform"],
            federation__timeout=400.0, federation__round_deadline=300.0,
        )  # fmt: skip
        federation.variables["SCENARIO"] = str(path)
        careful = institutions[teachers.CAREFUL]
        for seed in SEEDS:
            digits = split(load(path, seed=seed)).transfer.hash
            federation.block(
                "institution", "approve-set", careful.host, INSTITUTION=careful.records, SET=digits
            )
        yield Running(federation, institutions, files, path)
    finally:
        federation.close()
    assert processes.marked(federation.mark) == [] and not federation.root.exists()
