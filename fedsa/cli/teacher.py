"""``fedsa teacher``: what an institution's engineer does with a private model."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from fedsa.cli.main import app

if TYPE_CHECKING:
    from fedsa.teacher.card_file import CardFile

teacher_app = typer.Typer(
    name="teacher",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help=(
        "At an institution: check, serve and watch over a private model.\n\n"
        "Write a **teacher.toml**, try it with **fedsa teacher check teacher.toml**, look with "
        "**card** at what the outside will see, and answer with **serve**. What may be asked, by "
        "whom and how often stands in the file's **[policy]**; without it only the card is shown. "
        "**approve** lets a transfer set be asked about, **ledger** tells what was spent, "
        "**audit** shows and proves what left."
    ),
)
app.add_typer(teacher_app)

console = Console()
errors = Console(stderr=True)
File = Annotated[Path, typer.Argument(metavar="FILE", help="The teacher's TOML file.")]
State = Annotated[
    Path | None,
    typer.Option(
        envvar="FEDSA_STATE",
        help="Folder of the institution's own records: ledger, audit, transfer sets.",
        show_default="~/.local/state/fedsa",
    ),
]


def state_of(given: Path | None) -> Path:
    """Return the folder of the records, by option, ``FEDSA_STATE``, or the usual place."""
    if given is not None:
        return given
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "fedsa"


@teacher_app.command()
def check(file: File) -> None:
    """Find every fault of FILE at once; load the model, answer a batch, make maps of each kind.

    It also tells what is worth a look before serving, how fast the model is, and what it takes of
    memory. The exit code is 0 only if the teacher can be served.
    """
    from fedsa.errors import TeacherFileError
    from fedsa.teacher.check import check as run

    report = run(file)
    for level, style in (("fact", "dim"), ("warning", "yellow")):
        for finding in report.findings:
            if finding.level == level:
                line = f"[{style}]{level}[/] {escape(f'{finding.about}: {finding.text}')}"
                console.print(line, highlight=False, soft_wrap=True)
    faults = [one for one in report.findings if one.level == "fault"]
    if faults:
        lines = [one.text if one.about == "file" else f"{one.about}: {one.text}" for one in faults]
        head = [f"The teacher of '{file}' cannot be served:"] if len(lines) > 1 else []
        raise TeacherFileError("\n".join([*head, *lines]))
    typer.echo(f"good: fedsa teacher serve {file} --address unix:///path")


@teacher_app.command()
def card(
    file: File,
    caller: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="The coordinator that looks at it."),
    ] = None,
    state: State = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, on one line.")] = False,
) -> None:
    """Show all that the outside will see of the teacher in FILE.

    The terms are those for one coordinator (NAME, else the first that the policy lists), with
    what its budget still holds by the records in the state folder, if there are any. A gateway
    reads its files when it starts: you are warned if the one of this folder was started with
    another policy than FILE has now.
    """
    from fedsa.cli.card import show
    from fedsa.teacher.card_file import read
    from fedsa.teacher.gateway.preview import card_of

    found = card_of(file, state_of(state), caller)
    warn([read(file)], state_of(state))
    if as_json:
        typer.echo(found.to_json())
    else:
        show(console, found)


@teacher_app.command()
def serve(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Teachers' TOML files.")],
    address: Annotated[
        str, typer.Option(metavar="ADDRESS", help="unix:///path, or host:port with mutual TLS.")
    ],
    state: State = None,
    certificate: Annotated[
        Path | None, typer.Option(help="This gateway's certificate, PEM (TCP only).")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key, PEM (TCP only).")] = None,
    client_ca: Annotated[
        Path | None, typer.Option(help="Authority of the callers' certificates, PEM (TCP only).")
    ] = None,
    grace: Annotated[
        float, typer.Option(min=0.0, help="Seconds to finish what is under way when stopped.")
    ] = 10.0,
) -> None:
    """Answer questions about the teachers of FILE... until stopped (Ctrl-C, SIGTERM).

    On a unix socket whoever may write to it is the caller *local*: mind the socket's group. On
    TCP callers must show a certificate; its common name is who they are to the policy.

    It listens at once and answers *starting* until the models are loaded. The exit code is 0
    after a stop, and not 0 if a model cannot be loaded.
    """
    from fedsa.teacher.gateway.address import GatewayError
    from fedsa.teacher.gateway.process import serve as run
    from fedsa.teacher.gateway.tls import Tls

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    paths = (certificate, key, client_ca)
    tls = None
    if certificate is not None and key is not None and client_ca is not None:
        tls = Tls(certificate, key, client_ca)
    elif any(path is not None for path in paths):
        raise GatewayError("Give --certificate, --key and --client-ca together, or none of them.")
    run(files, address, state_of(state), tls, grace=grace, told=_say)


def warn(files: list[CardFile], state: Path) -> None:
    """Warn of each teacher that a gateway was started with another policy for."""
    from fedsa.teacher.gateway.in_force import is_other

    for file in files:
        if is_other(state, file):
            text = (
                f"The gateway of these records was started with another policy for '{file.id}' and "
                "goes by that: what the file says now counts from the gateway's next start."
            )
            errors.print(f"[yellow]warning:[/] {escape(text)}", highlight=False, soft_wrap=True)


def _say(line: str) -> None:
    typer.echo(line)  # flushes, for whoever waits for the line
