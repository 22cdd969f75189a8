"""Certificates that TLS takes, keys that Flower takes, and nothing that others can read."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from fedsa.deploy import certificates
from fedsa.errors import RunError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certificates.make_authority(tmp_path / "keys")
    certificates.make_server(tmp_path / "keys", ["localhost", "127.0.0.1"])
    certificates.make_client(tmp_path / "keys", "city-hospital")
    return tmp_path / "keys"


def _shake(folder: Path, client: ssl.SSLContext, host: str) -> str:
    """Shake hands over a pair of sockets; return the common name that the server saw."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.crt"))
    server.load_cert_chain(folder / "server.crt", folder / "server.key")
    server.verify_mode = ssl.CERT_REQUIRED
    here, there = socket.socketpair()
    seen: list[str] = []

    def serve() -> None:
        try:
            with server.wrap_socket(there, server_side=True) as wrapped:
                found = wrapped.getpeercert()
                assert found is not None
                seen.extend(v for part in found["subject"] for k, v in part if k == "commonName")
                wrapped.recv(1)
        except ssl.SSLError as error:
            seen.append(type(error).__name__)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(here, server_hostname=host) as wrapped:
            wrapped.send(b"x")
    except ssl.SSLCertVerificationError:
        raise
    except OSError:
        pass  # the server has hung up; what it saw tells why
    finally:
        here.close()
        thread.join()
        there.close()
    return seen[0]


def _client(folder: Path, authority: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str((authority or folder) / "ca.crt"))
    context.load_cert_chain(folder / "city-hospital.crt", folder / "city-hospital.key")
    return context


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_server_and_client_know_each_other(folder: Path, host: str) -> None:
    assert _shake(folder, _client(folder), host) == "city-hospital"


def test_another_host_or_authority_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake(folder, _client(folder), "example.org")
    certificates.make_authority(tmp_path / "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake(folder, _client(folder, tmp_path / "other"), "localhost")
    certificates.make_client(tmp_path / "other", "city-hospital")
    stranger = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    stranger.load_cert_chain(
        tmp_path / "other" / "city-hospital.crt", tmp_path / "other" / "city-hospital.key"
    )
    assert _shake(folder, stranger, "localhost") == "SSLCertVerificationError"


def test_a_client_cannot_pose_as_a_server(folder: Path) -> None:
    found = x509.load_pem_x509_certificate((folder / "city-hospital.crt").read_bytes())
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [oid.dotted_string for oid in usage] == ["1.3.6.1.5.5.7.3.2"]
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_secrets_are_their_owners_alone(folder: Path) -> None:
    certificates.make_node_key(folder / "node")
    for path in folder.iterdir():
        public = path.suffix in (".crt", ".pub")
        assert stat.S_IMODE(path.stat().st_mode) == (0o644 if public else 0o600), path
    assert len(list(folder.iterdir())) == 8  # nothing half written is left beside them


def test_an_authority_is_kept_and_a_server_renewed(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    certificates.make_authority(folder)
    certificates.make_server(folder, ["localhost"])
    assert (folder / "ca.crt").read_bytes() == before["ca.crt"]
    assert (folder / "server.crt").read_bytes() != before["server.crt"]
    assert _shake(folder, _client(folder), "localhost") == "city-hospital"


def test_a_nodes_key_is_flowers_and_never_replaced(tmp_path: Path) -> None:
    public = certificates.make_node_key(tmp_path / "node")
    private = load_ssh_private_key((tmp_path / "node").read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert public.read_text().startswith("ecdsa-sha2-nistp384 ")
    opened = load_ssh_public_key(public.read_bytes())
    assert isinstance(opened, ec.EllipticCurvePublicKey)
    assert opened.public_numbers() == private.public_key().public_numbers()
    with pytest.raises(RunError, match="already"):
        certificates.make_node_key(tmp_path / "node")


@pytest.mark.parametrize("name", ["", "ca", "../ca", "a b", "-x", "a" * 65])
def test_names_that_are_none_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(RunError, match="cannot be the name"):
        certificates.make_client(folder, name)


def test_a_name_that_every_gateway_refuses_is_refused(folder: Path) -> None:
    with pytest.raises(RunError, match="A gateway refuses every certificate named 'local'"):
        certificates.make_client(folder, "local")
    assert not (folder / "local.crt").exists()


def test_a_client_never_replaces_a_server_nor_the_other_way_round(folder: Path) -> None:
    certificates.make_server(folder, ["localhost"], "gateway")
    (folder / "odd.crt").write_text("no certificate")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in ("gateway", "server", "odd"):
        with pytest.raises(RunError, match="not a client's certificate, and would be replaced"):
            certificates.make_client(folder, name)
    with pytest.raises(RunError, match="is a client's certificate, and would be replaced"):
        certificates.make_server(folder, ["localhost"], "city-hospital")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    certificates.make_client(folder, "city-hospital")  # a client's own is renewed
    certificates.make_server(folder, ["localhost"], "odd")
    assert {path.name for path in folder.iterdir()} == {*before, "odd.key"}


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no authority in"):
        certificates.make_client(tmp_path, "city-hospital")
    certificates.make_authority(tmp_path)
    with pytest.raises(RunError, match="give --host"):
        certificates.make_server(tmp_path, [])
    for host in ("ätsch", ""):
        with pytest.raises(RunError, match="neither a host's name"):
            certificates.make_server(tmp_path, [host])
    (tmp_path / "ca.key").unlink()
    with pytest.raises(RunError, match="only one of"):
        certificates.make_authority(tmp_path)
