"""A run as one page to look at: ``write(folder)`` makes ``report.html``."""

from fedsa.runs.report.page import write

__all__ = ["write"]
