"""For all tests: the cores may be shared, and two processes may share the tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("shared", deadline=None)  # no property test fails for being slow
settings.load_profile("shared")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests have recorded, whichever process they ran in."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(str(value))
