"""A signing key of one's own for the JWT template, in place of the instance's. Pure: no I/O.

Clerk signs with it and shows its public part nowhere, least of all in the JWKS: whoever verifies must be
given that part. Algorithms: Clerk's OpenAPI description of the Backend API; least lengths of HMAC keys: RFC
7518, section 3.2, which Hasura insists on at its start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .keys import KeyFormatError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

ALGORITHMS: Final = (
    *("HS256", "HS384", "HS512"),
    *("RS256", "RS384", "RS512"),
    *("ES256", "ES384", "ES512"),
    *("PS256", "PS384", "PS512"),
    "EdDSA",
)
_HMAC_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
_CURVES: Final = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_LEAST_RSA_BITS: Final = 2048


def verification_key(signing_key: str, algorithm: str) -> str:
    """What verifies the tokens that are signed by this key: the public key as PEM, or the HMAC key itself.

    ``signing_key`` is a private key as PEM without a passphrase, for ``HS...`` any text. Raises
    KeyFormatError, which never holds the key.
    """
    if algorithm not in ALGORITHMS:
        raise KeyFormatError(
            f"{algorithm!r} is no algorithm that Clerk signs with", f"Take one of {', '.join(ALGORITHMS)}"
        )
    if algorithm in _HMAC_BYTES:
        return _checked_hmac_key(signing_key, algorithm)
    from cryptography.hazmat.primitives import serialization

    key = _private_key(signing_key)
    _check_fit(key, algorithm)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode()


def _checked_hmac_key(signing_key: str, algorithm: str) -> str:
    least = _HMAC_BYTES[algorithm]
    if "-----BEGIN" in signing_key:
        raise KeyFormatError(
            f"a PEM key stands where {algorithm} takes a secret text",
            "Set jwtSigningAlgorithm to the key's own, as RS256",
        )
    if len(signing_key.encode()) < least:
        raise KeyFormatError(
            f"the key has {len(signing_key.encode())} bytes, and {algorithm} needs {least}",
            f"Make one: openssl rand -hex {least}",
        )
    return signing_key


def _private_key(signing_key: str) -> PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    try:
        key = serialization.load_pem_private_key(signing_key.encode(), password=None)
    except TypeError:
        raise KeyFormatError(
            "the key is encrypted with a passphrase", "Decrypt it first: openssl pkey -in FILE"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFormatError(
            "the key is no private key in PEM form", "Make one: openssl genpkey -algorithm RSA"
        ) from None
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise KeyFormatError(
            "the key is neither RSA, EC nor Ed25519", "Make one: openssl genpkey -algorithm RSA"
        )
    return key


def _check_fit(key: PrivateKey, algorithm: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    match key:
        case RSAPrivateKey():
            if not algorithm.startswith(("RS", "PS")):
                raise _misfit("an RSA key", algorithm, "RS256")
            if key.key_size < _LEAST_RSA_BITS:
                raise KeyFormatError(
                    f"the key has {key.key_size} bits, and RSA needs {_LEAST_RSA_BITS}",
                    "Make one: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
                )
        case EllipticCurvePrivateKey():
            fitting = next((name for name, curve in _CURVES.items() if curve == key.curve.name), None)
            if algorithm != fitting:
                raise _misfit(f"an EC key on {key.curve.name}", algorithm, fitting or "ES256 with secp256r1")
        case Ed25519PrivateKey():
            if algorithm != "EdDSA":
                raise _misfit("an Ed25519 key", algorithm, "EdDSA")


def _misfit(what: str, algorithm: str, fitting: str) -> KeyFormatError:
    return KeyFormatError(f"{what} cannot sign with {algorithm}", f"Set jwtSigningAlgorithm to {fitting}")
