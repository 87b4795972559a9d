"""Clerk's frontend API, as far as a sign-in without a browser's window needs it.

Calls and shapes are those of clerk-js: form bodies, the page's ``Origin``, the cookie ``__client``. A
development instance first wants its dev browser (``core/auth/devBrowser.ts`` of clerk/javascript), and any
instance may take a caller without a window for a bot unless it shows a testing token (Clerk's guide
"Testing", which says that they work in production as well). The way of native applications would need
neither, and is closed unless the instance's Native API was switched on.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import httpx

from . import keys
from .answers import Answer, optional_text_of, read_answer, text_of
from .errors import API_VERSION, incomplete_sign_in, refusal, transport_error
from .exchange import TIMEOUT, exchange
from .retries import DEFAULT_POLICY, Notice, RetryPolicy, persistently

_TESTING_TOKEN: Final = "__clerk_testing_token"  # noqa: S105
_DEV_BROWSER: Final = "__clerk_db_jwt"
_ANOTHER_DEV_BROWSER: Final = "Clerk-Db-Jwt"
"""The header by which an answer replaces it."""


class FrontendClient:
    """One browser's worth of state at the frontend API of an instance.

    ``frontend_api_url`` is what ``keys.frontend_api_url`` gives, ``origin`` the page's, ``testing_token`` one
    of the Backend API. Raises ClerkError from every call, with no ticket and no token in its text.
    """

    def __init__(
        self,
        frontend_api_url: str,
        *,
        kind: keys.KeyKind,
        testing_token: str,
        transport: httpx.BaseTransport | None = None,
        retry: RetryPolicy = DEFAULT_POLICY,
        notice: Notice = lambda _: None,
    ) -> None:
        base = keys.checked_url(frontend_api_url, name="the address of Clerk's frontend API")
        self._kind = kind
        self._retry = retry
        self._notice = notice
        self._hidden = [testing_token]
        self._http = httpx.Client(
            base_url=base,
            params={"__clerk_api_version": API_VERSION, _TESTING_TOKEN: testing_token},
            headers={"Accept": "application/json", "Origin": keys.page_origin(base, kind)},
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
        self._hidden.append(ticket)
        if self._kind == "test":
            self._open_dev_browser()
        answer = self._post("/v1/client/sign_ins", {"strategy": "ticket", "ticket": ticket})
        sign_in = Answer(request=answer.request, status=answer.status, value=answer.get("response"))
        status = text_of(sign_in, "status")
        if status != "complete":
            raise incomplete_sign_in(sign_in.request, sign_in.status, status)
        return text_of(sign_in, "created_session_id")

    def token(self, session_id: str, template_name: str) -> str:
        """What ``getToken({ template })`` gives in the browser."""
        path = f"/v1/client/sessions/{session_id}/tokens/{quote(template_name, safe='')}"
        # A token more or less changes nothing at Clerk.
        return text_of(self._post(path, {}, repeatable=True), "jwt")

    def _open_dev_browser(self) -> None:
        self._be(optional_text_of(self._post("/v1/dev_browser", {}, repeatable=True), "id"))

    def _be(self, dev_browser: str | None) -> None:
        if dev_browser:
            self._hidden.append(dev_browser)
            self._http.params = self._http.params.set(_DEV_BROWSER, dev_browser)

    def _post(self, path: str, fields: dict[str, str], *, repeatable: bool = False) -> Answer:
        return persistently(
            lambda: self._once(path, fields), repeatable=repeatable, policy=self._retry, notice=self._notice
        )

    def _once(self, path: str, fields: dict[str, str]) -> Answer:
        request = f"POST {path}"
        try:
            response = exchange(self._http, self._http.build_request("POST", path, data=fields))
        except httpx.RequestError as error:
            # Its chain would carry the request, and with it ticket and cookie.
            raise transport_error(error, request, self._http.base_url) from None
        self._be(response.headers.get(_ANOTHER_DEV_BROWSER))
        if not response.is_success:
            raise refusal(response, request, self._hidden)
        return read_answer(response, request)
