"""How a connection URL asks for TLS, for the engine in its container and for the deployment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from components.settings import ExternalPostgresSettings

CA_FILE: Final = "database-ca.pem"
"""Name of the file with the configured certificate authority in the engine's container."""

SYSTEMS_AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian, Ubuntu and Alpine keep the certificate authorities that everybody trusts, so also Hasura's image.

A file and not libpq's own word `system`, which looks where the library was built and not where it runs.
"""


def tls_parameters(
    external: ExternalPostgresSettings, *, ca_file: str, authorities: str
) -> Mapping[str, str]:
    """Parameters of a URL: libpq's `sslmode`, and `sslrootcert` where a certificate is looked at.

    https://www.postgresql.org/docs/current/libpq-ssl.html

    :param ca_file: where the configured certificate authority lies for whoever connects.
    :param authorities: where the system's lie, for a stack that configures none.
    """
    if not external.tls.startswith("verify"):
        return {"sslmode": external.tls}
    return {"sslmode": external.tls, "sslrootcert": ca_file if external.ca_certificate else authorities}
