"""The superuser's password of a stack's own Postgres, which outlives every container and so cannot be set by one.

The image sets a password when it initialises an empty volume, and never again. That first one is handed to it in a
file, and is replaced here at once, so what lies in the container opens nothing.
"""

from __future__ import annotations

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from components.postgres.roles import SUPERUSER
from components.postgres.server import Server, Unreachable, WrongPassword, execute, verifier
from components.provider_error import ProviderError, told_plainly, warn

PROPS = ("host", "port", "container", "container_id", "initial_file", "initial", "password")


def set_password(server: Server, password: str, former: list[str]) -> None:
    """Makes ``password`` the superuser's, whichever it is now.

    Safe to repeat after a death at any moment: the new password is tried before the ``former`` ones.

    :raises WrongPassword: when the server takes neither.
    :raises ProviderError: when it does not answer, or refuses.
    """
    from psycopg import sql

    if server.takes(password):
        return
    with server.session(former) as connection:
        execute(
            connection,
            "alter role {role} password {verifier}",
            role=sql.Identifier(SUPERUSER),
            verifier=verifier(connection, SUPERUSER, password),
        )


class SuperuserPasswordProvider(ResourceProvider):
    """Inputs: ``host``, ``port``; ``container`` (its name) and ``container_id``; ``initial`` (the password of an
    empty volume) and ``initial_file`` (where the container has it); ``password``. Outputs are the inputs. The state
    refers to this class by its import path.
    """

    @told_plainly
    def create(self, props: dict[str, object]) -> CreateResult:
        """Replaces the first password."""
        self._set(props, [str(props["initial"])])
        return CreateResult(id_=str(props["container"]), outs=_plain(props))

    @told_plainly
    def update(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> UpdateResult:
        """Replaces the password that was, or the first one where the volume is new."""
        self._set(news, [str(olds.get("password") or ""), str(news["initial"])])
        return UpdateResult(outs=_plain(news))

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """Another password, and another container, whose volume may be another too."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in PROPS))

    @told_plainly
    def read(self, id_: str, props: dict[str, object]) -> ReadResult:
        """The password, if it still opens the server; none if somebody else has changed it."""
        found = _plain(props)
        try:
            if not Server.of(props).takes(str(props["password"])):
                found["password"] = ""
        except Unreachable as error:
            warn(f"{error} The superuser's password is taken to be as it was.")
        return ReadResult(id_, found, found)

    def delete(self, _id: str, _props: dict[str, object]) -> None:
        """Nothing: the password goes with the volume."""

    @staticmethod
    def _set(props: dict[str, object], former: list[str]) -> None:
        try:
            set_password(Server.of(props), str(props["password"]), former)
        except WrongPassword as error:
            raise ProviderError(
                f"{error}, neither the one that this stack keeps nor the first one of its volume: somebody else has "
                "set it. This puts the first one back, from which `pulumi up` goes on:\n"
                f'    docker exec {props["container"]} sh -c "psql -U {SUPERUSER} -c \\"alter role {SUPERUSER} '
                f"password '\\$(cat {props['initial_file']})'\\\"\""
            ) from None


def _plain(props: dict[str, object]) -> dict[str, object]:
    return {key: props[key] for key in PROPS}


class SuperuserPassword(Resource, module="postgres", name="SuperuserPassword"):
    """The superuser's password is in force."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: str,
        port: int,
        container: str,
        container_id: pulumi.Input[str],
        initial_file: str,
        initial: pulumi.Input[str],
        password: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """See the provider for what goes in; ``initial`` and ``password`` are Pulumi secrets."""
        super().__init__(
            SuperuserPasswordProvider(),
            resource_name,
            {
                "host": host,
                "port": port,
                "container": container,
                "container_id": container_id,
                "initial_file": initial_file,
                "initial": initial,
                "password": password,
            },
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["initial", "password"])
            ),
        )
