"""The ``fedsa`` command."""

from fedsa.cli.main import main

__all__ = ["main"]
