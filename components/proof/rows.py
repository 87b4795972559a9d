"""Rows that exist for one proof, written, read and removed with the admin secret."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from components.clerk.claims import Json
from components.hasura.client import AnswerLost, EngineUnreachable, GraphQLAnswer, HasuraClient, HasuraError
from components.hasura.json_types import Json as HasuraJson

from .problems import ProofError
from .user_table import UserTable


class EngineRefusal(ProofError):
    """The engine refused: nothing of the request was carried out."""

    def __init__(self, text: str, *, is_duplicate: bool) -> None:
        super().__init__(text)
        self.is_duplicate = is_duplicate


@dataclass(frozen=True, kw_only=True)
class ThrowawayRows:
    """The rows of throwaway users in one engine's table. Raises ProofError from every call."""

    engine: HasuraClient
    admin_secret: str = field(repr=False)
    table: UserTable

    def insert(self, texts: Mapping[str, str]) -> None:
        """A row for each user id, with its text. EngineRefusal when there is none of them afterwards."""
        purpose = "insert a row for each throwaway user"
        try:
            self._insert(texts, purpose)
        except EngineRefusal as refusal:
            if not refusal.is_duplicate:
                raise
            # Somebody else makes a row for every new user, as a webhook of Clerk does.
            self._take_over(texts, purpose)

    def _take_over(self, texts: Mapping[str, str], purpose: str) -> None:
        try:
            for user_id, text in texts.items():
                changed = self._ask(self.table.change(user_id, text), purpose).get(self.table.update)
                if not (isinstance(changed, Mapping) and changed.get("affected_rows") == 1):
                    self._insert({user_id: text}, purpose)
        except EngineRefusal as refusal:
            # Some rows are there.
            raise ProofError(str(refusal)) from None

    def _insert(self, texts: Mapping[str, str], purpose: str) -> None:
        rows = [self.table.row(user_id, text) for user_id, text in texts.items()]
        self._ask(self.table.insert(), purpose, rows=cast("list[HasuraJson]", rows))

    def read(self, user_ids: Sequence[str]) -> list[Mapping[str, Json]]:
        """The rows of these users, as the administrator sees them."""
        rows = self._ask(self.table.read(user_ids), "read").get(self.table.name)
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    def delete(self, user_ids: Sequence[str]) -> None:
        if user_ids:
            self._ask(self.table.delete(user_ids), "delete the rows of throwaway users")

    def _ask(self, query: str, purpose: str, **variables: HasuraJson) -> Mapping[str, Json]:
        what = f"{purpose}, table {self.table.name}"
        try:
            answer = self.engine.graphql(
                query, variables, headers={"X-Hasura-Admin-Secret": self.admin_secret}
            )
        except (HasuraError, EngineUnreachable, AnswerLost) as error:
            raise ProofError(
                f"Cannot {what}: {error}. Run `pulumi up`, or look at the engine's log."
            ) from None
        if answer.errors or answer.data is None:
            said = "; ".join(str(error.get("message")) for error in answer.errors) or "no data"
            raise EngineRefusal(
                f"Cannot {what}: {said} ({', '.join(answer.error_codes)}). {self._remedy(answer)}",
                is_duplicate="Uniqueness violation" in said,
            )
        return answer.data

    def _remedy(self, answer: GraphQLAnswer) -> str:
        # What Postgres says to an administrator stands within the error.
        if "row-level security" in json.dumps(list(answer.errors)):
            return (
                "Row-level security holds the role of the engine as well: give it a policy there, since what is "
                "proven are Hasura's permissions."
            )
        if "validation-failed" in answer.error_codes:
            return (
                "Check that migrations and metadata are applied: run `pulumi refresh`, then `pulumi up`. Where "
                "users have their rows in another table or other columns, name them: pulumi config set "
                "proofTable, proofUserColumn, proofTextColumn."
            )
        return (
            "Where the table insists on further columns, give throwaway rows a value for each, as: "
            "pulumi config set --path proofRow.email '{user}@example.com'"
        )
