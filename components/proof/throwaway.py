"""Users that exist for one proof: marked, signed in, and removed whatever happens.

A mark has three parts, and only a user with all three is ever removed: the address, the external id, and an
entry of the private metadata, which also says which process made the user.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.clerk.answers import User
from components.clerk.claims import Json
from components.clerk.client import ClerkClient
from components.clerk.errors import ClerkError
from components.clerk.frontend import FrontendClient
from components.clerk.keys import KeyKind

from .cases import Person
from .problems import ProofError
from .rows import EngineRefusal, ThrowawayRows

MARK: Final = "clerk-hasura-proof"
_METADATA_KEY: Final = "clerk_hasura_proof"

STALE_AFTER: Final = 900.0
"""Seconds after which another machine's throwaway users count as left over."""

ABANDONED_AFTER: Final = 7 * 86_400.0
"""Seconds after which those of another engine do: until then they lead its next proof to their rows."""

Notice = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the proof: its random name, the process that runs it, and the catalog of the engine in which
    its rows are."""

    name: str
    host: str
    process: int
    engine: str = ""

    def mark(self, label: str) -> dict[str, Json]:
        """The entry of a user's private metadata."""
        return {
            _METADATA_KEY: {
                "run": self.name,
                "host": self.host,
                "process": self.process,
                "engine": self.engine,
                "label": label,
            }
        }


def new_run() -> Run:
    return Run(name=secrets.token_hex(6), host=this_machine(), process=os.getpid())


def this_machine() -> str:
    """Where a process id means this process: machines of a pool may have one name, and containers do."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts += [
            Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            str(Path("/proc/self/ns/pid").readlink()),
        ]
    return " ".join(parts)


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """The people of a run, and the way in which their tokens were got."""

    people: tuple[Person, Person]
    way: str


@contextmanager
def people(
    run: Run,
    *,
    clerk: ClerkClient,
    frontend_api_url: str,
    kind: KeyKind,
    rows: ThrowawayRows,
    template: str,
    notice: Notice,
) -> Iterator[SignedIn]:
    """Two users, signed in, with a row each; gone afterwards, also after an error or an interruption.

    On a development instance (``kind`` test) the Backend API opens the sessions where the frontend API cannot
    be used from here. Raises ProofError, and ClerkError from Clerk.
    """
    made: list[str] = []
    rows_made = False
    try:
        users = [_create(clerk, run, label, made) for label in ("A", "B")]
        names = {user.id: f"{MARK} {run.name} {label}" for user, label in zip(users, ("A", "B"), strict=True)}
        rows_made = True
        try:
            rows.insert(names)
        except EngineRefusal:
            rows_made = False
            raise
        tokens, way = _tokens(clerk, frontend_api_url, users, template, kind=kind, notice=notice)
        first, second = (
            Person(label=label, user_id=user.id, row_name=names[user.id], token=token)
            for label, user, token in zip(("A", "B"), users, tokens, strict=True)
        )
        yield SignedIn(people=(first, second), way=way)
    finally:
        with _uninterrupted():
            ids = _all_of(run, made, clerk, notice)
            if not rows_made or _rows_removed(ids, rows, notice):
                _remove_users(ids, clerk, notice)


def remove_leftovers(clerk: ClerkClient, rows: ThrowawayRows, engine: str) -> int:
    """Remove the users and rows of runs that were killed; how many users there were."""
    now = time.time()
    stale = [u for u in clerk.users(query=MARK) if is_left_over(u, now=now, alive=_is_alive, engine=engine)]
    rows.delete([user.id for user in stale])
    for user in stale:
        _delete_user(clerk, user.id)
    return len(stale)


def is_left_over(user: User, *, now: float, alive: Callable[[int], bool], engine: str) -> bool:
    """Whether a user is a throwaway one whose run is over.

    A run of this machine is over when its process is gone; one of another machine after STALE_AFTER seconds.
    Several stacks may share an instance of Clerk: the users of another ``engine`` wait for ABANDONED_AFTER.
    """
    mark = _mark_of(user)
    if mark is None:
        return False
    age = now - user.created_at
    if mark.get("engine") != engine:
        return age > ABANDONED_AFTER
    if age > STALE_AFTER:
        return True
    process = mark.get("process")
    return (
        mark.get("host") == this_machine()
        and isinstance(process, int)
        and process != os.getpid()
        and not alive(process)
    )


def _mark_of(user: User) -> Mapping[str, Json] | None:
    metadata = user.private_metadata.get(_METADATA_KEY)
    by_address = any(a.startswith(f"{MARK}-") and "+clerk_test@" in a for a in user.email_addresses)
    if by_address and (user.external_id or "").startswith(f"{MARK}-") and isinstance(metadata, Mapping):
        return metadata
    return None


def _create(clerk: ClerkClient, run: Run, label: str, made: list[str]) -> User:
    name = f"{MARK}-{run.name}-{label.lower()}"
    user = clerk.create_user(
        # Clerk sends nothing to addresses with this suffix.
        email_address=f"{name}+clerk_test@example.com",
        external_id=name,
        private_metadata=run.mark(label),
    )
    made.append(user.id)
    return user


def _tokens(
    clerk: ClerkClient,
    frontend_api_url: str,
    users: Sequence[User],
    template: str,
    *,
    kind: KeyKind,
    notice: Notice,
) -> tuple[list[str], str]:
    try:
        with _missing_template_told(template):
            testing_token = clerk.create_testing_token()
            tokens = []
            for user in users:
                with FrontendClient(
                    frontend_api_url, kind=kind, testing_token=testing_token, notice=notice
                ) as browser:
                    session_id = browser.sign_in_by_ticket(clerk.create_sign_in_token(user.id))
                    tokens.append(browser.token(session_id, template))
        return tokens, "frontend API, by getToken's own call"
    except ClerkError as error:
        if kind == "live":
            # There are no other sessions on a production instance.
            raise
        reason = error.code
    with _missing_template_told(template):
        tokens = [clerk.session_token(clerk.create_session(user.id).id, template) for user in users]
    return tokens, f"Backend API (the frontend API gave no sign-in from here: {reason})"


@contextmanager
def _missing_template_told(template: str) -> Iterator[None]:
    try:
        yield
    except ClerkError as error:
        if error.status == 404 and "/tokens/" in error.request:
            raise ProofError(
                f"Clerk has no JWT template named {template!r}, by which front ends ask for tokens. "
                "Run `pulumi refresh`, then `pulumi up`."
            ) from None
        raise


def _all_of(run: Run, made: Sequence[str], clerk: ClerkClient, notice: Notice) -> list[str]:
    """The ids of a run's users, also of one whose creation was carried out while its answer was lost."""
    try:
        found = clerk.users(query=f"{MARK}-{run.name}")
    except ClerkError as error:
        notice(f"Cannot look for throwaway users: {error}")
        return list(made)
    marked = [user.id for user in found if (_mark_of(user) or {}).get("run") == run.name]
    return [*made, *(user_id for user_id in marked if user_id not in made)]


def _rows_removed(ids: Sequence[str], rows: ThrowawayRows, notice: Notice) -> bool:
    try:
        rows.delete(ids)
    except ProofError as error:
        # The users stay as well: they are the trace by which the next run finds the rows.
        notice(f"Rows of throwaway users are left; the next proof removes them. {error}")
        return False
    return True


def _remove_users(ids: Sequence[str], clerk: ClerkClient, notice: Notice) -> None:
    for user_id in ids:
        try:
            _delete_user(clerk, user_id)
        except ClerkError as error:
            notice(f"The throwaway user {user_id} is left; the next proof removes it. {error}")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let the removal finish: a second Ctrl-C would leave users behind. Only the main thread gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _delete_user(clerk: ClerkClient, user_id: str) -> None:
    try:
        clerk.delete_user(user_id)
    except ClerkError as error:
        if error.status != 404:
            raise


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
