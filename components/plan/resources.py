"""What it means for the stack's users that a resource is created, changed, replaced or deleted. Pure.

The table is the documentation: one row a kind of resource. A kind that is not in it is taken to interrupt when it is
replaced and to be missed when it is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from components.hasura.json_types import Json
from components.plan import tokens
from components.plan.changes import PlannedChange, Risk
from components.plan.events import STACK, UNKNOWN, State, Step
from components.plan.redaction import SECRET
from components.schema.words import code, shortened

MIGRATIONS: Final = "pulumi-python:dynamic/hasura:Migrations"
METADATA: Final = "pulumi-python:dynamic/hasura:Metadata"
PROOF: Final = "pulumi-python:dynamic/proof:RowIsolation"

Operation = Literal["create", "update", "replace", "delete"]


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What one operation does: a risk, and a sentence without an end."""

    risk: Risk = Risk.NONE
    says: str = ""


@dataclass(frozen=True, kw_only=True)
class ResourceKind:
    """A kind of resource: what people call it, and what an operation on it means; what is not here means nothing
    to anybody. `told_elsewhere` are the properties whose changes have words of their own in a plan."""

    noun: str
    create: Meaning = field(default_factory=Meaning)
    update: Meaning = field(default_factory=Meaning)
    replace: Meaning = field(default_factory=Meaning)
    delete: Meaning = field(default_factory=Meaning)
    told_elsewhere: tuple[str, ...] = ()


def _container(noun: str, *, away: str, back: str) -> ResourceKind:
    return ResourceKind(
        noun=noun,
        create=Meaning(says="started"),
        update=Meaning(says="changed while it runs; nothing is interrupted"),
        replace=Meaning(risk=Risk.INTERRUPTS, says=f"{away} until its successor is healthy ({back})"),
        delete=Meaning(risk=Risk.NARROWS, says=f"{away} any more"),
    )


_FILES: Final = ResourceKind(
    noun="volume of files",
    replace=Meaning(says="its files are the configuration's and are written again"),
    delete=Meaning(says="its files are the configuration's"),
)

KINDS: Final[Mapping[str, ResourceKind]] = {
    "docker:index/container:Container": ResourceKind(
        noun="container",
        update=Meaning(says="changed while it runs; nothing is interrupted"),
        replace=Meaning(
            risk=Risk.INTERRUPTS, says="it is removed before its successor starts: away for seconds"
        ),
        delete=Meaning(risk=Risk.NARROWS, says="what it serves is gone"),
    ),
    "docker:index/container:Container/hasura": _container(
        "engine's container",
        away="the API does not answer",
        back="seconds: the old one goes before the new one starts",
    ),
    "docker:index/container:Container/postgres": _container(
        "database's container",
        away="neither database nor API answers",
        back="a clean shutdown and a start; the rows are in the volume and stay",
    ),
    "docker:index/container:Container/clerk": _container(
        "local Clerk's container",
        away="nobody can sign in",
        back="seconds; its users are in the volume and stay",
    ),
    "docker:index/container:Container/caddy": _container(
        "Caddy's container",
        away="the API cannot be reached through it",
        back="seconds; its certificates are in the volume and stay",
    ),
    "docker:index/volume:Volume/caddy-certificates": ResourceKind(
        noun="volume of certificates",
        replace=Meaning(says="certificates are obtained anew, which authorities allow a few times a week"),
        delete=Meaning(says="certificates are obtained anew, should they be needed again"),
    ),
    "docker:index/volume:Volume": ResourceKind(
        noun="volume",
        replace=Meaning(risk=Risk.DESTROYS, says="whatever is in it is lost; the new one is empty"),
        delete=Meaning(risk=Risk.DESTROYS, says="whatever is in it is lost"),
    ),
    "docker:index/volume:Volume/postgres-files": _FILES,
    "docker:index/volume:Volume/hasura-files": _FILES,
    "docker:index/volume:Volume/caddy-files": _FILES,
    "docker:index/network:Network": ResourceKind(
        noun="network",
        replace=Meaning(risk=Risk.INTERRUPTS, says="all containers of the stack lose their connections"),
        delete=Meaning(risk=Risk.NARROWS, says="containers do not reach each other any more"),
    ),
    "docker:index/remoteImage:RemoteImage": ResourceKind(
        noun="image", delete=Meaning(says="it stays on the host")
    ),
    "pulumi-python:dynamic/docker:ContainerHealth": ResourceKind(
        noun="health", update=Meaning(says="waits until the container is healthy")
    ),
    "pulumi-python:dynamic/docker:PidsLimit": ResourceKind(
        noun="limit of processes",
        create=Meaning(says="in force at once; nothing is interrupted"),
        update=Meaning(says="in force at once; nothing is interrupted"),
    ),
    "pulumi-python:dynamic/docker:VolumeFiles": ResourceKind(
        noun="files", update=Meaning(says="written anew; what has read them keeps what it read")
    ),
    "pulumi-python:dynamic/docker:NetworkAttachment": ResourceKind(
        noun="further network of a container",
        create=Meaning(says="joined while the container runs; nothing is interrupted"),
        update=Meaning(says="joined again; nothing is interrupted"),
        replace=Meaning(says="another one is joined before the one that was is left"),
        delete=Meaning(says="left while the container runs; whoever reaches it there moves first"),
    ),
    "pulumi-python:dynamic/hasura:EngineTrial": ResourceKind(
        noun="engine's trial",
        create=Meaning(
            says="held where an engine serves already: if the new one does not start, the old one stays"
        ),
        update=Meaning(
            says="held beside the engine that serves: if the new one does not start, the old one stays"
        ),
        # The container repeats what is told where it changes.
        told_elsewhere=("environment", "image", "command", "files", "digests"),
    ),
    "pulumi-python:dynamic/docker:SwarmService": ResourceKind(
        noun="engine's service",
        create=Meaning(says="its replicas are started"),
        update=Meaning(
            says="each replica starts before the one that it replaces stops; if one does not start, all stay as "
            "they were"
        ),
        replace=Meaning(
            risk=Risk.INTERRUPTS, says="a service of another name is started, and the old one then removed"
        ),
        delete=Meaning(risk=Risk.NARROWS, says="the API does not answer any more"),
        told_elsewhere=("secrets",),
    ),
    "pulumi-python:dynamic/ingress:CaddyReload": ResourceKind(
        noun="Caddy's configuration",
        create=Meaning(says="read by Caddy"),
        update=Meaning(says="read by Caddy while it serves; idle connections are closed"),
        told_elsewhere=("digests", "container_id"),
    ),
    "pulumi-python:dynamic/hasura:Replicas": ResourceKind(
        noun="replicas",
        create=Meaning(says="waits until each is consistent"),
        update=Meaning(says="waits until each is consistent"),
        replace=Meaning(says="waits until each is consistent"),
        told_elsewhere=("metadata", "revision"),
    ),
    "pulumi-python:dynamic/postgres:SuperuserPassword": ResourceKind(
        noun="superuser's password",
        create=Meaning(says="takes the place of the one that the volume was made with"),
        update=Meaning(says="changed at the server; sessions stay"),
    ),
    "pulumi-python:dynamic/postgres:EngineLogin": ResourceKind(
        noun="engine's login",
        create=Meaning(says="made"),
        update=Meaning(says="made beside the one that is in use"),
    ),
    "pulumi-python:dynamic/postgres:RetiredLogins": ResourceKind(
        noun="engine's former logins",
        create=Meaning(says="removed, where there are any, once the engine is healthy"),
        update=Meaning(says="removed, where there are any, once the engine is healthy"),
    ),
    "pulumi-python:dynamic/secret:GeneratedSecret": ResourceKind(
        noun="secret",
        create=Meaning(says="drawn at random"),
        replace=Meaning(
            risk=Risk.NARROWS, says="another value is drawn: whoever uses the old one is refused"
        ),
        delete=Meaning(risk=Risk.NARROWS, says="forgotten: whoever uses it is refused"),
    ),
    "postgresql:index/database:Database": ResourceKind(
        noun="database",
        replace=Meaning(risk=Risk.DESTROYS, says="dropped with all its rows; the new one is empty"),
        delete=Meaning(risk=Risk.DESTROYS, says="dropped with all its rows"),
    ),
    "postgresql:index/schema:Schema": ResourceKind(
        noun="schema",
        replace=Meaning(risk=Risk.DESTROYS, says="dropped with what is in it"),
        delete=Meaning(risk=Risk.DESTROYS, says="dropped with what is in it"),
    ),
    "postgresql:index/extension:Extension": ResourceKind(
        noun="extension",
        replace=Meaning(
            risk=Risk.INTERRUPTS, says="dropped and created again: what depends on it stops that"
        ),
        delete=Meaning(risk=Risk.NARROWS, says="dropped: what uses its functions fails"),
    ),
    "postgresql:index/role:Role": ResourceKind(
        noun="database role",
        replace=Meaning(risk=Risk.INTERRUPTS, says="who logs in as it is refused in between"),
        delete=Meaning(risk=Risk.NARROWS, says="who logs in as it is refused"),
    ),
    "postgresql:index/grant:Grant": ResourceKind(
        noun="grant",
        create=Meaning(risk=Risk.WIDENS, says="a database role gets privileges"),
        update=Meaning(risk=Risk.WIDENS, says="a database role has other privileges"),
        replace=Meaning(risk=Risk.WIDENS, says="a database role has other privileges"),
        delete=Meaning(risk=Risk.NARROWS, says="a database role loses privileges"),
    ),
    tokens.TEMPLATE: ResourceKind(
        noun="JWT template",
        create=Meaning(says="made at Clerk, or taken over where `adoptTemplate` asks for it"),
        update=Meaning(says="tokens fetched from then on are other ones"),
        replace=Meaning(
            risk=Risk.NARROWS,
            says="it moves to another Clerk instance, whose users are others; the old one goes last",
        ),
        told_elsewhere=(
            "name",
            "claims",
            "lifetime",
            "allowed_clock_skew",
            "signing_key",
            "signing_algorithm",
            "claims_namespace",
            "api_url",
            "publishable_key",
        ),
    ),
    MIGRATIONS: ResourceKind(
        noun="migrations",
        create=Meaning(says="each that runs locks the tables that it changes until its end"),
        update=Meaning(says="each that runs locks the tables that it changes until its end"),
        delete=Meaning(says="no longer managed; tables, rows and ledger stay"),
        replace=Meaning(says="looked at again; what has run does not run again"),
        told_elsewhere=("migrations", "seeds", "settings", "catalog_state", "plan"),
    ),
    METADATA: ResourceKind(
        noun="metadata",
        create=Meaning(says="written to the engine"),
        update=Meaning(says="the API is another one at once; nothing is interrupted"),
        delete=Meaning(says="no longer managed; the engine keeps it"),
        replace=Meaning(says="written again"),
        told_elsewhere=("metadata", "after"),
    ),
    PROOF: ResourceKind(
        noun="proof of row isolation",
        create=Meaning(says="made with two throwaway users; a line that fails, fails the deployment"),
        update=Meaning(says="made again with two throwaway users; a line that fails, fails the deployment"),
        replace=Meaning(says="made again with two throwaway users; a line that fails, fails the deployment"),
        delete=Meaning(risk=Risk.UNGUARDS, says="deployments are not proven any more"),
        # The chain repeats what is told where it changes, as digests and ids.
        told_elsewhere=("chain", "stack", "jwt_secret", "admin_secret"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """A resource and what becomes of it. `changed` are its properties with their values where they can be shown."""

    operation: Operation
    noun: str
    name: str
    meaning: Meaning
    changed: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """As a sentence without an end."""
        done = {"create": "created", "update": "changed", "replace": "replaced", "delete": "deleted"}
        return f"{self.noun} {code(self.name)} is {done[self.operation]}: {self.meaning.says}"


def kind_of(type_: str, name: str) -> ResourceKind:
    """The kind of a resource by its type token and, where that matters, its name."""
    known = KINDS.get(f"{type_}/{name}") or KINDS.get(type_)
    if known:
        return known
    return ResourceKind(
        noun=type_.rsplit(":", 1)[-1],
        replace=Meaning(risk=Risk.INTERRUPTS, says="what it serves is away in between"),
        delete=Meaning(risk=Risk.NARROWS, says="what it serves is gone"),
    )


def is_shown(type_: str) -> bool:
    """Whether a resource is a thing of its own: not the stack, a component or a provider."""
    return type_ != STACK and not type_.startswith(("clerk-hasura:", "pulumi:providers:"))


def change(step: Step) -> ResourceChange | None:
    """What a step does, or None where it does nothing that anybody could see."""
    if step.operation not in ("create", "update", "replace", "delete") or not is_shown(step.type):
        return None
    kind = kind_of(step.type, step.name)
    meaning: Meaning = getattr(kind, step.operation)
    if step.type == METADATA and step.operation == "update" and "metadata" not in step.changed:
        meaning = Meaning(says="looked at again, after the migrations; nothing is interrupted")
    if step.operation == "delete" and step.before and step.before.kept_on_delete:
        meaning = Meaning(says="no longer managed; the thing itself stays")
    shown = [p for p in step.changed if p not in kind.told_elsewhere]
    return ResourceChange(
        operation=step.operation,
        noun=kind.noun,
        name=step.name,
        meaning=meaning,
        changed=properties(step.before, step.after, shown),
    )


def risky(found: ResourceChange) -> PlannedChange | None:
    """The change among those that are told by risk, or None where there is none."""
    if found.meaning.risk is Risk.NONE:
        return None
    return PlannedChange(risk=found.meaning.risk, topic="resource", words=found.words, about=found.name)


def unprotected(step: Step) -> PlannedChange | None:
    """A protection against deletion that goes."""
    if not (step.before and step.after and step.before.protect and not step.after.protect):
        return None
    words = f"{kind_of(step.type, step.name).noun} {code(step.name)} is not protected from deletion any more"
    return PlannedChange(risk=Risk.UNGUARDS, topic="resource", words=words, about=step.name)


_ID: Final = re.compile(r"sha256:|[0-9a-f]{12,}|[0-9a-f]{8}-[0-9a-f]{4}-")
_LONGEST: Final = 160


def properties(before: State | None, after: State | None, names: Iterable[str]) -> tuple[str, ...]:
    """Properties with their values, where these are short, not secret, and mean something to a person."""
    return tuple(_property(name, *_both(before, after, name)) for name in names)


def _both(before: State | None, after: State | None, name: str) -> tuple[Json, Json]:
    """A property on both sides: of the inputs, or where these are equal, of the outputs."""
    old, new = before or State(), after or State()
    if old.inputs.get(name) != new.inputs.get(name):
        return old.inputs.get(name), new.inputs.get(name)
    return old.outputs.get(name), new.outputs.get(name)


def _property(name: str, old: Json, new: Json) -> str:
    if SECRET in (old, new):
        return f"{code(name)} (secret)"
    if old == new or not (_readable(name, old) and _readable(name, new)):
        return code(name)
    return f"{code(name)}: {_shown(old)} → {_shown(new)}"


def _readable(name: str, value: Json) -> bool:
    if isinstance(value, dict | list) or value == UNKNOWN:
        return False
    return len(str(value)) <= _LONGEST and (name == "name" or not _ID.search(str(value)))


def _shown(value: Json) -> str:
    return "nothing" if value is None else code(shortened(str(value)))
