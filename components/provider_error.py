"""The error by which a dynamic provider ends a deployment with a message and no traceback.

Pulumi's host for dynamic providers lets exceptions reach gRPC, which sends their text to the engine and
logs a traceback as well; the host writes log lines to the CLI's output. The text says all that a user needs,
so the log record of this error is dropped. Any other exception is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import logging


class ProviderError(Exception):
    """A deployment cannot go on. The text says what is wrong, where, and what to do; it holds no secret."""


class _ToldAlready(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], ProviderError))


# Importing a provider's module is all that the host does before it calls the provider.
logging.getLogger("grpc._server").addFilter(_ToldAlready())
