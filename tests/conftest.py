"""For all tests: the cores may be shared, and several processes may share the tests."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("shared", deadline=None)  # no property test fails for being slow
settings.load_profile("shared")

FEDERATION = "tests/deploy"

_begun: list[str] = []


def _group(nodeid: str) -> str:
    """Return what a test shares a process with: its file, or the one real federation."""
    return FEDERATION if nodeid.startswith(f"{FEDERATION}/") else nodeid.split("::", 1)[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: the federation, then whole simulations and benchmarks."""

    def turn(item: pytest.Item) -> int:
        if _group(item.nodeid) == FEDERATION:
            return 0
        return 1 if len(PurePosixPath(_group(item.nodeid)).parts) == 2 else 2

    items.sort(key=turn)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give way to the federation: its tests wait on each other, so they would end last."""
    group = _group(item.nodeid)
    if not _begun and group != FEDERATION and "PYTEST_XDIST_WORKER" in os.environ:
        os.nice(10)
    _begun.append(group)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal the tests out in groups, in the order of the collection."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    config.option.loadscopereorder = False
    return Groups(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests have recorded, whichever process they ran in."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(str(value))
