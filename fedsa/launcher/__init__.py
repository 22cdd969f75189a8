"""Starts Flower for a run, follows it, and leaves nothing behind."""

from fedsa.launcher.simulation import simulate

__all__ = ["simulate"]
