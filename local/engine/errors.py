"""Errors as the engine reports them: an HTTP status, a code, a message and a JSON path."""

from __future__ import annotations

from local.engine.json_types import Json, JsonObject


class EngineError(Exception):
    """A request that the engine refuses.

    `internal` is added to the answer where the caller is the administrator and internal errors are on.
    """

    def __init__(
        self, code: str, message: str, *, status: int = 400, path: str = "$", internal: Json = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.path = path
        self.internal = internal

    def below(self, prefix: str) -> EngineError:
        """The same error, its path continued from `prefix` (`$[1]`, `$.args`) instead of from `$`."""
        return EngineError(
            self.code,
            self.message,
            status=self.status,
            path=prefix + self.path.removeprefix("$"),
            internal=self.internal,
        )

    def body(self, *, internal: bool) -> JsonObject:
        """The JSON answer of every endpoint but GraphQL's."""
        answer: JsonObject = {"error": self.message, "path": self.path, "code": self.code}
        if internal and self.internal is not None:
            answer["internal"] = self.internal
        return answer

    def graphql_body(self, *, internal: bool) -> JsonObject:
        """The JSON answer of the GraphQL endpoints."""
        extensions: JsonObject = {"path": self.path, "code": self.code}
        if internal and self.internal is not None:
            extensions["internal"] = self.internal
        return {"errors": [{"message": self.message, "extensions": extensions}]}


def parse_failed(message: str, path: str = "$") -> EngineError:
    """A JSON document of the wrong shape."""
    return EngineError("parse-failed", message, path=path)


def validation_failed(message: str, path: str = "$") -> EngineError:
    """A GraphQL document that does not fit the schema."""
    return EngineError("validation-failed", message, path=path)
