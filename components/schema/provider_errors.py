"""Errors of a dynamic provider as one clear message, without a traceback.

Pulumi's dynamic provider server lets an exception rise into grpc, which logs a traceback to standard
error and answers "Exception calling application: ...". A call that is aborted through its context does
neither. The server keeps the context to itself, so it is looked up among the callers; where that fails
the exception rises as usual."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import grpc

from components.hasura.client import AnswerLost, EngineUnreachable, HasuraError
from components.schema.problems import SchemaError

P = ParamSpec("P")
R = TypeVar("R")
EXPECTED = (SchemaError, HasuraError, EngineUnreachable, AnswerLost)


def clear_errors(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a provider's method: the errors named in `EXPECTED` reach the user as their text only."""

    @functools.wraps(method)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except EXPECTED as error:
            context = _calling_context()
            if context is not None:
                context.abort(grpc.StatusCode.UNKNOWN, str(error))
            raise

    return called


def warn(text: str) -> None:
    """Pulumi shows what a provider writes to standard error among its diagnostics."""
    print(text, file=sys.stderr, flush=True)


def _calling_context() -> grpc.ServicerContext | None:
    frame = inspect.currentframe()
    while frame is not None:
        context = frame.f_locals.get("context")
        if isinstance(context, grpc.ServicerContext):
            return context
        frame = frame.f_back
    return None
