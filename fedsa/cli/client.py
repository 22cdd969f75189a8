"""``fedsa client``: an institution's SuperNode, and the app bundles that it may run."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedsa.cli.main import app
from fedsa.deploy.bundles import PROJECT, Bundle, Bundles, Difference, own_bundle
from fedsa.errors import RunError

console = Console()
client_app = typer.Typer(
    name="client",
    no_args_is_help=True,
    help="An institution's SuperNode, and the app bundles that it may run.",
)
app.add_typer(client_app)

State = Annotated[
    Path, typer.Option(envvar="FEDSA_CLIENT_STATE", help="The SuperNode's folder for bundles.")
]
_STATE = Path("client-state")


@client_app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def supernode(context: typer.Context, state: State = _STATE) -> None:
    """Start a SuperNode that runs approved bundles only.

    All other options are *flower-supernode*'s own.
    """
    from fedsa.deploy.supernode import replace_process

    replace_process(state, context.args)


@client_app.command()
def review(
    bundle: Annotated[str | None, typer.Argument(show_default=False)] = None,
    state: State = _STATE,
    show: Annotated[str | None, typer.Option(help="Print this file of the bundle.")] = None,
    diff: Annotated[
        bool, typer.Option(help="Print what differs from the app of the fedsa installed here.")
    ] = False,
) -> None:
    """Read a bundle before it is approved: its files, its hash, what is not fedsa's own.

    BUNDLE is a file, or the hash (or its first digits) of one that a coordinator sent; without
    it, the newest of these that is not approved.
    """
    bundles = Bundles(state)
    found = _find(bundles, bundle)
    own = own_bundle()
    difference = Difference.of(found, own)
    if show is not None:
        if show not in found.files:
            raise RunError(f"The bundle has no file '{show}'.")
        console.print(_safe(found.files[show]), highlight=False, soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("file", "bytes", "sha256", "against fedsa's own app"):
        table.add_column(column, justify="right" if column == "bytes" else "left")
    for name, content in found.files.items():
        same = name in difference.same
        how = "same" if same else "CHANGED" if name in difference.changed else "ADDED"
        if difference.new and name == PROJECT:
            how = f"as 'fedsa new {difference.new}' writes it"
        digits = hashlib.sha256(content).hexdigest()
        style = None if same else "yellow"
        table.add_row(_safe(name.encode()), str(len(content)), digits[:16], how, style=style)
    for name in difference.missing:
        table.add_row(name, "-", "-", "missing", style="yellow")
    console.print(table)
    for sentence in found.odd:
        console.print(Text.assemble(("warning: ", "bold red"), _safe(sentence.encode())))
    if diff:
        for name in (*difference.changed, *difference.added):
            _print_diff(name, own.files.get(name, b""), found.files[name])
    _say(f"\nhash: {found.hash}")
    _say(
        "Every file is the same as in fedsa's own app, as installed here"
        + (f"; {PROJECT} is as 'fedsa new {difference.new}' writes it." if difference.new else ".")
        if difference.is_none and not found.odd
        else f"It is not fedsa's own app: {len(difference.changed)} files changed, "
        f"{len(difference.added)} added, {len(difference.missing)} missing; read them with "
        "--diff or --show FILE."
    )
    day = bundles.approved().get(found.hash)
    _say(
        f"approved on {day}"
        if day is not None
        else f"not approved; to let it run: fedsa client approve {found.hash}"
    )
    _say("What a coordinator sets beside it (the run config) is not covered by the hash.")


@client_app.command()
def approve(bundle: Annotated[str, typer.Argument()], state: State = _STATE) -> None:
    """Let the bundle of this hash (or a kept one, by its first digits) run here from now on."""
    _say(f"approved: {Bundles(state).approve(bundle)}")


@client_app.command()
def withdraw(bundle: Annotated[str, typer.Argument()], state: State = _STATE) -> None:
    """Take an approval back; restart the SuperNode to end runs that it knows already."""
    _say(f"no longer approved: {Bundles(state).withdraw(bundle)}")


@client_app.command("bundles")
def list_bundles(state: State = _STATE) -> None:
    """List the bundles that coordinators sent, and those that are approved."""
    bundles = Bundles(state)
    approved = bundles.approved()
    kept = bundles.kept()
    for digits in [*kept, *(one for one in approved if one not in kept)]:
        day = approved.get(digits)
        how = f"approved {day}" if day is not None else "NOT APPROVED"
        _say(f"{digits}  {how}{'' if digits in kept else ', not received yet'}")
    if not kept and not approved:
        _say("No bundle was received or approved yet.")


def _find(bundles: Bundles, name: str | None) -> Bundle:
    if name is not None and Path(name).is_file():
        return Bundle.parse(Path(name).read_bytes())
    if name is not None:
        return bundles.read(name)
    waiting = [digits for digits in bundles.kept() if digits not in bundles.approved()]
    if not waiting:
        raise RunError(
            f"No bundle waits for approval in '{bundles.folder}': name a file or a hash."
        )
    return bundles.read(waiting[0])


def _print_diff(name: str, own: bytes, other: bytes) -> None:
    before, after = (_safe(content).plain.splitlines() for content in (own, other))
    for line in difflib.unified_diff(before, after, f"fedsa/{name}", f"bundle/{name}", lineterm=""):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _safe(content: bytes) -> Text:
    """Return text without signs by which a terminal could be made to show something else."""
    text = content.decode("utf-8", "backslashreplace")
    return Text(
        "".join(
            sign if sign.isprintable() or sign in "\n\t" else sign.encode("unicode_escape").decode()
            for sign in text
        )
    )


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
