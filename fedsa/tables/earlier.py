"""A strategy that was run again alone stays beside the baselines of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fedsa.runs.finished import Run
from fedsa.tables.store import Record

BASELINES = "baselines"
"""In a record: what its baselines were made with; empty where they were not trained yet."""
ALONE = "alone"
"""In the record of a strategy that was run without its baselines."""
_MADE = ("code", "commit", "versions", "machine")


def with_earlier(
    run: Run, record: Record | None, baselines: Sequence[str]
) -> tuple[Run, dict[str, Any]]:
    """Return a run with the baselines of an earlier result of the same cell and seed.

    Baselines do not depend on the strategy that runs beside them, so that a change of the strategy
    alone does not make them wrong; whether the change touched them too is for the one to judge who
    asks for this, and the table tells what they were made with.

    Parameters
    ----------
    run : Run
        Of the strategy alone.
    record : Record | None
        The earlier result, if there is one.
    baselines : Sequence[str]
        Those that belong beside the run.

    Returns
    -------
    tuple[Run, dict[str, Any]]
        The run with their metrics, and what goes into its record: ``alone``; ``baselines``, what
        these were made with; and ``moved``, their own bytes.
    """
    if record is None or not set(baselines) <= record["metrics"].keys():
        return run, {ALONE: True, BASELINES: {}, "moved": {}}
    heads = {name: own for name, own in record.get("heads", {}).items() if name in baselines}
    found = replace(
        run,
        metrics={**run.metrics, **{name: record["metrics"][name] for name in baselines}},
        heads={**run.heads, **heads},
    )
    # A record of before this was told has one code for both.
    made = record.get(BASELINES) or {name: record[name] for name in _MADE}
    return found, {ALONE: True, BASELINES: made, "moved": record.get("moved", {})}


def current(record: Mapping[str, Any], now: str) -> bool:
    """Return whether a result's baselines, if any, were made with the code that there is ``now``.

    Parameters
    ----------
    record : Mapping[str, Any]
        The result.
    now : str
        Digest of what the whole run would be made with.
    """
    return BASELINES not in record or record[BASELINES].get("code") == now
