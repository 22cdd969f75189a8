"""Certificates and keys: a small authority, its servers and clients, and SuperNodes' keys.

Elliptic curves throughout (P-384, which Flower takes for its nodes). Whoever has ``ca.key`` can
make servers and clients of that authority, so it stays with those who hand them out.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedsa.errors import RunError

AUTHORITY_DAYS, SERVER_DAYS, CLIENT_DAYS = 3650, 397, 397
"""Days of validity; an authority outlives what it signs."""
_SKEW = timedelta(minutes=10)
"""Begun so long ago, since clocks differ."""
RESERVED = ("local",)
"""Names by which a gateway knows others than holders of certificates."""
_CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def make_authority(folder: Path, name: str = "fedsa authority") -> Path:
    """Make ``ca.crt`` and ``ca.key`` in a folder, unless they are there; return ``ca.crt``.

    Raises
    ------
    RunError
        If the folder cannot be written, or holds one of the two files only.
    """
    certificate, key = folder / "ca.crt", folder / "ca.key"
    if certificate.exists() and key.exists():
        return certificate
    if certificate.exists() or key.exists():
        raise RunError(
            f"'{folder}' holds only one of ca.crt and ca.key: bring the other one back, or choose "
            "a new folder."
        )
    private = ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = {"key_cert_sign": True, "crl_sign": True}
    made = (
        _begun(subject, subject, private.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(**usage), critical=True)
        .sign(private, hashes.SHA384())
    )
    _write_pair(certificate, key, made, private)
    return certificate


def make_server(folder: Path, hosts: Sequence[str], name: str = "server") -> Path:
    """Make ``NAME.crt`` and ``NAME.key``, signed by the folder's authority.

    Parameters
    ----------
    folder : Path
        Holds ``ca.crt`` and ``ca.key``.
    hosts : Sequence[str]
        Names and addresses by which the server is reached.
    name : str
        Of the two files; those of an earlier certificate of a server are replaced.

    Returns
    -------
    Path
        The certificate.

    Raises
    ------
    RunError
        If a host is no name nor address, the name is that of a client's certificate in the folder,
        or the authority cannot be read.
    """
    if _CLIENT in (_purposes(folder / f"{_checked(name)}.crt") or ()):
        raise RunError(
            f"'{folder / name}.crt' is a client's certificate, and would be replaced: choose "
            "another name."
        )
    if not hosts:
        raise RunError("A server's certificate needs the hosts it is reached by: give --host.")
    names = x509.SubjectAlternativeName([_host(host) for host in hosts])
    return _make(folder, name, hosts[0], SERVER_DAYS, ExtendedKeyUsageOID.SERVER_AUTH, names)


def make_client(folder: Path, name: str) -> Path:
    """Make ``NAME.crt`` and ``NAME.key`` with the common name NAME; return the certificate.

    A gateway knows by that name who asks; see ``coordinators`` of a teacher's ``[policy]``.

    Raises
    ------
    RunError
        If the name has other signs than letters, digits, dots and hyphens, means something else to
        policies, is that of a server's certificate in the folder, or the authority cannot be read.
    """
    if name in RESERVED:
        raise RunError(
            f"A gateway refuses every certificate named '{name}', which is who asks over its unix "
            "socket: choose another name."
        )
    before = _purposes(folder / f"{_checked(name)}.crt")
    if before is not None and _CLIENT not in before:
        raise RunError(
            f"'{folder / name}.crt' is not a client's certificate, and would be replaced: choose "
            "another name."
        )
    return _make(folder, name, name, CLIENT_DAYS, _CLIENT, None)


def make_node_key(path: Path) -> Path:
    """Make a SuperNode's key pair, ``path`` and ``path.pub``; return the public one.

    Raises
    ------
    RunError
        If there is a key already: a node is known by it, so it is never replaced.
    """
    public = path.with_name(path.name + ".pub")
    if path.exists() or public.exists():
        raise RunError(f"There is a key at '{path}' already: a node is known by it; keep it.")
    private = ec.generate_private_key(ec.SECP384R1())
    encoding, plain = serialization.Encoding, serialization.NoEncryption()
    _write(
        path, private.private_bytes(encoding.PEM, serialization.PrivateFormat.OpenSSH, plain), 0o600
    )
    opened = private.public_key().public_bytes(encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    _write(public, opened + b"\n", 0o644)
    return public


def _make(
    folder: Path,
    name: str,
    common: str,
    days: int,
    purpose: x509.ObjectIdentifier,
    names: x509.SubjectAlternativeName | None,
) -> Path:
    authority, signing = _authority(folder)
    private = ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])
    builder = (
        _begun(subject, authority.subject, private.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    certificate = folder / f"{name}.crt"
    made = builder.sign(signing, hashes.SHA384())
    _write_pair(certificate, folder / f"{name}.key", made, private)
    return certificate


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    except (OSError, ValueError, TypeError):
        raise RunError(
            f"There is no authority in '{folder}' (ca.crt and ca.key): make one with "
            f"'fedsa deploy certificates {folder} --host NAME'."
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise RunError(f"The key of '{folder}/ca.key' is not an elliptic curve's: make a new one.")
    return certificate, key


def _begun(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _purposes(path: Path) -> list[x509.ObjectIdentifier] | None:
    """Return what a certificate is for; None if there is no such file, nothing if it tells not."""
    if not path.exists():
        return None
    try:
        made = x509.load_pem_x509_certificate(path.read_bytes())
        return list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (OSError, ValueError, x509.ExtensionNotFound):
        return []


def _usage(**allowed: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        if host:
            return x509.DNSName(host)
    except ValueError:
        pass
    raise RunError(f"'{host}' is neither a host's name nor an address: give one by --host.")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or name == "ca":
        raise RunError(
            f"'{name}' cannot be the name of a certificate: use letters, digits, dots, hyphens "
            "and underscores, and not 'ca'."
        )
    return name


def _write_pair(
    certificate: Path, key: Path, made: x509.Certificate, private: ec.EllipticCurvePrivateKey
) -> None:
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    _write(key, private.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain), 0o600)
    _write(certificate, made.public_bytes(encoding), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file that nobody else could read for a moment either."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        aside.chmod(mode)  # whatever the umask
        aside.replace(path)
    except OSError as error:
        raise RunError(f"'{path}' cannot be written: {error.strerror}.") from None
