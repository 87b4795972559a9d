"""The table in which every user has a row, and what is asked of it in a proof. Pure: no I/O.

Values stand in the documents themselves, as literals: of a variable one would have to know the type, and the
column of the user's id may be ``text``, ``varchar`` or anything else that holds Clerk's ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from components.clerk.claims import Json

if TYPE_CHECKING:
    from components.settings import ProofSettings

USER: str = "{user}"
"""What stands for the user's id in the texts of ``values``."""


@dataclass(frozen=True, kw_only=True)
class UserTable:
    """A table by its names in the API.

    ``user_column`` holds Clerk's user id, ``text_column`` any text, by which throwaway rows are told apart.
    ``values`` are further columns of a throwaway row, for a table that insists on them.
    """

    name: str = "users"
    user_column: str = "id"
    text_column: str = "name"
    values: Mapping[str, Json] = field(default_factory=dict)

    @property
    def by_key(self) -> str:
        return f"{self.name}_by_pk"

    @property
    def update(self) -> str:
        return f"update_{self.name}"

    def row(self, user_id: str, text: str) -> dict[str, Json]:
        """The row of a throwaway user, as it is inserted."""
        filled = {column: _filled(value, user_id) for column, value in self.values.items()}
        return {self.user_column: user_id, self.text_column: text, **filled}

    def shown(self, user_id: str, text: str) -> dict[str, Json]:
        """What a user sees of it."""
        return {self.user_column: user_id, self.text_column: text}

    # Asked by users

    def all_rows(self) -> str:
        return f"query Own {{ {self.name} {self._columns} }}"

    def rows_of(self, user_id: str) -> str:
        return f"query Where {{ {self.name}({self._where(user_id)}) {self._columns} }}"

    def row_by_key(self, user_id: str) -> str:
        key = f"{self.user_column}: {json.dumps(user_id)}"
        return f"query ByKey {{ {self.by_key}({key}) {self._columns} }}"

    def change(self, user_id: str, text: str) -> str:
        set_ = f"_set: {{{self.text_column}: {json.dumps(text)}}}"
        return f"mutation Change {{ {self.update}({self._where(user_id)}, {set_}) {{ affected_rows }} }}"

    # Asked by the administrator

    def insert(self) -> str:
        """Takes the rows as variable ``rows``."""
        kind = f"[{self.name}_insert_input!]!"
        return f"mutation Insert($rows: {kind}) {{ insert_{self.name}(objects: $rows) {{ affected_rows }} }}"

    def delete(self, user_ids: Iterable[str]) -> str:
        return f"mutation Delete {{ delete_{self.name}({self._among(user_ids)}) {{ affected_rows }} }}"

    def read(self, user_ids: Iterable[str]) -> str:
        return f"query Read {{ {self.name}({self._among(user_ids)}) {self._columns} }}"

    @property
    def _columns(self) -> str:
        return f"{{ {self.user_column} {self.text_column} }}"

    def _where(self, user_id: str) -> str:
        return f"where: {{{self.user_column}: {{_eq: {json.dumps(user_id)}}}}}"

    def _among(self, user_ids: Iterable[str]) -> str:
        return f"where: {{{self.user_column}: {{_in: {json.dumps(list(user_ids))}}}}}"


def table_outputs(settings: ProofSettings) -> dict[str, str]:
    """The stack's output that ``read_table`` reads; none for the usual table."""
    table = UserTable(
        name=settings.table,
        user_column=settings.user_column,
        text_column=settings.text_column,
        values=settings.row,
    )
    return {} if table == UserTable() else {"proofTable": json.dumps(asdict(table), sort_keys=True)}


def read_table(text: str) -> UserTable:
    """The table of the output ``proofTable``; an empty text is the usual one."""
    return UserTable(**json.loads(text)) if text else UserTable()


def _filled(value: Json, user_id: str) -> Json:
    if isinstance(value, str):
        return value.replace(USER, user_id)
    if isinstance(value, Mapping):
        return {key: _filled(item, user_id) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, user_id) for item in value]
    return value
