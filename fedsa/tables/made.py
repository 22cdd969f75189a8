"""What a table's figures were made with, one line for each different commit and machine."""

from __future__ import annotations

from collections.abc import Sequence

from fedsa.tables.store import Record


def made_with(records: Sequence[Record], thing: str, what: str = "") -> list[str]:
    """Return the lines, for records with ``versions``, ``commit``, ``machine`` and ``seconds``.

    What is not the whole of the things is said by ``what``, as in ``"baselines of "``; where no
    record has ``seconds``, nothing is said of time.
    """
    kinds: dict[str, list[float]] = {}
    for record in records:
        versions = ", ".join(
            f"{name} {record['versions'][name]}" for name in ("fedsa", "flwr", "ray", "torch")
        )
        kind = f"{versions} (commit {record['commit'] or 'unknown'}) on {record['machine']}"
        kinds.setdefault(kind, []).append(record.get("seconds") or 0.0)
    return [
        f"- {what}{len(seconds)} {thing}{'s' if len(seconds) > 1 else ''}"
        + (f", {sum(seconds) / 60:,.0f} minutes in all" if any(seconds) else "")
        + f": {kind}"
        for kind, seconds in kinds.items()
    ]
