"""Rules about Caddy: the ingress that everybody reaches, and what stands before the engine's replicas."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from components.settings.problems import Problem, set_command
from components.settings.stack_config import StackConfig
from components.settings.values import CaddySettings, IngressSettings, Limits

if TYPE_CHECKING:
    from cryptography import x509

_CERTIFICATE, _KEY = "ingressCertificate", "ingressCertificateKey"
_SET_CERTIFICATE: Final = "pulumi config set ingressCertificate < chain.pem"
_SET_KEY: Final = "pulumi config set --secret ingressCertificateKey < key.pem"


def ingress_problems(parsed: StackConfig) -> list[Problem]:
    """What is wrong with the keys of Caddy and of an ingress. Never holds a part of the private key."""
    problems = []
    if (parsed.ingress or parsed.replicas) and not (parsed.caddy_image or parsed.stand_ins):
        problems.append(
            Problem(
                key="caddyImage",
                what=f"is not set, and {'ingress' if parsed.ingress else 'replicas'} needs it; without standIns no "
                "image is built here",
                write="docker build --tag REGISTRY/caddy:2.11.9 local/images/caddy && docker push "
                "REGISTRY/caddy:2.11.9 && pulumi config set caddyImage REGISTRY/caddy:2.11.9",
            )
        )
    if not parsed.ingress:
        return problems
    if not parsed.ingress_domain:
        problems.append(
            Problem(
                key="ingressDomain",
                what="is not set, and ingress is true; the certificate is for that name",
                write=set_command("ingressDomain", "api.example.com"),
            )
        )
    if parsed.ingress_acme_ca_certificate and not _certificates(parsed.ingress_acme_ca_certificate):
        problems.append(
            Problem(
                key="ingressAcmeCaCertificate",
                what="is not a certificate in PEM form",
                write="pulumi config set ingressAcmeCaCertificate < ca.pem",
            )
        )
    return [*problems, *_certificate_problems(parsed)]


def caddy(parsed: StackConfig, ports: Mapping[str, int]) -> CaddySettings | None:
    """Caddy's settings, of a configuration in which nothing is wrong, or None where the stack has no use for it."""
    if not (parsed.ingress or parsed.replicas):
        return None
    return CaddySettings(
        image=parsed.caddy_image,
        limits=Limits(
            memory_mb=parsed.caddy_memory_mb, cpus=float(parsed.caddy_cpus), pids=parsed.pids_limit
        ),
        ingress=IngressSettings(
            domain=parsed.ingress_domain,
            email=parsed.ingress_email,
            acme_directory=parsed.ingress_acme_directory,
            acme_ca_certificate=parsed.ingress_acme_ca_certificate,
            certificate=parsed.ingress_certificate,
            certificate_key=parsed.ingress_certificate_key,
            address=str(parsed.ingress_address),
            http_port=ports["ingressHttpPort"],
            https_port=ports["ingressHttpsPort"],
            body_kb=parsed.ingress_body_kb,
            requests_per_minute=parsed.ingress_requests_per_minute,
            trusted_proxies=parsed.ingress_trusted_proxies,
        )
        if parsed.ingress
        else None,
    )


def _certificate_problems(parsed: StackConfig) -> list[Problem]:
    certificate, key = parsed.ingress_certificate, parsed.ingress_certificate_key
    if not certificate and not key:
        return []
    for name, value, other, write in (
        (_CERTIFICATE, certificate, _KEY, _SET_CERTIFICATE),
        (_KEY, key, _CERTIFICATE, _SET_KEY),
    ):
        if not value:
            return [Problem(key=name, what=f"is not set, and {other} is; they belong together", write=write)]
    chain = _certificates(certificate)
    if not chain:
        return [Problem(key=_CERTIFICATE, what="is not a certificate in PEM form", write=_SET_CERTIFICATE)]
    problems = []
    if chain[0].not_valid_after_utc < datetime.now(UTC):
        problems.append(
            Problem(
                key=_CERTIFICATE,
                what=f"expired on {chain[0].not_valid_after_utc:%Y-%m-%d}",
                write=_SET_CERTIFICATE,
            )
        )
    if parsed.ingress_domain and not _names(chain[0], parsed.ingress_domain):
        problems.append(
            Problem(
                key=_CERTIFICATE,
                what=f"does not name {parsed.ingress_domain} (ingressDomain) among its DNS names",
                write=_SET_CERTIFICATE,
            )
        )
    from cryptography.hazmat.primitives import serialization

    try:
        public = serialization.load_pem_private_key(key.encode(), password=None).public_key()
    except (ValueError, TypeError):
        # TypeError: the key is encrypted.
        return [
            *problems,
            Problem(key=_KEY, what="is not a private key in PEM form without a passphrase", write=_SET_KEY),
        ]
    if public != chain[0].public_key():
        problems.append(
            Problem(
                key=_KEY,
                what="does not belong to ingressCertificate, whose first certificate must be the host's own",
                write=_SET_KEY,
            )
        )
    return problems


def _certificates(text: str) -> list[x509.Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        return []


def _names(certificate: x509.Certificate, domain: str) -> bool:
    """Whether a certificate is for a host name; a wildcard stands for one label (RFC 9525, section 6.3)."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    allowed = {domain, f"*.{domain.partition('.')[2]}"}
    return any(name.lower() in allowed for name in names.get_values_for_type(x509.DNSName))
