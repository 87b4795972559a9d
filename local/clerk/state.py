"""What the local Clerk remembers: records in one SQLite file that only its owner can read."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import string
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from local.clerk.shortcodes import Json

_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """A fresh id in Clerk's manner, for example `user_` and 27 letters or digits."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(27))


def now_ms() -> int:
    """The present time in milliseconds since 1970, the unit of Clerk's timestamps."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, kw_only=True)
class Template:
    """A JWT template; `lifetime` and `allowed_clock_skew` in seconds."""

    id: str
    name: str
    claims: dict[str, Json]
    lifetime: int
    allowed_clock_skew: int
    custom_signing_key: bool
    signing_algorithm: str
    signing_key: str | None = field(repr=False)
    created_at: int
    updated_at: int


@dataclass(frozen=True, kw_only=True)
class User:
    """A user; every e-mail address counts as verified, the first one is the primary."""

    id: str
    email_addresses: list[str]
    external_id: str | None
    first_name: str | None
    last_name: str | None
    public_metadata: dict[str, Json]
    private_metadata: dict[str, Json]
    unsafe_metadata: dict[str, Json]
    created_at: int
    updated_at: int
    last_sign_in_at: int | None


@dataclass(frozen=True, kw_only=True)
class Client:
    """A browser (or the Backend API) that holds sessions; `cookie` identifies it."""

    id: str
    cookie: str = field(repr=False)
    last_active_session_id: str | None
    created_at: int
    updated_at: int


@dataclass(frozen=True, kw_only=True)
class Session:
    """A signed-in user at one client."""

    id: str
    user_id: str
    client_id: str
    status: str
    created_at: int
    updated_at: int
    expire_at: int


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """An attempt to sign in that waits for its first factor."""

    id: str
    client_id: str
    user_id: str
    created_at: int


@dataclass(frozen=True, kw_only=True)
class SignInToken:
    """A ticket that signs its user in once."""

    id: str
    user_id: str
    token: str = field(repr=False)
    status: str
    created_at: int
    updated_at: int
    expire_at: int


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A private RSA key as PEM; its id is the `kid`. The newest one signs, all are in the JWKS."""

    id: str
    pem: str = field(repr=False)
    created_at: int


@dataclass(frozen=True, kw_only=True)
class Instance:
    """The Clerk instance itself."""

    id: str
    domain_id: str
    session_template_id: str


Record = Template | User | Client | Session | SignIn | SignInToken | SigningKey | Instance
R = TypeVar("R", Template, User, Client, Session, SignIn, SignInToken, SigningKey, Instance)


class Store:
    """Records by type and id. Every change is on disk when the call returns."""

    def __init__(self, directory: Path) -> None:
        """Open or make `clerk.sqlite` in `directory`, with mode 0600 as it holds private keys."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "clerk.sqlite"
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
        # One event loop uses the connection; tests start that loop in a thread of its own.
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute(
            "create table if not exists record (position integer primary key, kind text not null,"
            " id text not null, body text not null, unique (kind, id))"
        )

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def save(self, record: R) -> R:
        """Insert `record`, or replace the one of its type and id in place."""
        self._write(record)
        return record

    def save_together(self, *records: Record) -> None:
        """Save all of them or, if the process dies, none."""
        self._database.execute("begin")
        for record in records:
            self._write(record)
        self._database.execute("commit")

    def _write(self, record: Record) -> None:
        self._database.execute(
            "insert into record (kind, id, body) values (?, ?, ?)"
            " on conflict (kind, id) do update set body = excluded.body",
            (type(record).__name__, record.id, json.dumps(asdict(record))),
        )

    def find(self, kind: type[R], record_id: str) -> R | None:
        """The record of that id, or None."""
        row = self._database.execute(
            "select body from record where kind = ? and id = ?", (kind.__name__, record_id)
        ).fetchone()
        return None if row is None else kind(**json.loads(row[0]))

    def all(self, kind: type[R]) -> list[R]:
        """All records of a type, oldest first."""
        rows = self._database.execute(
            "select body from record where kind = ? order by position", (kind.__name__,)
        )
        return [kind(**json.loads(body)) for (body,) in rows]

    def delete(self, record: Record) -> None:
        """Remove the record, if it is there."""
        self._database.execute(
            "delete from record where kind = ? and id = ?", (type(record).__name__, record.id)
        )
