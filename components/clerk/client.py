"""Clerk's Backend API over HTTP, with typed answers and errors.

Paths, shapes and codes: Clerk's OpenAPI description of the Backend API, version 2026-05-12, and its error
catalogue. Only what this project calls is here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import httpx

from . import keys
from .answers import (
    Answer,
    Domain,
    Instance,
    JwtTemplateRecord,
    Session,
    TemplateContent,
    User,
    list_of,
    optional_text_of,
    read_answer,
    session_record,
    template_record,
    text_of,
    user_record,
)
from .claims import Json
from .errors import API_VERSION, refusal, transport_error
from .exchange import TIMEOUT, exchange
from .retries import DEFAULT_POLICY, Notice, RetryPolicy, persistently

PAGE_SIZE: Final = 500


class ClerkClient:
    """The Backend API of one instance.

    ``api_url`` is without ``/v1``. ``notice`` is told when a call waits before it is tried again.
    Raises KeyFormatError for an address or a key that cannot be right, ClerkError from every call.
    """

    def __init__(
        self,
        api_url: str,
        secret_key: str,
        *,
        transport: httpx.BaseTransport | None = None,
        retry: RetryPolicy = DEFAULT_POLICY,
        notice: Notice | None = None,
    ) -> None:
        keys.parse_secret_key(secret_key)
        base = keys.checked_url(api_url, name="the address of Clerk's Backend API")
        if base.endswith("/v1"):
            raise keys.KeyFormatError(
                f"the address of Clerk's Backend API {base!r} holds its version",
                "Write it without /v1, as https://api.clerk.com",
            )
        self._secret_key = secret_key
        self._retry = retry
        self._notice = notice or (lambda _: None)
        self._http = httpx.Client(
            base_url=base,
            auth=_Bearer(secret_key),
            headers={"Clerk-API-Version": API_VERSION, "Accept": "application/json"},
            timeout=TIMEOUT,
            transport=transport,
            # A proxy named in the environment is for the way out, not for this machine.
            trust_env=not keys.is_loopback(httpx.URL(base).host),
        )

    def __repr__(self) -> str:
        return f"ClerkClient({str(self._http.base_url)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # JWT templates

    def jwt_templates(self) -> list[JwtTemplateRecord]:
        """All JWT templates of the instance."""
        return [template_record(item) for item in self._pages("/v1/jwt_templates", {"paginated": "true"})]

    def jwt_template(self, template_id: str) -> JwtTemplateRecord:
        """One JWT template. ClerkError with status 404 when it is gone."""
        return template_record(self._call("GET", f"/v1/jwt_templates/{_segment(template_id)}"))

    def create_jwt_template(self, content: TemplateContent) -> JwtTemplateRecord:
        """Create a JWT template. Sent once: after ``outcome_unknown``, look for it by name first."""
        return template_record(
            self._call("POST", "/v1/jwt_templates", json_body=content.to_json(), hide=content.signing_key)
        )

    def update_jwt_template(self, template_id: str, content: TemplateContent) -> JwtTemplateRecord:
        """Make a JWT template hold this content. All of it is sent, so that a repetition does no harm."""
        return template_record(
            self._call(
                "PATCH",
                f"/v1/jwt_templates/{_segment(template_id)}",
                json_body=content.to_json(),
                hide=content.signing_key,
                repeatable=True,
            )
        )

    def delete_jwt_template(self, template_id: str) -> None:
        """Delete a JWT template. ClerkError with status 404 when it is gone already."""
        self._call("DELETE", f"/v1/jwt_templates/{_segment(template_id)}")

    # The instance

    def jwks(self) -> list[dict[str, Json]]:
        """The public keys of the instance, as JWKs."""
        found = self._call("GET", "/v1/jwks")
        return [key for key in list_of(found.value, "keys", found) if isinstance(key, dict)]

    def instance(self) -> Instance:
        """The instance that the secret key belongs to."""
        found = self._call("GET", "/v1/instance")
        return Instance(id=text_of(found, "id"), environment_type=text_of(found, "environment_type"))

    def domains(self) -> list[Domain]:
        """The domains of the instance, the primary one first."""
        found = [
            Domain(
                id=text_of(item, "id"),
                name=text_of(item, "name"),
                is_satellite=bool(item.get("is_satellite")),
                frontend_api_url=text_of(item, "frontend_api_url"),
                proxy_url=optional_text_of(item, "proxy_url"),
            )
            for item in self._items("/v1/domains", {})
        ]
        return sorted(found, key=lambda domain: domain.is_satellite)

    # Users and sessions

    def create_user(
        self,
        *,
        email_address: str,
        external_id: str | None = None,
        first_name: str | None = None,
        private_metadata: Mapping[str, Json] | None = None,
    ) -> User:
        """Create a user by an address alone, whatever else the instance asks of those who sign up."""
        body: dict[str, Json] = {
            "email_address": [email_address],
            "skip_password_requirement": True,
            "skip_user_requirement": True,
            "skip_legal_checks": True,
        }
        if external_id is not None:
            body["external_id"] = external_id
        if first_name is not None:
            body["first_name"] = first_name
        if private_metadata is not None:
            body["private_metadata"] = private_metadata
        return user_record(self._call("POST", "/v1/users", json_body=body))

    def users(self, *, query: str | None = None) -> list[User]:
        """The users, or those in whose names, addresses or ids ``query`` occurs."""
        parameters = {"order_by": "created_at"} | ({"query": query} if query else {})
        return [user_record(item) for item in self._pages("/v1/users", parameters)]

    def delete_user(self, user_id: str) -> None:
        """Delete a user with all sessions. ClerkError with status 404 when it is gone already."""
        self._call("DELETE", f"/v1/users/{_segment(user_id)}")

    def create_session(self, user_id: str) -> Session:
        """Open a session for a user. Clerk has this call on development instances only."""
        return session_record(self._call("POST", "/v1/sessions", json_body={"user_id": user_id}))

    def revoke_session(self, session_id: str) -> None:
        """End a session."""
        self._call("POST", f"/v1/sessions/{_segment(session_id)}/revoke", repeatable=True)

    def session_token(self, session_id: str, template_name: str) -> str:
        """A token of a session by a template. Unlike a browser's, it carries no ``azp``."""
        path = f"/v1/sessions/{_segment(session_id)}/tokens/{_segment(template_name)}"
        # A token more or less changes nothing at Clerk.
        return text_of(self._call("POST", path, repeatable=True), "jwt")

    def create_sign_in_token(self, user_id: str, *, lifetime: int = 60) -> str:
        """A ticket by which a front end signs the user in once. ``lifetime`` in seconds."""
        body: dict[str, Json] = {"user_id": user_id, "expires_in_seconds": lifetime}
        return text_of(self._call("POST", "/v1/sign_in_tokens", json_body=body), "token")

    def create_testing_token(self) -> str:
        """What tells the frontend API for an hour that a caller without a window is no bot."""
        return text_of(self._call("POST", "/v1/testing_tokens", repeatable=True), "token")

    # Requests

    def _pages(self, path: str, parameters: Mapping[str, str]) -> Iterator[Answer]:
        """The entries of all pages, each once."""
        offset = 0
        seen: set[str] = set()
        while True:
            page = self._items(path, {**parameters, "limit": str(PAGE_SIZE), "offset": str(offset)})
            fresh = [item for item in page if text_of(item, "id") not in seen]
            seen.update(text_of(item, "id") for item in fresh)
            yield from fresh
            # A page without anything new ends the walk even where a server ignores the offset.
            if len(page) < PAGE_SIZE or not fresh:
                return
            offset += len(page)

    def _items(self, path: str, parameters: Mapping[str, str]) -> list[Answer]:
        """One list, bare or within ``data``: Clerk's description and its own client differ on which."""
        found = self._call("GET", path, parameters=parameters)
        items = found.value if isinstance(found.value, list) else list_of(found.value, "data", found)
        return [Answer(request=found.request, status=found.status, value=item) for item in items]

    def _call(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        json_body: Mapping[str, Json] | None = None,
        hide: str | None = None,
        repeatable: bool | None = None,
    ) -> Answer:
        """One call, repeated where that is safe. ``repeatable`` defaults to what the method promises."""
        return persistently(
            lambda: self._once(method, path, parameters, json_body, hide),
            repeatable=method in ("GET", "DELETE") if repeatable is None else repeatable,
            policy=self._retry,
            notice=self._notice,
        )

    def _once(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None,
        json_body: Mapping[str, Json] | None,
        hide: str | None,
    ) -> Answer:
        request = f"{method} {path}"
        try:
            response = exchange(
                self._http, self._http.build_request(method, path, params=parameters, json=json_body)
            )
        except httpx.RequestError as error:
            # Its chain would carry the request, and with it the key.
            raise transport_error(error, request, self._http.base_url) from None
        if not response.is_success:
            raise refusal(response, request, [secret for secret in (self._secret_key, hide) if secret])
        return read_answer(response, request)


class _Bearer(httpx.Auth):
    """Puts the secret key on a request, and nowhere else."""

    def __init__(self, secret_key: str) -> None:
        self._secret_key = secret_key

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        request.headers["Authorization"] = f"Bearer {self._secret_key}"
        yield request


def _segment(text: str) -> str:
    return quote(text, safe="")
