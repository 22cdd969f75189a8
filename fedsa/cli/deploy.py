"""``fedsa deploy``: what a coordinator does before a run, and certificates for both sides."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedsa.cli.commands import Overrides, ScenarioName, Seed
from fedsa.cli.main import app
from fedsa.cli.run import FederationName
from fedsa.errors import AllTeachersGone

console = Console()
deploy_app = typer.Typer(
    name="deploy",
    no_args_is_help=True,
    help="Certificates and keys, and who is there before a run.",
)
app.add_typer(deploy_app)

Folder = Annotated[Path, typer.Argument(help="Holds the authority, ca.crt and ca.key.")]


@deploy_app.command()
def certificates(
    folder: Folder,
    host: Annotated[
        list[str], typer.Option(help="A name or address by which the server is reached.")
    ],
    name: Annotated[str, typer.Option(help="Of the server's files.")] = "server",
) -> None:
    """Make an authority in FOLDER, unless it is there, and a server's certificate by it.

    Given again, it renews the server's certificate; the authority stays, so that no client has
    to be told. *ca.key* makes further certificates: keep it off the machines that serve.
    """
    from fedsa.deploy.certificates import make_authority, make_server

    make_authority(folder)
    made = make_server(folder, host, name)
    _written(folder / "ca.crt", made, made.with_suffix(".key"))


@deploy_app.command("client-certificate")
def client_certificate(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="The common name, by which a gateway knows it.")],
) -> None:
    """Make a client's certificate by the authority in FOLDER.

    Give its files, *NAME.crt* and *NAME.key*, and *ca.crt* to who shall ask a gateway; NAME is
    what *coordinators* of the teacher's policy lists.
    """
    from fedsa.deploy.certificates import make_client

    made = make_client(folder, name)
    _written(made, made.with_suffix(".key"))


@deploy_app.command("node-key")
def node_key(path: Annotated[Path, typer.Argument()]) -> None:
    """Make a SuperNode's key pair: PATH stays at the node, PATH.pub goes to the coordinator."""
    from fedsa.deploy.certificates import make_node_key

    public = make_node_key(path)
    _written(path, public)
    _say(f"next, at the coordinator: flwr supernode register {public.name} FEDERATION --name NAME")


@deploy_app.command()
def bundle(path: Annotated[Path, typer.Argument()]) -> None:
    """Write the app bundle that a run would send into PATH, for institutions to read; its hash."""
    from fedsa.app_folder import app_folder
    from fedsa.deploy.bundles import Bundle, build

    content = build(app_folder())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    _written(path)
    _say(f"hash: {Bundle.parse(content).hash}")


@deploy_app.command()
def check(
    federation: FederationName,
    scenario: ScenarioName = None,
    overrides: Overrides = None,
    seed: Seed = None,
    out: Annotated[
        Path | None, typer.Option(help="Keep what was found as JSON in this folder.")
    ] = None,
) -> None:
    """Ask who is connected, and what would be wrong, before a run is started.

    With SCENARIO it also asks each teacher whether it answers about that scenario's transfer
    set and whether its budget is enough; nothing of the set is sent. The exit code is 0 if at
    least one teacher can take part.
    """
    from fedsa.deploy.ask import ask
    from fedsa.run_config import find_scenario
    from fedsa.scenario import load

    chosen = load(find_scenario(scenario), overrides or [], seed) if scenario else None
    with console.status(f"asking the nodes of '{federation}'"):
        found = ask(federation, chosen, out)
    _show(found)
    faults = found["problems"]
    shut = {fault["who"] for fault in faults if fault["grave"]}
    able = [card for node in found["nodes"] for card in node["cards"] if card["id"] not in shut]
    if not able or "federation" in shut:
        raise AllTeachersGone("No teacher of this federation can take part in a run now.")
    _say(f"{len(able)} of {sum(len(n['cards']) for n in found['nodes'])} teachers can take part.")


def _show(found: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("node", "teacher", "answers", "software", "clock", "budget left", "set"):
        table.add_column(column, overflow="fold")
    for node in found["nodes"]:
        name = escape(node["name"] or str(node["node"]))
        if node["code"]:
            table.add_row(name, "-", f"[red]{escape(node['code'])}[/]")
        offered = dict(node["offered"])
        for card in node["cards"]:
            answers = f"{card['task']}, {card['outputs']} classes"
            clock = f"{node['clock']:+.0f} s (±{node['uncertain']:.0f})"
            row = (card["id"], answers, node["software"], clock, _terms(card["terms"]))
            table.add_row(name, *map(escape, row), escape(offered.get(card["id"], "")))
    console.print(table)
    if found.get("set"):
        _say(f"\ntransfer set of '{found['scenario']}': {found['set']}")
    for fault in found["problems"]:
        style = "red" if fault["grave"] else "yellow"
        console.print(f"[{style}]{escape(fault['who'])}:[/] {escape(fault['sentence'])}")


def _terms(terms: dict[str, Any] | None) -> str:
    if terms is None:
        return "unmetered"
    if not terms["limits"]:
        return "all calls shut"
    left = ", ".join(f"{one['call']} {one['left']}/{one['items']}" for one in terms["limits"])
    return left if terms["window"] == "ever" else f"{left} a {terms['window']}"


def _written(*paths: Path) -> None:
    _say(f"written: {', '.join(map(str, paths))}")


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
