"""Clerk's error bodies: `{errors: [{message, long_message, code, meta}], clerk_trace_id}`.

Codes, status codes and messages follow Clerk's public error catalogue (clerk-docs, data/api_errors.json).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

type_names = {bool: "boolean", int: "integer", str: "string", dict: "object", list: "array"}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One entry of `errors`. `param` becomes `meta.param_name`."""

    code: str
    message: str
    long_message: str
    param: str | None = None
    status: int = 422

    def body(self) -> dict[str, object]:
        """The entry as JSON."""
        entry: dict[str, object] = {
            "message": self.message,
            "long_message": self.long_message,
            "code": self.code,
        }
        if self.param is not None:
            entry["meta"] = {"param_name": self.param}
        return entry


@dataclass
class ApiError(Exception):
    """An answer other than success; the first problem decides the status."""

    problems: list[Problem] = field(default_factory=list)

    @property
    def status(self) -> int:
        """HTTP status of the answer."""
        return self.problems[0].status

    def body(self) -> dict[str, object]:
        """The whole error body, with a fresh trace id."""
        return {
            "errors": [problem.body() for problem in self.problems],
            "clerk_trace_id": secrets.token_hex(16),
        }


def _one(status: int, code: str, message: str, long_message: str, param: str | None = None) -> ApiError:
    problem = Problem(code=code, message=message, long_message=long_message, param=param, status=status)
    return ApiError([problem])


def key_invalid() -> ApiError:
    """401: the secret key is missing or is not this instance's."""
    text = "The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct."
    return _one(401, "clerk_key_invalid", text, text)


def authorization_format() -> ApiError:
    """401: the Authorization header is there but is not `Bearer <key>`."""
    return _one(
        401,
        "authorization_header_format_invalid",
        "Invalid Authorization header format",
        "Invalid Authorization header format. Must be 'Bearer <YOUR_API_KEY>'",
    )


def authentication_invalid() -> ApiError:
    """401 of the front-end API: the browser's client has no such active session."""
    return _one(
        401,
        "authentication_invalid",
        "Invalid authentication",
        "Unable to authenticate the request, you need to supply an active session",
    )


def api_version(reason: str) -> ApiError:
    """400: an unknown API version, or one given twice."""
    return _one(400, "api_version_invalid", "invalid API version", f"Invalid Clerk API version: {reason}")


def body_invalid() -> ApiError:
    """400: the body is no JSON object."""
    return _one(
        400,
        "request_body_invalid",
        "Request body invalid",
        "The request body is invalid. Please consult the API documentation for more information.",
    )


def content_type(actual: str, expected: str) -> ApiError:
    """415: a body of another content type."""
    return _one(
        415,
        "unsupported_content_type",
        "Content-Type is unsupported",
        f"Content-Type {actual} is unsupported. You should use {expected} instead.",
    )


def not_found(message: str, long_message: str) -> ApiError:
    """404 for a resource or a URL."""
    return _one(404, "resource_not_found", message, long_message)


def url_not_found() -> ApiError:
    """404: no such route."""
    return not_found("URL not found", "The URL was not found")


def reserved_claim(claim: str) -> ApiError:
    """400: a template names a claim that Clerk sets itself or does not allow."""
    return _one(
        400,
        "jwt_template_reserved_claim",
        "reserved claim used",
        f"You can't use the reserved claim: '{claim}'",
        "claims",
    )


def session_token_template() -> ApiError:
    """403: the session token's own template cannot be deleted."""
    return _one(
        403,
        "session_token_jwt_template",
        "session token template cannot be deleted",
        "This template cannot be deleted because it's a session token template",
    )


def ticket_unusable(state: str) -> ApiError:
    """400 of a sign-in with a ticket that is `accepted`, `revoked`, expired or unknown."""
    if state == "accepted":
        return _one(
            400,
            "sign_in_token_already_used_code",
            "sign in token has already been used",
            "This sign in token has already been used. Each token can only be used once.",
        )
    if state == "revoked":
        return _one(
            400,
            "sign_in_token_revoked_code",
            "sign in token has been revoked",
            "This sign in token has been revoked and cannot be used anymore.",
        )
    if state == "expired":
        text = "This ticket has expired and cannot be used anymore."
        return _one(400, "ticket_expired_code", "ticket has expired", text)
    return _one(
        400,
        "ticket_invalid_code",
        "ticket is invalid",
        "This ticket is invalid. Make sure you're using a valid ticket generated by Clerk.",
    )


def missing(param: str) -> Problem:
    """422: a required parameter is absent."""
    return Problem(
        code="form_param_missing",
        message="is missing",
        long_message=f"{param} must be included.",
        param=param,
    )


def missing_with(param: str, condition: str) -> Problem:
    """422: a parameter that another one makes necessary is absent."""
    return Problem(
        code="form_conditional_param_missing",
        message="is missing",
        long_message=f"`{param}` is required when `{condition}` is `true`.",
        param=param,
    )


def unknown(param: str) -> Problem:
    """422: a parameter that the endpoint does not have."""
    return Problem(
        code="form_param_unknown",
        message="is unknown",
        long_message=f"{param} is not a valid parameter for this request.",
        param=param,
    )


def wrong_type(param: str, expected: type) -> Problem:
    """422: a parameter of another JSON type."""
    return Problem(
        code="form_param_value_invalid",
        message="is invalid",
        long_message=f"{param} is invalid. Must be of type {type_names[expected]}.",
        param=param,
    )


def value_invalid(param: str, rule: str) -> Problem:
    """422: a value outside of what is allowed; `rule` completes the sentence `<param> must ...`."""
    return Problem(
        code="form_param_value_invalid",
        message="is invalid",
        long_message=f"{param} must {rule}.",
        param=param,
    )


def email_invalid(param: str) -> Problem:
    """422: not an e-mail address."""
    return Problem(
        code="form_param_format_invalid",
        message="is invalid",
        long_message=f"{param} must be a valid email address.",
        param=param,
    )


def exists(param: str, what: str) -> Problem:
    """422: the value is taken."""
    return Problem(
        code="form_identifier_exists",
        message=f"That {what} is taken. Please try another.",
        long_message=f"That {what} is taken. Please try another.",
        param=param,
    )


def identifier_not_found(param: str) -> Problem:
    """422 of a sign-in: nobody has that address."""
    return Problem(
        code="form_identifier_not_found",
        message="Couldn't find your account.",
        long_message="Couldn't find your account.",
        param=param,
    )


def code_incorrect(param: str) -> Problem:
    """422 of a sign-in: a wrong code."""
    return Problem(
        code="form_code_incorrect", message="is incorrect", long_message="Incorrect code", param=param
    )


def internal() -> ApiError:
    """500: a defect of the stand-in, or a fault that a test asked for."""
    text = "Oops, an unexpected error occurred"
    return _one(500, "internal_clerk_error", text, text)


def too_many_requests() -> ApiError:
    """429: only as a fault that a test asked for; the stand-in has no limits."""
    text = "Too many requests, retry later"
    return _one(429, "too_many_requests", text, text)
