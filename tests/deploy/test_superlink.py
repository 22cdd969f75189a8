"""The SuperLink's port: to other machines it is the nodes' interface and nothing else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
from flwr.superlink import extensions

from fedsa.app_folder import app_root
from fedsa.deploy import superlink
from fedsa.deploy.superlink import REFUSAL, NodesOnly
from fedsa.errors import RunError
from tests.deploy.federation import Federation

HERE, OWN, OTHER = "127.0.0.1", "10.0.0.1", "10.0.0.2"
SHUT = ("/v1/control/start-run", "/v1/runtime/acquire-task", "/docs", "/v1/fleet", "/health")


def _asked(path: str, client: Any, server: Any = (OWN, 8443), kind: str = "http") -> list[Any]:
    """Return what a request gets, ``passed`` where it comes through."""
    sent: list[Any] = []

    async def app(*_: Any) -> None:
        sent.append("passed")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": kind, "path": path, "client": client, "server": server}
    asyncio.run(NodesOnly(app)(scope, None, send))  # type: ignore[arg-type]
    return sent


@pytest.mark.parametrize("path", SHUT)
def test_another_machine_is_answered_about_nothing_but_nodes(path: str) -> None:
    for client in (OTHER, f"::ffff:{OTHER}"):
        start, body = _asked(path, (client, 5000))
        assert start["status"] == 403 and body["body"] == REFUSAL
    assert _asked("/v1/fleet/pull-messages", (OTHER, 5000)) == ["passed"]
    (closed,) = _asked(path, (OTHER, 5000), kind="websocket")
    assert closed["type"] == "websocket.close"


def test_a_path_that_only_begins_like_the_nodes_is_none_of_the_others() -> None:
    """The lock reads what Flower's router reads, which puts no path into another form."""
    from starlette.routing import compile_path

    (pattern, *_) = compile_path("/v1/control/start-run")
    assert pattern.match("/v1/control/start-run")
    assert not pattern.match("/v1/fleet/../control/start-run")


@pytest.mark.parametrize(
    ("client", "server"),
    [(HERE, HERE), (OWN, OWN), ("::1", "::1"), ("::ffff:127.0.0.1", OWN), ("::ffff:10.0.0.1", OWN)],
)
def test_the_machine_itself_is_answered_about_all(client: str, server: str) -> None:
    for path in SHUT:
        assert _asked(path, (client, 5000), (server, 8443)) == ["passed"]


@pytest.mark.parametrize("client", [None, ("", 0), ("unknown", 0), ()])
def test_who_cannot_be_told_is_another_machine(client: Any) -> None:
    for server in (None, client, (OWN, 8443)):
        assert _asked(SHUT[0], client, server)[0] != "passed"


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(extensions, "get_middleware", extensions.get_middleware)
    monkeypatch.setenv("FLWR_INTERNAL_GRPC_CONTROL_API", "1")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    superlink.lock()
    yield


def test_the_lock_is_the_outermost_of_flowers_own_app(locked: None) -> None:
    from flwr.superlink.main import create_app

    assert create_app().user_middleware[0].cls is NodesOnly
    assert "FLWR_INTERNAL_GRPC_CONTROL_API" not in os.environ
    assert os.environ["FORWARDED_ALLOW_IPS"] == HERE


@pytest.mark.parametrize("broken", ["version", "hook"])
def test_another_flower_is_refused(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken == "version":
        monkeypatch.setattr(superlink, "version", lambda _: "1.42.0")
    else:
        monkeypatch.delattr(extensions, "get_middleware")
    with pytest.raises(RunError, match="was not started"):
        superlink.lock()


ATTACK = """
import ssl, sys, urllib.error, urllib.request
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for path in sys.argv[2:]:
    request = urllib.request.Request(f"https://{sys.argv[1]}{path}", b"", method="POST")
    request.add_header("X-Forwarded-For", "127.0.0.1")
    try:
        print(path, urllib.request.urlopen(request, context=context, timeout=20).status)
    except urllib.error.HTTPError as error:
        print(path, error.code, error.read().decode())
"""


@pytest.mark.slow
def test_from_another_machine_no_run_is_submitted_and_none_taken_over() -> None:
    federation = Federation("other")
    try:
        if not federation.network.separate:
            pytest.skip("another machine takes network namespaces")
        federation.open()
        hub, home = federation.variables["SUPERLINK"], federation.root / "stranger"
        home.mkdir()
        (home / "config.toml").write_text(
            '[superlink]\ndefault = "real"\n\n[superlink.real]\n'
            f'address = "{hub}"\nroot-certificates = "{federation.variables["SUPERLINK_CA"]}"\n'
        )
        run = ("env", f"FLWR_HOME={home}", "flwr", "run", app_root(), "real", "--format", "json")
        code, said = federation.run("other", *run)
        assert '"success": false' in said.lower() or code != 0, said
        code, said = federation.run("hub", "flwr", "ls", "real", "--format", "json")
        assert code == 0 and '"runs": []' in said, said
        _, said = federation.run("hub", "fedsa", "deploy", "check", "--federation", "real")
        assert "No node is connected" in said, said  # which a run on the SuperLink has found
        paths = (*SHUT, "/v1/fleet/../control/list-runs", "/v1/fleet/pull-messages")
        code, said = federation.run("other", "python", "-c", ATTACK, hub, *paths)
        assert code == 0, said
        told = dict(line.split(" ", 1) for line in said.splitlines())
        assert [told[path] for path in SHUT] == [f"403 {REFUSAL.decode()}"] * len(SHUT)
        assert told["/v1/fleet/../control/list-runs"].startswith("404")
        assert not told["/v1/fleet/pull-messages"].startswith(("403", "200"))
        code, said = federation.run("hub", "python", "-c", ATTACK, hub, "/v1/control/list-runs")
        assert code == 0 and "403" not in said, said  # its own address is this machine too
    finally:
        federation.close()
