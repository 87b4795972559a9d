"""One local Clerk instance: its keys, and what sessions, tokens and deletions do to its records."""

from __future__ import annotations

import secrets
from dataclasses import replace

from local.clerk import errors, tokens
from local.clerk.parameters import DEFAULT_LIFETIME, DEFAULT_SKEW
from local.clerk.settings import Settings
from local.clerk.state import (
    Client,
    Instance,
    Session,
    SignIn,
    SigningKey,
    SignInToken,
    Store,
    Template,
    User,
    new_id,
    now_ms,
)

SESSION_LIFETIME_MS = 7 * 24 * 3600 * 1000


class LocalInstance:
    """The instance behind both APIs. Opening a fresh data folder makes its id and signing key."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.data)
        records = self.store.all(Instance)
        self.record = records[0] if records else self._found()

    def _found(self) -> Instance:
        now = now_ms()
        record = Instance(id=new_id("ins"), domain_id=new_id("dmn"), session_template_id=new_id("jtmpl"))
        session_template = Template(
            id=record.session_template_id,
            name="__session",
            claims={},
            lifetime=DEFAULT_LIFETIME,
            allowed_clock_skew=DEFAULT_SKEW,
            custom_signing_key=False,
            signing_algorithm="RS256",
            signing_key=None,
            created_at=now,
            updated_at=now,
        )
        self.store.save_together(tokens.new_signing_key(record.id), session_template, record)
        return record

    def templates(self) -> list[Template]:
        """The JWT templates, oldest first, without the session token's own."""
        hidden = self.record.session_template_id
        return [template for template in self.store.all(Template) if template.id != hidden]

    def jwks(self) -> dict[str, object]:
        """The public keys as a JWKS."""
        return tokens.jwks(self.store.all(SigningKey))

    def rotate_key(self, *, keep_old: bool) -> SigningKey:
        """Sign with a fresh key from now on; the former keys stay in the JWKS or leave it."""
        former = self.store.all(SigningKey)
        key = self.store.save(tokens.new_signing_key(new_id("ins")))
        if not keep_old:
            for old in former:
                self.store.delete(old)
        return key

    def new_client(self) -> Client:
        """A client without sessions."""
        now = now_ms()
        return self.store.save(
            Client(
                id=new_id("client"),
                cookie=secrets.token_urlsafe(32),
                last_active_session_id=None,
                created_at=now,
                updated_at=now,
            )
        )

    def start_session(self, user: User, client: Client) -> Session:
        """Sign `user` in at `client`; the new session is the client's active one."""
        now = now_ms()
        session = self.store.save(
            Session(
                id=new_id("sess"),
                user_id=user.id,
                client_id=client.id,
                status="active",
                created_at=now,
                updated_at=now,
                expire_at=now + SESSION_LIFETIME_MS,
            )
        )
        self.store.save(replace(client, last_active_session_id=session.id, updated_at=now))
        self.store.save(replace(user, last_sign_in_at=now))
        return session

    def finish_session(self, session: Session, status: str) -> Session:
        """Give the session a final status: revoked, ended or removed."""
        now = now_ms()
        client = self.store.find(Client, session.client_id)
        if client is not None and client.last_active_session_id == session.id:
            self.store.save(replace(client, last_active_session_id=None, updated_at=now))
        return self.store.save(replace(session, status=status, updated_at=now))

    def session(self, session_id: str) -> Session | None:
        """The session, `expired` if its time is over."""
        session = self.store.find(Session, session_id)
        return None if session is None else _at_present(session)

    def sessions(self) -> list[Session]:
        """All sessions, oldest first."""
        return [_at_present(session) for session in self.store.all(Session)]

    def delete_user(self, user: User) -> None:
        """Remove the user with sessions, sign-ins and tickets."""
        records: list[Session | SignIn | SignInToken] = [
            *self.store.all(Session),
            *self.store.all(SignIn),
            *self.store.all(SignInToken),
        ]
        for record in records:
            if record.user_id == user.id:
                self.store.delete(record)
        self.store.delete(user)

    def mint(
        self, session: Session, *, template_name: str | None, origin: str | None, lifetime: int | None = None
    ) -> str:
        """A token for an active session: of the named template, or a session token if there is none.

        Raises ApiError 404 for an unknown template.
        """
        user = self.store.find(User, session.user_id)
        if user is None:
            raise errors.not_found("not found", f"No user was found with id {session.user_id}")
        key = self.store.all(SigningKey)[-1]
        issuer = self.settings.public_url
        if template_name is None:
            own = self.store.find(Template, self.record.session_template_id)
            assert own is not None  # noqa: S101
            return tokens.session_token(
                session=session,
                template=own,
                user=user,
                key=key,
                issuer=issuer,
                origin=origin,
                lifetime=lifetime,
            )
        for template in self.templates():
            if template.name == template_name:
                return tokens.template_token(
                    template=template, user=user, key=key, issuer=issuer, origin=origin, lifetime=lifetime
                )
        raise errors.not_found("JWT template not found", f"No JWT template exists with name: {template_name}")


def _at_present(session: Session) -> Session:
    if session.status == "active" and session.expire_at < now_ms():
        return replace(session, status="expired")
    return session
