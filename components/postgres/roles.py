"""Which roles a stack's Postgres has, and what each may do. Pure.

=============  ======  ==========================================================================================
role           log in  what it is for
=============  ======  ==========================================================================================
superuser      yes     the deployment: roles, databases, extensions
owner          no      owns the databases, so that nobody who logs in for the engine can drop them
engine's role  no      may connect, create schemas and tables in both databases; owns what migrations make
a login        yes     what the engine logs in as; every session acts as the engine's role
=============  ======  ==========================================================================================

PostgreSQL knows one password a role. So that an engine with the new password can start while one with the old still
serves, a rotation makes another login, and the old one goes when the new engine is healthy. What Hasura needs of the
engine's role: https://hasura.io/docs/2.0/deployment/postgres-requirements/.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

SUPERUSER: Final = "postgres"
DATABASE_PRIVILEGES: Final = ("CONNECT", "CREATE", "TEMPORARY")
"""Of the engine's role on both databases. CREATE is for schemas: hdb_catalog, and those of migrations."""
SCHEMA_PRIVILEGES: Final = ("CREATE", "USAGE")
"""Of the engine's role on the schema public of both databases."""

_WORD_DIGITS: Final = 8


def owner_name(role: str) -> str:
    """The owner of the databases in which the engine acts as ``role``."""
    return f"{role}_owner"


def login_name(role: str, rotation: str) -> str:
    """The login of a rotation's word: the engine's role with eight hexadecimal digits."""
    return f"{role}_{hashlib.sha256(rotation.encode()).hexdigest()[:_WORD_DIGITS]}"


def retired(role: str, current: str, existing: list[str]) -> list[str]:
    """Those of the ``existing`` roles that are logins of the engine's role and not the ``current`` one."""
    name = re.compile(rf"{re.escape(role)}_[0-9a-f]{{{_WORD_DIGITS}}}")
    return sorted(each for each in existing if name.fullmatch(each) and each != current)
