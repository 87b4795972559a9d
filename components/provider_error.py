"""How a dynamic provider speaks: errors that end a deployment with one message and no traceback, and remarks.

Pulumi's host for dynamic providers lets exceptions rise into gRPC, which puts "Exception calling application"
before their text and logs a traceback, which the CLI shows. A call that is ended through its context does
neither; the host keeps that context to itself, so it is looked up among the callers.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import grpc

P = ParamSpec("P")
R = TypeVar("R")


class ProviderError(Exception):
    """A deployment cannot go on. The text says what is wrong, where, and what to do; it holds no secret."""


def telling_plainly(*kinds: type[Exception]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator for a provider's method: such errors reach the user as their text and nothing else.

    Any other exception is a defect of ours and keeps its traceback. Called by anybody but Pulumi's host, the
    method raises as usual.
    """

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(method)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(*args, **kwargs)
            except kinds as error:
                context = _calling_context()
                if context is None:
                    raise
                context.abort(grpc.StatusCode.UNKNOWN, str(error))

        return called

    return decorate


def told_plainly(method: Callable[P, R]) -> Callable[P, R]:
    """`telling_plainly` for a ProviderError."""
    return telling_plainly(ProviderError)(method)


def warn(text: str) -> None:
    """Tell the person who waits: Pulumi shows what a provider writes to standard error as diagnostics."""
    print(text, file=sys.stderr, flush=True)


NOT_REFRESHED = "not refreshed: "
"""How the line begins that tells of something at which a refresh could not look."""


UNSEEN: Final = "not_refreshed"
"""The input in which a refresh keeps why it could not look. No program gives it, so it is a difference until an update
has looked, which may be the one that brings back what was away."""


def not_refreshed(what: str, why: object) -> dict[str, str]:
    """Tell that a refresh takes something for unchanged because it could not be looked at. Gives `UNSEEN` with the
    reason, for the inputs and outputs of a resource that an update would bring in line."""
    warn(f"{NOT_REFRESHED}{what}: {why}")
    return {UNSEEN: str(why)}


def _calling_context() -> grpc.ServicerContext | None:
    frame = inspect.currentframe()
    while frame is not None:
        context = frame.f_locals.get("context")
        if isinstance(context, grpc.ServicerContext):
            return context
        frame = frame.f_back
    return None
