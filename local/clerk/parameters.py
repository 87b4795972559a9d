"""Validation of Backend API bodies: a JSON object in, values out, every problem at once. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from local.clerk import errors
from local.clerk.errors import ApiError, Problem
from local.clerk.shortcodes import Json
from local.clerk.tokens import usable_key

Body = dict[str, Json]

# Clerk sets the first group itself; the second belongs to session tokens only. Clerk's guide to JWT
# templates names these; its whole list is not published.
RESERVED_CLAIMS = ("azp", "exp", "iat", "iss", "jti", "nbf", "sub", "sid", "v", "pla", "fea")

LIFETIME = (30, 315_360_000)
SKEW = (0, 300)
DEFAULT_LIFETIME = 60
DEFAULT_SKEW = 5

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

TEMPLATE_TYPES: dict[str, type] = {
    "name": str,
    "claims": dict,
    "lifetime": int,
    "allowed_clock_skew": int,
    "custom_signing_key": bool,
    "signing_algorithm": str,
    "signing_key": str,
}
USER_TYPES: dict[str, type] = {
    "email_address": list,
    "external_id": str,
    "first_name": str,
    "last_name": str,
    "public_metadata": dict,
    "private_metadata": dict,
    "unsafe_metadata": dict,
    "skip_password_requirement": bool,
    "skip_password_checks": bool,
    "skip_user_requirement": bool,
    "skip_legal_checks": bool,
}
SESSION_TYPES: dict[str, type] = {"user_id": str, "active_organization_id": str}
SESSION_TOKEN_TYPES: dict[str, type] = {"expires_in_seconds": int}
SIGN_IN_TOKEN_TYPES: dict[str, type] = {"user_id": str, "expires_in_seconds": int}


def checked(body: Body, types: dict[str, type], required: tuple[str, ...] = ()) -> list[Problem]:
    """Unknown, missing and wrongly typed parameters of `body`. Null counts as absent."""
    problems = [errors.unknown(name) for name in body if name not in types]
    problems += [errors.missing(name) for name in required if body.get(name) in (None, "")]
    for name, expected in types.items():
        value = body.get(name)
        # JSON has no integers of its own, yet in Python True is one.
        if value is not None and (
            not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool)
        ):
            problems.append(errors.wrong_type(name, expected))
    return problems


def require(problems: list[Problem]) -> None:
    """Raise ApiError if there are problems."""
    if problems:
        raise ApiError(problems)


def within(body: Body, name: str, bounds: tuple[int, int]) -> list[Problem]:
    """A problem if the number is there and outside of `bounds`."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or bounds[0] <= value <= bounds[1]:
        return []
    return [errors.value_invalid(name, f"be between {bounds[0]} and {bounds[1]}")]


@dataclass(frozen=True, kw_only=True)
class TemplateParameters:
    """A valid body of POST or PATCH /jwt_templates. None: the parameter was absent."""

    name: str
    claims: dict[str, Json]
    lifetime: int | None
    allowed_clock_skew: int | None
    custom_signing_key: bool | None
    signing_algorithm: str | None
    signing_key: str | None = field(repr=False)


def template_parameters(body: Body) -> TemplateParameters:
    """Validate a template's body; raises ApiError (422, or 400 for a reserved claim)."""
    problems = checked(body, TEMPLATE_TYPES, required=("name", "claims"))
    problems += within(body, "lifetime", LIFETIME) + within(body, "allowed_clock_skew", SKEW)
    algorithm, key = body.get("signing_algorithm"), body.get("signing_key")
    if body.get("custom_signing_key") is True:
        pair = {"signing_algorithm": algorithm, "signing_key": key}
        absent = [name for name, value in pair.items() if value in (None, "")]
        problems += [errors.missing_with(name, "custom_signing_key") for name in absent]
        readable = isinstance(algorithm, str) and isinstance(key, str) and not absent
        if readable and not usable_key(str(algorithm), str(key)):
            problems.append(
                errors.value_invalid("signing_key", "be a private key that fits signing_algorithm")
            )
    require(problems)
    claims = body["claims"]
    assert isinstance(claims, dict)  # noqa: S101
    reserved = [claim for claim in RESERVED_CLAIMS if claim in claims]
    if reserved:
        raise errors.reserved_claim(reserved[0])
    return TemplateParameters(**{name: body.get(name) for name in TEMPLATE_TYPES})  # type: ignore[arg-type]


def user_problems(body: Body, *, creating: bool) -> list[Problem]:
    """Problems of a user's body. This instance knows users by e-mail address only."""
    types = USER_TYPES
    if not creating:
        types = {name: kind for name, kind in types.items() if name != "email_address"}
    problems = checked(body, types)
    addresses = body.get("email_address")
    if isinstance(addresses, list):
        if not all(isinstance(address, str) and _EMAIL.fullmatch(address) for address in addresses):
            problems.append(errors.email_invalid("email_address"))
    elif creating and addresses is None and body.get("skip_user_requirement") is not True:
        problems.append(
            Problem(
                code="form_data_missing",
                message="missing data",
                long_message='["email_address"] data doesn\'t match user requirements set for this instance',
                param="email_address",
            )
        )
    return problems
