"""``fedsa teacher approve|revoke|ledger|audit``: the institution's own records."""

from __future__ import annotations

import json
import re
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedsa.cli.teacher import State, state_of, teacher_app, warn
from fedsa.errors import FedsaError, TeacherFileError

if TYPE_CHECKING:
    from fedsa.teacher.policy.office import Office

console = Console()
audit_app = typer.Typer(
    name="audit",
    no_args_is_help=True,
    help="The log of every question: who asked, about what, what it cost, how it ended.",
)
teacher_app.add_typer(audit_app)

SetHash = Annotated[str | None, typer.Argument(metavar="[HASH]", show_default=False)]
Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]...", help="Teachers' TOML files.", show_default=False),
]
Noted = Annotated[
    str | None, typer.Option(metavar="N:HASH", help="What verify told before, noted elsewhere.")
]


@teacher_app.command()
def approve(set_hash: SetHash = None, state: State = None) -> None:
    """Let the transfer set HASH be asked about; without HASH list the sets that wait.

    Look at a set before you approve it: with **hold-unapproved** in the policy it is taken on
    offer and lies in the state folder as *sets/HASH.npy*. The first digits of a hash will do.
    """
    with _office(state) as office:
        waiting = office.waiting()
        if set_hash is None:
            _list(waiting)
            return
        name = _whole(set_hash, {one.set_hash for one in waiting})
        new = office.approve(name)
    typer.echo(f"approved: {name}" if new else f"was approved before: {name}")


@teacher_app.command()
def revoke(set_hash: Annotated[str, typer.Argument(metavar="HASH")], state: State = None) -> None:
    """Take back the approval by hand of the transfer set HASH; this counts at once.

    A policy that names the set in **sets**, or has **any-set**, still lets it be asked about: you
    are told which, if a gateway was started with one.
    """
    with _office(state) as office:
        name = _whole(set_hash, {one for one, _ in office.approvals.all()})
        revoked = office.revoke(name)
    still = _still_let(name, state_of(state))
    if not revoked:
        raise FedsaError(
            f"The set '{name}' was not approved by hand: there is nothing to take back. {still}"
        )
    typer.echo(f"the approval by hand is taken back: {name}\n{still}")


@teacher_app.command()
def ledger(files: Files = None, state: State = None) -> None:
    """Show what was spent, by teacher, coordinator and call; with FILE... also what is left.

    A teacher's file holds its budget and the window that this counts in; without one the sum of
    all time is shown. You are warned if the gateway was started with another policy than a FILE
    has now.
    """
    from fedsa.teacher.card_file import read
    from fedsa.teacher.policy.accounts import accounts

    cards = [read(file) for file in files or []]
    with _office(state) as office:
        rows = accounts(office, cards)
    table = Table(box=None, pad_edge=False)
    for column in ("teacher", "coordinator", "call", "window", "spent", "left"):
        table.add_column(column, justify="right" if column in ("spent", "left") else "left")
    for row in rows:
        left = "" if row.left is None else str(row.left)
        table.add_row(
            escape(row.teacher), escape(row.coordinator), row.call, row.window, str(row.spent), left
        )
    console.print(table if rows else "Nothing was spent so far.")
    warn(cards, state_of(state))


@audit_app.command()
def show(
    state: State = None,
    last: Annotated[int, typer.Option(min=0, help="How many; 0 for all.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Whole records, one a line.")] = False,
) -> None:
    """Show the last records, oldest first."""
    from collections import deque

    from fedsa.teacher.policy import audit

    records = deque(audit.show(state_of(state)), maxlen=last or None)
    for record in records:
        typer.echo(json.dumps(record) if as_json else _line(record))


@audit_app.command()
def verify(state: State = None, noted: Noted = None) -> None:
    """Prove that the log is what was written; the exit code is not 0 if it is not.

    It finds every edit and every cut by somebody who cannot also rewrite the ledger. Against
    somebody who can, note the line that it prints in another place, and give it next time.
    """
    from fedsa.teacher.policy import audit

    folder = state_of(state)
    faults = audit.verify(folder, None if noted is None else _noted(noted))
    if faults:
        raise TeacherFileError("The log is not what was written:\n" + "\n".join(faults))
    count, digest = audit.head(folder)
    typer.echo(f"whole: {count} records\nnote elsewhere: {count}:{digest}")


def _still_let(name: str, state: Path) -> str:
    """Return what else approves a set, as far as that was noted when a gateway was started."""
    from fedsa.teacher.gateway.in_force import noted

    known = noted(state)
    holding = [
        f"'{one.file}' ({teacher}, by '{key}')"
        for teacher, one in known.items()
        if (key := one.lets(name))
    ]
    if holding:
        return (
            f"It can still be asked about, by the policy of {', '.join(holding)}: change that file "
            "and start the gateway anew."
        )
    if known:
        return "No policy that the gateway was started with lets it be asked about."
    return (
        "A policy that names the set in 'sets', or has 'any-set', still lets it be asked about: "
        "change that file and start the gateway anew."
    )


def _office(state: Path | None) -> AbstractContextManager[Office]:
    from fedsa.teacher.policy.office import LEDGER, opened

    folder = state_of(state)
    if not (folder / LEDGER).is_file():
        raise TeacherFileError(
            f"There are no records in '{folder}': name a gateway's state folder by --state."
        )
    return opened(folder)


def _whole(text: str, known: set[str]) -> str:
    """Return the hash that was meant, by all or by the first of its digits."""
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return text
    found = [name for name in known if len(text) >= 4 and name.startswith(text)]
    if len(found) != 1:
        raise FedsaError(
            f"'{text}' is neither 64 hexadecimal digits nor the beginning of one hash that is "
            "known here: copy it from 'fedsa teacher approve'."
        )
    return found[0]


def _noted(text: str) -> tuple[int, str]:
    count, _, digest = text.partition(":")
    if not count.isdecimal() or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise FedsaError(f"'{text}' is not what verify prints: write N:HASH.")
    return int(count), digest


def _list(waiting: list[Any]) -> None:
    if not waiting:
        console.print("No set waits for approval.")
        return
    for one in waiting:
        since = datetime.fromtimestamp(one.since, UTC).strftime("%Y-%m-%d %H:%M")
        typer.echo(
            f"{one.set_hash}  {one.shape} {one.dtype}, offered by {one.coordinator} to "
            f"{one.teacher} on {since} UTC"
        )
    console.print("approve one: fedsa teacher approve HASH", highlight=False)


def _line(record: dict[str, Any]) -> str:
    told = ("caller", "teacher", "call", "count", "charged", "outcome", "set")
    parts = [f"{name}={record[name]}" for name in told if name in record]
    return " ".join([str(record["n"]), str(record.get("time")), str(record.get("event")), *parts])
