"""TCP with mutual TLS only: who is let in, and under which name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from fedsa.messages import Describe, Described, Failure, Predict, Predicted
from fedsa.teacher.faults import Fault
from fedsa.teacher.gateway.address import GatewayError
from fedsa.teacher.gateway.client import Client, ask
from fedsa.teacher.gateway.server import Gateway
from fedsa.teacher.gateway.service import caller_of
from fedsa.teacher.gateway.target import Target
from fedsa.teacher.gateway.tls import Tls
from tests.teacher.gateway.certificates import Authority
from tests.teacher.gateway.conftest import BUDGET, OPEN, Make, offer

Started = Callable[..., Gateway]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "good")


@pytest.fixture
def served(gateway: Started, make_teacher: Make, authority: Authority) -> str:
    tls = Tls(*authority.sign("gateway"), authority.ca)
    policy = OPEN | {"coordinators": ["hospital"], "budget": BUDGET}
    return gateway(make_teacher(policy=policy), address="localhost:0", tls=tls).address


def _ask(address: str, authority: Authority, pair: tuple[Path, Path], request: Any) -> Any:
    return ask(Target(address, authority.ca, *pair), request, 20, patience=0)


def test_a_certificate_names_the_caller(
    served: str, authority: Authority, items: np.ndarray
) -> None:
    good = authority.sign("hospital")
    assert isinstance(_ask(served, authority, good, Describe()), Described)
    with Client(Target(served, authority.ca, *good)) as client:
        name = offer(client, "mint", items)
        assert isinstance(client.ask(Predict("mint", name, np.arange(3)), 20), Predicted)
    other = authority.sign("university")
    reply = _ask(served, authority, other, Predict("mint", name, np.arange(3)))
    assert isinstance(reply, Failure) and reply.code == "coordinator"
    assert isinstance(_ask(served, authority, other, Describe()), Described)


@pytest.mark.parametrize("name", ["local", "*", None])
def test_a_certificate_cannot_name_a_unix_socket_or_everybody(
    served: str, authority: Authority, name: str | None
) -> None:
    reply = _ask(served, authority, authority.sign(name, file="odd"), Describe())
    assert isinstance(reply, Failure) and reply.code == "coordinator"


def test_who_is_not_of_the_authority_is_turned_away(
    served: str, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger", "another authority")
    for pair in (stranger.sign("hospital"), authority.sign("hospital", days=-1)):
        reply = _ask(served, authority, pair, Describe())
        assert isinstance(reply, Failure) and reply.code == "unreachable"
    good = authority.sign("hospital")
    # The other way round: this gateway is not the one that the node was told to trust.
    reply = ask(Target(served, stranger.ca, *good), Describe(), 20, patience=0)
    assert isinstance(reply, Failure) and reply.code == "unreachable"
    assert isinstance(_ask(served, authority, good, Describe()), Described)


def test_without_a_certificate_nobody_comes_in(served: str, authority: Authority) -> None:
    credentials = grpc.ssl_channel_credentials(authority.ca.read_bytes())
    channels = [grpc.secure_channel(served, credentials), grpc.insecure_channel(served)]
    for channel in channels:
        with channel, pytest.raises(grpc.RpcError) as error:
            list(channel.unary_stream("/fedsa.teacher.v1.Teacher/Describe")(b"", timeout=20))
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_node_without_its_files_has_no_teacher(served: str, authority: Authority) -> None:
    crt, key = authority.sign("hospital")
    reply = ask(Target(served, authority.ca, crt, key.with_name("gone")), Describe(), 20)
    assert isinstance(reply, Failure) and reply.code == "no-teacher"
    config = {
        "gateway": served,
        "gateway-ca": str(authority.ca),
        "gateway-certificate": str(crt),
        "gateway-key": str(key),
    }
    assert Target.of(config) == Target(served, authority.ca, crt, key)
    for lost in config:
        with pytest.raises(Fault, match="no-teacher"):
            Target.of({key: value for key, value in config.items() if key != lost})
    assert Target.of({"gateway": "unix:///run/x.sock"}) == Target("unix:///run/x.sock")


def test_tls_is_needed_on_tcp_and_only_there(
    make_teacher: Make, authority: Authority, tmp_path: Path, short: Path
) -> None:
    file, tls = make_teacher(), Tls(*authority.sign("gateway"), authority.ca)
    with pytest.raises(GatewayError, match="mutual TLS only"):
        Gateway([file], "localhost:0", tmp_path / "state")
    with pytest.raises(GatewayError, match="takes no certificates"):
        Gateway([file], f"unix://{short}/x.sock", tmp_path / "state", tls)


def test_files_that_are_no_certificates_are_named(
    make_teacher: Make, authority: Authority, tmp_path: Path
) -> None:
    crt, key = authority.sign("gateway")
    other = authority.sign("other")[1]
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    for tls, said in (
        (Tls(crt, key, tmp_path / "gone"), "There is no file"),
        (Tls(crt, other, authority.ca), "are not a certificate"),
        (Tls(bad, key, authority.ca), "are not a certificate"),
        (Tls(crt, key, bad), "are not a certificate"),
    ):
        with pytest.raises(GatewayError, match=said):
            Gateway([make_teacher()], "localhost:0", tmp_path / "state", tls)


def test_the_caller_is_who_the_certificate_says() -> None:
    tls = {"transport_security_type": [b"ssl"]}
    assert caller_of({}) == "local"
    assert caller_of(tls | {"x509_common_name": [b"hospital"]}) == "hospital"
    for bad in ({}, {"x509_common_name": [b" "]}, {"x509_common_name": [b"local"]}):
        with pytest.raises(Fault, match="coordinator"):
            caller_of(tls | bad)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.getLogger("grpc").setLevel(logging.CRITICAL)
