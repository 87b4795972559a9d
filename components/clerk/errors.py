"""What can go wrong in a call to Clerk, as errors that say what to do.

Pure: reads answers that have arrived, sends nothing. Codes: Clerk's error catalogue.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from .claims import Json

if TYPE_CHECKING:
    import httpx

API_VERSION: Final = "2026-05-12"

_CONFLICT_CODES: Final = frozenset({"form_identifier_exists", "form_already_exists"})
_BAD_KEY_CODES: Final = frozenset(
    {
        "clerk_key_invalid",
        "authorization_header_format_invalid",
        "authentication_invalid",
        "secret_key_invalid",
    }
)
_TRANSIENT: Final = frozenset({500, 502, 503, 504})


@dataclass(frozen=True, kw_only=True)
class ErrorDetail:
    """One entry of Clerk's ``errors``: its code, its text, and the parameter it is about, if any."""

    code: str
    message: str
    param: str | None = None


class ClerkError(Exception):
    """A call to Clerk failed.

    ``status`` is the HTTP status, None when no answer was understood. ``code``, ``message`` and ``param`` are
    those of the first entry of ``details``; where Clerk gave none, ``code`` is one of ``unreachable``,
    ``timeout``, ``answer_lost``, ``too_large``, ``not_json``, ``malformed_json``, ``unexpected_shape``, ``redirect``,
    ``sign_in_incomplete``, ``http_<status>``. ``trace_id`` is what Clerk's support asks for. ``remedy`` says what
    to do. ``transient`` tells a fault that may pass, ``nothing_sent`` that Clerk never saw the call,
    ``outcome_unknown`` that a change may have been carried out all the same. ``retry_after`` is in seconds.
    Neither text nor repr holds a key.
    """

    def __init__(
        self,
        *,
        request: str,
        status: int | None,
        details: Sequence[ErrorDetail],
        remedy: str,
        trace_id: str | None = None,
        transient: bool = False,
        nothing_sent: bool = False,
        outcome_unknown: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(request, status)
        self.request = request
        self.status = status
        self.details = tuple(details)
        self.remedy = remedy
        self.trace_id = trace_id
        self.transient = transient
        self.nothing_sent = nothing_sent
        self.outcome_unknown = outcome_unknown
        self.retry_after = retry_after
        self.attempts = 1

    @property
    def code(self) -> str:
        return self.details[0].code

    @property
    def message(self) -> str:
        return self.details[0].message

    @property
    def param(self) -> str | None:
        return self.details[0].param

    @property
    def is_name_taken(self) -> bool:
        """Whether Clerk refused because something of that name or identifier exists."""
        return self.status in (400, 409, 422) and any(d.code in _CONFLICT_CODES for d in self.details)

    def __str__(self) -> str:
        status = "" if self.status is None else f"HTTP {self.status}, "
        said = "; ".join(
            f"{d.message.rstrip('.')} ({d.code}{f', parameter {d.param}' if d.param else ''})"
            for d in self.details
        )
        tried = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        trace = f" Clerk's trace id: {self.trace_id}." if self.trace_id else ""
        return f"Clerk, {self.request}{tried}: {status}{said}. {self.remedy}.{trace}"

    def __repr__(self) -> str:
        return f"ClerkError({str(self)!r})"


def changes_something(request: str) -> bool:
    return not request.startswith("GET ")


def transport_error(error: httpx.RequestError, request: str, base_url: httpx.URL) -> ClerkError:
    import httpx

    from .exchange import TIMEOUT, WHOLE_ANSWER, AnswerEndless, AnswerTooLarge

    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, AnswerTooLarge):
        return unusable(request, None, "too_large", f"the answer has {reason}")
    nothing_sent = isinstance(
        error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError
    )
    if isinstance(error, httpx.ConnectTimeout):
        code, message = "timeout", f"no connection to {base_url} within {TIMEOUT.connect:g} s"
    elif nothing_sent:
        code, message = "unreachable", f"cannot connect to {base_url} ({reason})"
    elif isinstance(error, AnswerEndless):
        code, message = "timeout", f"the answer from {base_url} had no end after {WHOLE_ANSWER:g} s"
    elif isinstance(error, httpx.TimeoutException):
        code, message = "timeout", f"no answer from {base_url} within {TIMEOUT.read:g} s"
    else:
        code, message = (
            "answer_lost",
            f"the connection to {base_url} broke before the answer was whole ({reason})",
        )
    return ClerkError(
        request=request,
        status=None,
        details=[ErrorDetail(code=code, message=message)],
        remedy="Check that address, the network and the proxy settings, then run it again",
        transient=True,
        nothing_sent=nothing_sent,
        outcome_unknown=not nothing_sent and changes_something(request),
    )


def refusal(response: httpx.Response, request: str, hidden: Sequence[str]) -> ClerkError:
    """The error that an answer other than 2xx means."""
    status = response.status_code
    body = _json_or_none(response)
    details = [_clean(detail, hidden) for detail in _error_details(body)]
    trace_id = body.get("clerk_trace_id") if isinstance(body, dict) else None
    if not details:
        where = response.headers.get("Location", "elsewhere")
        code, message = (
            ("redirect", f"the address is moved to {_redacted(where, hidden)}")
            if response.is_redirect
            else (f"http_{status}", described(response))
        )
        details = [ErrorDetail(code=code, message=message)]
    return ClerkError(
        request=request,
        status=status,
        details=details,
        remedy=_remedy(status, details[0], response),
        trace_id=trace_id if isinstance(trace_id, str) else response.headers.get("cf-ray"),
        transient=status in _TRANSIENT,
        outcome_unknown=status >= 500 and changes_something(request),
        retry_after=_retry_after(response) if status in (429, 503) else None,
    )


def _remedy(status: int, detail: ErrorDetail, response: httpx.Response) -> str:
    by_code = {
        "jwt_template_reserved_claim": "Remove that claim from jwtTemplateClaims, or give it another name",
        "session_token_jwt_template": "This template makes Clerk's session tokens and cannot be deleted; "
        "to stop managing it, run `pulumi state delete` on it",
        "unsupported_subscription_plan_features": "The plan of this Clerk application lacks the feature: "
        "change the plan in the dashboard, or do without",
        "api_version_invalid": f"This Clerk does not know the API version {API_VERSION}: check clerkApiUrl",
        "redirect": "Set clerkApiUrl to the address itself, as https://api.clerk.com",
        "form_identifier_exists": "Choose another one, or remove the one that is there",
        "form_already_exists": "Choose another one, or remove the one that is there",
    }
    if detail.code in by_code:
        return by_code[detail.code]
    if status == 401 or detail.code in _BAD_KEY_CODES:
        return (
            "Set clerkSecretKey (or CLERK_SECRET_KEY) to the secret key of this instance, "
            "from the dashboard, Configure > API keys"
        )
    if status == 429:
        wait = _retry_after(response)
        when = "later" if wait is None else f"in {wait:g} s"
        return f"Run it again {when}; something else may take up the instance's rate limit"
    if status >= 500:
        return "Run it again later; https://status.clerk.com tells of outages"
    return {
        403: "The secret key's instance does not allow this",
        404: "Run `pulumi refresh` if it was removed by hand; else check clerkApiUrl",
    }.get(status, f"Correct {detail.param}" if detail.param else "Correct what it names, then run it again")


def _error_details(body: Json) -> list[ErrorDetail]:
    """Clerk's ``errors`` list, as far as it has the documented shape."""
    found: list[ErrorDetail] = []
    errors = body.get("errors") if isinstance(body, dict) else None
    for entry in errors if isinstance(errors, list) else []:
        if not isinstance(entry, dict):
            continue
        meta = entry.get("meta")
        param = meta.get("param_name") if isinstance(meta, dict) else None
        found.append(
            ErrorDetail(
                code=str(entry.get("code") or "no_code"),
                message=str(entry.get("long_message") or entry.get("message") or "no message"),
                param=param if isinstance(param, str) else None,
            )
        )
    return found


def unusable(request: str, status: int | None, code: str, message: str) -> ClerkError:
    return ClerkError(
        request=request,
        status=status,
        details=[ErrorDetail(code=code, message=message)],
        remedy="Check that this address is Clerk's own (clerkApiUrl) and that no proxy answers in its place",
        outcome_unknown=changes_something(request),
    )


def incomplete_sign_in(request: str, http_status: int, status: str) -> ClerkError:
    """A sign-in that a ticket alone does not complete; ``status`` is Clerk's word for what is missing."""
    return ClerkError(
        request=request,
        status=http_status,
        details=[ErrorDetail(code="sign_in_incomplete", message=f"the sign-in is left at {status}")],
        remedy="This instance asks for more than a sign-in token gives, as a second factor",
    )


def described(response: httpx.Response) -> str:
    """What an answer that Clerk's API would not give is, without quoting it: it may hold anything."""
    kind = response.headers.get("Content-Type", "no content type").split(";")[0]
    return f"the answer is {len(response.content)} bytes of {kind}, not Clerk's JSON"


def _json_or_none(response: httpx.Response) -> Json:
    try:
        return cast(Json, json.loads(response.content))
    except (ValueError, RecursionError):
        return None


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that ``Retry-After`` asks for, in either form of RFC 9110, section 10.2.3."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _clean(detail: ErrorDetail, hidden: Sequence[str]) -> ErrorDetail:
    return ErrorDetail(
        code=_redacted(detail.code, hidden),
        message=_redacted(detail.message, hidden),
        param=None if detail.param is None else _redacted(detail.param, hidden),
    )


def _redacted(text: str, hidden: Sequence[str]) -> str:
    """A text of the server's, on one line, of bounded length, without what must not be shown."""
    for secret in hidden:
        # A key of several lines may come back with other line breaks.
        for part in [secret, *(line for line in secret.splitlines() if len(line) > 12)]:
            text = text.replace(part, "[hidden]")
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= 500 else f"{line[:497]}..."
