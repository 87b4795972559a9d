"""Two users of the local Clerk with a row each, so that the page has something to show.

The rows are written with the admin secret from here: the role of the page may only read.
"""

from __future__ import annotations

from typing import Final

from components.clerk.client import ClerkClient
from components.hasura.client import HasuraClient
from components.hasura.json_types import Json
from examples.web.configuration import DemoUser

# Clerk sends nothing to addresses with this suffix.
_SUFFIX: Final = "+clerk_test@example.com"
_NAMES: Final = ("Ada Lovelace", "Grace Hopper")

_INSERT: Final = """
mutation Insert($rows: [users_insert_input!]!) {
  insert_users(objects: $rows, on_conflict: {constraint: users_pkey, update_columns: []}) { affected_rows }
}
"""


class DemoRowsError(Exception):
    """The rows of the demo users cannot be written."""


def ensure_demo_users(clerk: ClerkClient) -> list[DemoUser]:
    """Make the demo users that are not there. Raises ClerkError."""
    present = {address: user for user in clerk.users() for address in user.email_addresses}
    made = []
    for name in _NAMES:
        first_name = name.split()[0]
        email = f"{first_name.lower()}{_SUFFIX}"
        user = present.get(email) or clerk.create_user(email_address=email, first_name=first_name)
        made.append(DemoUser(name=name, email=email, id=user.id))
    return made


def ensure_rows(users: list[DemoUser], engine: HasuraClient, admin_secret: str) -> None:
    """Insert the rows that are not there; what is there stays. Raises DemoRowsError, HasuraError."""
    rows: list[Json] = [{"id": user.id, "name": user.name} for user in users]
    answer = engine.graphql(_INSERT, {"rows": rows}, headers={"X-Hasura-Admin-Secret": admin_secret})
    if answer.errors:
        said = "; ".join(str(error.get("message")) for error in answer.errors)
        raise DemoRowsError(
            f"The rows of the demo users cannot be inserted: {said}. The page works without them, but has "
            "no row to show. They need a table users with the columns id and name."
        )
