"""The last of the slow tests: everything stops by the runbooks' own commands."""

from __future__ import annotations

import time

import pytest

from fedsa.launcher import processes
from tests.deploy.conftest import Running

pytestmark = pytest.mark.slow


def test_everything_stops_and_nothing_is_left(running: Running) -> None:
    federation = running.federation
    for institution in running.institutions.values():
        institution.block("stop")
        assert institution.supernode.process() is None
        federation.run(institution.host, "bash", "clients/kit/stop.sh", institution.records)
        assert institution.gateway.process() is None
    federation.block("coordinator", "stop")
    assert federation.services[0].process() is None
    for service in federation.services:
        service.stop()
    deadline = time.monotonic() + 30
    while left := processes.marked(federation.mark):
        assert time.monotonic() < deadline, [process.cmdline() for process in left]
        time.sleep(0.2)
