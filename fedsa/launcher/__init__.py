"""Starts Flower for a run, follows it, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedsa.launcher.simulation import simulate

__all__ = ["simulate"]


def __getattr__(name: str) -> Any:
    """Import what starts runs only when it is asked for: other parts do without torch."""
    if name != "simulate":
        raise AttributeError(name)
    from fedsa.launcher.simulation import simulate

    return simulate
