"""Short ways to ask a running engine."""

from __future__ import annotations

from dataclasses import dataclass

from tests.local_engine.engines import Engine

SECRET = "engine-test-admin-secret"


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """An engine, asked as the administrator or as a role."""

    engine: Engine
    database_url: str

    def ask(self, path: str, body: object, **headers: str) -> tuple[int, dict]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.engine.call(path, body, {"X-Hasura-Admin-Secret": SECRET, **named})

    def metadata(self, kind: str, args: object = None, **more: object) -> dict:
        """A metadata command that must succeed."""
        status, answer = self.ask("/v1/metadata", {"type": kind, "args": args or {}, **more})
        assert status == 200, answer
        return answer

    def refused(self, kind: str, args: object, **more: object) -> dict:
        """A metadata command that must not succeed."""
        status, answer = self.ask("/v1/metadata", {"type": kind, "args": args, **more})
        assert status >= 400, answer
        return answer

    def sql(self, text: str, **args: object) -> dict:
        """SQL that must succeed."""
        status, answer = self.ask("/v2/query", {"type": "run_sql", "args": {"sql": text, **args}})
        assert status == 200, answer
        return answer

    def refused_sql(self, text: str, **args: object) -> dict:
        """SQL that must not succeed."""
        status, answer = self.ask("/v2/query", {"type": "run_sql", "args": {"sql": text, **args}})
        assert status >= 400, answer
        return answer

    def graphql(
        self, query: str, role: str | None = None, variables: dict | None = None, **session: str
    ) -> dict:
        """The whole answer, as the administrator or in a role with session variables (`user_id="a"`)."""
        headers = {f"X-Hasura-{name.replace('_', '-')}": value for name, value in session.items()}
        if role is not None:
            headers["X-Hasura-Role"] = role
        body = {"query": query, "variables": variables or {}}
        status, answer = self.ask("/v1/graphql", body, **headers)
        assert status == 200, answer
        return answer

    def data(
        self, query: str, role: str | None = None, variables: dict | None = None, **session: str
    ) -> dict:
        """The data of an answer without errors."""
        answer = self.graphql(query, role, variables, **session)
        assert "errors" not in answer, answer
        return answer["data"]

    def error(
        self, query: str, role: str | None = None, variables: dict | None = None, **session: str
    ) -> dict:
        """The only error of an answer."""
        answer = self.graphql(query, role, variables, **session)
        (error,) = answer["errors"]
        assert "data" not in answer
        return error

    def replace(self, metadata: dict, *, allow_inconsistent: bool = False) -> dict:
        """Put metadata in force."""
        args = {"allow_inconsistent_metadata": allow_inconsistent, "metadata": metadata}
        return self.metadata("replace_metadata", args, version=2)

    def tables(self, *tables: dict) -> dict:
        """Put a source `default` with these tables in force."""
        return self.replace({"version": 3, "sources": [source(*tables)]})


def source(*tables: dict, name: str = "default", url: object = None) -> dict:
    """A source of metadata."""
    database_url = url or {"from_env": "HASURA_GRAPHQL_DATABASE_URL"}
    return {
        "name": name,
        "kind": "postgres",
        "tables": list(tables),
        "configuration": {"connection_info": {"database_url": database_url}},
    }


def table(name: str, **parts: object) -> dict:
    """A table of schema public."""
    return {"table": {"schema": "public", "name": name}, **parts}


def permission(role: str, **parts: object) -> list[dict]:
    """A list of one permission."""
    return [{"role": role, "permission": parts}]
