"""Clerk's frontend API, as far as a sign-in without a browser needs it.

Calls and shapes: what clerk-js sends and reads. A browser is known to Clerk by the cookie ``__client``; a
client that is none, like Clerk's own for Expo, says ``_is_native=1`` and sends the ``Authorization`` header
back that it was last given. Both are kept here, so that either kind of server is content.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import httpx

from . import keys
from .answers import Answer, read_answer, text_of
from .errors import TIMEOUT, refusal, transport_error


class FrontendClient:
    """One browser's worth of state at the frontend API of an instance.

    ``frontend_api_url`` is what ``keys.frontend_api_url`` gives. Raises ClerkError from every call, with no
    ticket and no token in its text.
    """

    def __init__(self, frontend_api_url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        base = keys.checked_url(frontend_api_url, name="the address of Clerk's frontend API")
        self._authorization: str | None = None
        self._http = httpx.Client(
            base_url=base,
            params={"_is_native": "1"},
            headers={"Accept": "application/json"},
            timeout=TIMEOUT,
            transport=transport,
            trust_env=not keys.is_loopback(httpx.URL(base).host),
        )

    def __repr__(self) -> str:
        return f"FrontendClient({str(self._http.base_url)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def sign_in_by_ticket(self, ticket: str) -> str:
        """Sign in with a sign-in token of the Backend API; the id of the session that it opens."""
        answer = self._post("/v1/client/sign_ins", {"strategy": "ticket", "ticket": ticket})
        sign_in = Answer(request=answer.request, status=answer.status, value=answer.get("response"))
        return text_of(sign_in, "created_session_id")

    def token(self, session_id: str, template_name: str) -> str:
        """What ``getToken({ template })`` gives in the browser."""
        return text_of(self._post(f"/v1/client/sessions/{session_id}/tokens/{template_name}", {}), "jwt")

    def _post(self, path: str, fields: dict[str, str]) -> Answer:
        request = f"POST {path}"
        headers = {} if self._authorization is None else {"Authorization": self._authorization}
        try:
            response = self._http.post(path, data=fields, headers=headers)
        except httpx.RequestError as error:
            raise transport_error(error, request, self._http.base_url) from None
        self._authorization = response.headers.get("Authorization", self._authorization)
        if not response.is_success:
            hidden = [fields.get("ticket"), self._authorization]
            raise refusal(response, request, [secret for secret in hidden if secret])
        return read_answer(response, request)
