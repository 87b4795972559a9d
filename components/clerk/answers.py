"""Clerk's objects as frozen values, read from decoded JSON. Pure: no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from .claims import Claims, Json
from .errors import ClerkError, described, unusable

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, kw_only=True)
class TemplateContent:
    """What a JWT template is to hold. ``lifetime`` and ``allowed_clock_skew`` in seconds.

    With a ``signing_key`` Clerk signs by it instead of by the instance's key, with ``signing_algorithm``.
    """

    name: str
    claims: Claims
    lifetime: int
    allowed_clock_skew: int
    signing_algorithm: str | None = None
    signing_key: str | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Json]:
        body: dict[str, Json] = {
            "name": self.name,
            "claims": self.claims,
            "lifetime": self.lifetime,
            "allowed_clock_skew": self.allowed_clock_skew,
            "custom_signing_key": self.signing_key is not None,
        }
        if self.signing_key is not None:
            body |= {"signing_algorithm": self.signing_algorithm, "signing_key": self.signing_key}
        return body


@dataclass(frozen=True, kw_only=True)
class JwtTemplateRecord:
    """A JWT template as Clerk has it. The signing key is never among it. Times in seconds."""

    id: str
    name: str
    claims: Claims
    lifetime: int
    allowed_clock_skew: int
    custom_signing_key: bool
    signing_algorithm: str | None


@dataclass(frozen=True, kw_only=True)
class Instance:
    """The instance of the secret key. ``environment_type`` is development, staging or production."""

    id: str
    environment_type: str


@dataclass(frozen=True, kw_only=True)
class Domain:
    """A domain of the instance, with the addresses of its frontend API."""

    id: str
    name: str
    is_satellite: bool
    frontend_api_url: str
    proxy_url: str | None


@dataclass(frozen=True, kw_only=True)
class User:
    """A user, as far as this project needs one. ``created_at`` in seconds since 1970."""

    id: str
    email_addresses: tuple[str, ...]
    external_id: str | None
    private_metadata: Mapping[str, Json] = field(repr=False)
    created_at: float


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session of a user; ``status`` is active, revoked, ended, ..."""

    id: str
    user_id: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A decoded answer, with the request for the error of whoever finds it wanting."""

    request: str
    status: int
    value: Json = field(repr=False)

    def get(self, key: str) -> Json:
        return self.value.get(key) if isinstance(self.value, dict) else None


def read_answer(response: httpx.Response, request: str) -> Answer:
    """The JSON of a successful answer; an empty one is None."""
    if not response.content:
        return Answer(request=request, status=response.status_code, value=None)
    try:
        value = cast(Json, json.loads(response.content))
    except (ValueError, RecursionError) as error:
        is_page = response.content.lstrip()[:1] == b"<" or "html" in response.headers.get("Content-Type", "")
        why = str(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise unusable(
            request,
            response.status_code,
            "not_json" if is_page else "malformed_json",
            described(response) if is_page else f"the answer is no JSON ({why})",
        ) from None
    return Answer(request=request, status=response.status_code, value=value)


def _wrong_shape(answer: Answer, what: str) -> ClerkError:
    return unusable(answer.request, answer.status, "unexpected_shape", f"the answer lacks {what}")


def text_of(answer: Answer, key: str) -> str:
    value = answer.get(key)
    if not isinstance(value, str) or not value:
        raise _wrong_shape(answer, f"the text {key!r}")
    return value


def optional_text_of(answer: Answer, key: str) -> str | None:
    value = answer.get(key)
    return value if isinstance(value, str) and value else None


def _number(answer: Answer, key: str, default: int | None = None) -> int:
    value = answer.get(key)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_shape(answer, f"the number {key!r}")
    return int(value)


def list_of(value: Json, key: str, answer: Answer) -> list[Json]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise _wrong_shape(answer, f"the list {key!r}")
    return found


def _mapping(answer: Answer, key: str) -> dict[str, Json]:
    value = answer.get(key)
    if not isinstance(value, dict):
        raise _wrong_shape(answer, f"the object {key!r}")
    return value


def template_record(answer: Answer) -> JwtTemplateRecord:
    return JwtTemplateRecord(
        id=text_of(answer, "id"),
        name=text_of(answer, "name"),
        claims=_mapping(answer, "claims"),
        # Null stands for the default that Clerk documents.
        lifetime=_number(answer, "lifetime", default=60),
        allowed_clock_skew=_number(answer, "allowed_clock_skew", default=5),
        custom_signing_key=answer.get("custom_signing_key") is True,
        signing_algorithm=optional_text_of(answer, "signing_algorithm"),
    )


def user_record(answer: Answer) -> User:
    addresses = answer.get("email_addresses")
    metadata = answer.get("private_metadata")
    return User(
        id=text_of(answer, "id"),
        email_addresses=tuple(
            str(item.get("email_address"))
            for item in (addresses if isinstance(addresses, list) else [])
            if isinstance(item, dict)
        ),
        external_id=optional_text_of(answer, "external_id"),
        private_metadata=metadata if isinstance(metadata, dict) else {},
        created_at=_number(answer, "created_at", default=0) / 1000,
    )


def session_record(answer: Answer) -> Session:
    return Session(
        id=text_of(answer, "id"), user_id=text_of(answer, "user_id"), status=text_of(answer, "status")
    )
