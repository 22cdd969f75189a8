"""As whom a gateway on TCP shows itself, and whom it lets in: mutual TLS or nothing."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from fedsa.teacher.gateway.address import GatewayError


@dataclass(frozen=True)
class Tls:
    """What a gateway on TCP shows and asks for.

    Parameters
    ----------
    certificate, key : Path
        Its own certificate (with the chain, if there is one) and private key, PEM.
    client_ca : Path
        Authority whose certificates callers must show, PEM.
    """

    certificate: Path
    key: Path
    client_ca: Path

    def credentials(self) -> grpc.ServerCredentials:
        """Return them as gRPC takes them; a caller without a certificate is turned away.

        Raises
        ------
        GatewayError
            If a file is missing, damaged, or the key is another certificate's.
        """
        for file in (self.certificate, self.key, self.client_ca):
            if not file.is_file():
                raise GatewayError(f"There is no file '{file}': check the path.")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:  # gRPC would take anything and turn every caller away
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
            context.load_verify_locations(self.client_ca)
        except (OSError, ValueError) as error:
            raise GatewayError(
                f"'{self.certificate}', '{self.key}' and '{self.client_ca}' are not a certificate, "
                f"its key without a password, and an authority, in PEM: {error}."
            ) from None
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        return grpc.ssl_server_credentials(
            [pair], root_certificates=self.client_ca.read_bytes(), require_client_auth=True
        )


def _no_password() -> str:
    """Say that there is none, instead of asking the terminal."""
    return ""
