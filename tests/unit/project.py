"""The project manifest as tests read it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]


def _certificate(*, days: int) -> str:
    """A certificate authority's certificate as PEM, that began ten days ago and lasts so many from now."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


CA, EXPIRED_CA = _certificate(days=1), _certificate(days=-1)


def manifest() -> dict[str, dict[str, object]]:
    """Configuration key to its declaration in `Pulumi.yaml`."""
    return yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]


def stack_config(stack: str) -> dict[str, object]:
    """The configuration of a stack as the program gets it: text and JSON text, defaults filled in."""
    own = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text()).get("config") or {}
    values = {key: declared["default"] for key, declared in manifest().items()}
    values |= {key.removeprefix("clerk-hasura:"): value for key, value in own.items()}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
