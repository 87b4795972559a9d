"""The recorded cases: their data, the tokens that they describe, and how an answer is held against them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FOLDER = Path(__file__).parent
NAMESPACE = "https://hasura.io/jwt/claims"


def load(name: str) -> dict:
    """A data file of this folder."""
    return json.loads((FOLDER / name).read_text())


@dataclass(frozen=True)
class Case:
    """One recorded request with its answer; without an answer it is a set-up step."""

    group: str
    name: str | None
    request: dict
    response: dict | None

    @property
    def id(self) -> str:
        return f"{self.group}: {self.name}"


def cases() -> list[Case]:
    """All cases in their order, set-up steps between them."""
    return [
        Case(each["group"], each.get("name"), each["request"], each.get("response"))
        for each in load("cases.json")["cases"]
    ]


@dataclass(frozen=True)
class SigningKeys:
    """The two keys of the recordings: `current` is in the key set, `other` is not."""

    current: RSAPrivateKey = field(default_factory=lambda: generate_private_key(65537, 2048))
    other: RSAPrivateKey = field(default_factory=lambda: generate_private_key(65537, 2048))

    def key_set(self) -> dict:
        """The JSON Web Key Set to serve."""
        return {"keys": [public_jwk(self.current, "ins_current")]}


def public_jwk(key: RSAPrivateKey, kid: str) -> dict:
    """The public half as a JWK."""
    made = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": made["n"], "e": made["e"]}


def token(described: dict | str, keys: SigningKeys) -> str:
    """Make the token that a case describes; a text stands for itself."""
    if isinstance(described, str):
        return described
    claims = _at_now(described["claims"])
    name, algorithm = described.get("key", "current"), described.get("alg", "RS256")
    key = keys.current if name == "current" else keys.other
    headers = dict(described.get("header", {"kid": f"ins_{name}"}))
    if isinstance(headers.get("jwk"), str):
        headers["jwk"] = public_jwk(keys.other, "evil")
    payload = json.dumps(claims).encode()
    if algorithm == "HS256":
        # PyJWT rightly refuses a public key as a shared secret, so the attack is put together by hand.
        secret = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        head = _base64(json.dumps({"alg": "HS256", "typ": "JWT", **headers}).encode())
        signed = f"{head}.{_base64(payload)}"
        made = f"{signed}.{_base64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"
    elif algorithm == "none":
        head = _base64(json.dumps({"alg": "none", "typ": "JWT", **headers}).encode())
        made = f"{head}.{_base64(payload)}."
    else:
        made = jwt.api_jws.encode(payload, key, algorithm, headers)
    if "tamper" in described:
        head, _, signature = made.split(".")
        made = f"{head}.{_base64(json.dumps({**claims, **described['tamper']}).encode())}.{signature}"
    return made


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _at_now(claims: dict) -> dict:
    def value(each: object) -> object:
        if isinstance(each, str) and each.startswith("<now") and each.endswith(">"):
            return int(time.time()) + int(each[4:-1] or 0)
        return each

    return {name: value(each) for name, each in claims.items()}


def differences(wanted: object, found: object, path: str = "$") -> list[str]:
    """Where an answer is not the recorded one. `<int>` and `<uuid>` stand for any such value."""
    if wanted == "<int>":
        return (
            [] if isinstance(found, int) and not isinstance(found, bool) else [f"{path}: {found!r} is no int"]
        )
    if wanted == "<uuid>":
        return [] if _is_uuid(found) else [f"{path}: {found!r} is no UUID"]
    if isinstance(wanted, dict) and isinstance(found, dict):
        result = [f"{path}.{key} is missing" for key in wanted.keys() - found.keys()]
        result += [f"{path}.{key} is too much: {found[key]!r}" for key in found.keys() - wanted.keys()]
        for key in wanted.keys() & found.keys():
            result += differences(wanted[key], found[key], f"{path}.{key}")
        return sorted(result)
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [line for index, (one, two) in pairs for line in differences(one, two, f"{path}[{index}]")]
    if type(wanted) is type(found) and wanted == found:
        return []
    return [f"{path}: recorded {json.dumps(wanted)}, got {json.dumps(found)}"]


def _is_uuid(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return isinstance(value, str)
