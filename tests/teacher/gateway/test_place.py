"""Where a gateway may listen, and what it says where it may not."""

from __future__ import annotations

import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fedsa.messages import Describe, Described
from fedsa.teacher.gateway.address import GatewayError, socket_of
from fedsa.teacher.gateway.client import ask
from fedsa.teacher.gateway.place import Socket
from fedsa.teacher.gateway.server import Gateway
from fedsa.teacher.gateway.target import Target
from fedsa.teacher.gateway.tls import Tls
from tests.teacher.gateway.certificates import Authority
from tests.teacher.gateway.conftest import Make

Started = Callable[..., Gateway]


def test_addresses() -> None:
    assert socket_of("unix:///run/x.sock") == Path("/run/x.sock")
    assert socket_of("unix:/run/x.sock") == Path("/run/x.sock")
    for address in ("localhost:8443", "[::1]:0", "10.0.0.1:65535"):
        assert socket_of(address) is None
    for address, said in (
        ("unix:x.sock", "no absolute path"),
        ("unix:///" + "x" * 107, "longer than 107 bytes"),
        ("localhost", "neither unix:///path nor host:port"),
        (":80", "neither"),
        ("localhost:65536", "neither"),
        ("localhost:http", "neither"),
        ("", "neither"),
    ):
        with pytest.raises(GatewayError, match=said):
            socket_of(address)


def test_a_socket_is_for_owner_and_group(gateway: Started, make_teacher: Make) -> None:
    one = gateway(make_teacher())
    path = Path(one.address.removeprefix("unix://"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    one.stop(0.0)
    assert not path.exists()


def test_a_dead_socket_is_replaced_and_a_live_one_is_not(
    gateway: Started, make_teacher: Make, short: Path, tmp_path: Path
) -> None:
    path = short / "x.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    file = make_teacher()
    one = gateway(file, address=f"unix://{path}")
    with pytest.raises(GatewayError, match="Another process serves on"):
        gateway(file, address=f"unix://{path}")
    assert isinstance(ask(Target(one.address), Describe(), 20), Described)


def test_somebody_elses_socket_or_file_is_left_alone(short: Path) -> None:
    path = short / "x.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(GatewayError, match="Another process serves on"):
            Socket(path)
        assert path.exists()
    (short / "file").write_text("mine")
    with pytest.raises(GatewayError, match="is no socket"):
        Socket(short / "file")
    assert (short / "file").read_text() == "mine"
    with pytest.raises(GatewayError, match="There is no folder"):
        Socket(short / "gone" / "x.sock")
    place = Socket(path)  # the place is free again after all these
    with pytest.raises(GatewayError, match="Another process"):
        Socket(path)
    place.close()
    Socket(path).close()


def test_a_port_that_is_taken(gateway: Started, make_teacher: Make, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    tls, file = Tls(*authority.sign("gateway"), authority.ca), make_teacher()
    one = gateway(file, address="localhost:0", tls=tls)
    port = one.address.rpartition(":")[2]
    with pytest.raises(GatewayError, match=f"the port {port} is taken"):
        gateway(file, address=f"localhost:{port}", tls=tls)
