"""What a change of Clerk's JWT template means for tokens and for those who use them. Pure.

What is in a template and what Hasura makes of it: see `components.clerk.claims`. Values with an unusual form
(shortcodes) are shown as they stand in the template; no key is ever shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from components.clerk.claims import ALLOWED_ROLES, DEFAULT_ROLE, HASURA_NAMESPACE
from components.hasura.json_types import Json, JsonObject
from components.plan.changes import PlannedChange, Risk
from components.schema.changes import leaves
from components.schema.permissions import Effect
from components.schema.words import code, value

TEMPLATE: Final = "pulumi-python:dynamic/clerk:JwtTemplate"
"""The type token of the resource."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of a template by its path, before and after as JSON has it; None where there is none."""

    path: tuple[str, ...]
    before: Json
    after: Json

    @property
    def changes(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True, kw_only=True)
class Template:
    """A JWT template before and after: its name, all claims, and what else is kept of it."""

    name: str
    claims: tuple[Claim, ...]
    settings: tuple[tuple[str, Json, Json], ...]


def template(before: JsonObject | None, after: JsonObject | None) -> Template:
    """Both sides of a template, from the inputs of its resource. None stands for none."""
    old, new = before or {}, after or {}
    old_claims, new_claims = _claims(old), _claims(new)
    return Template(
        name=str(new.get("name") or old.get("name") or ""),
        claims=tuple(
            Claim(path=path, before=old_claims.get(path), after=new_claims.get(path))
            for path in sorted({*old_claims, *new_claims})
        ),
        settings=tuple(
            (label, _setting(old, key), _setting(new, key))
            for key, label in _SETTINGS
            if key in old or key in new
        ),
    )


_SETTINGS: Final = (
    ("name", "name"),
    ("lifetime", "lifetime in seconds"),
    ("allowed_clock_skew", "allowed clock skew in seconds"),
    ("signing_algorithm", "signing algorithm"),
    ("signing_key", "signing key"),
    ("claims_namespace", "claims namespace"),
    ("api_url", "Backend API"),
    ("publishable_key", "publishable key"),
)


def _setting(side: JsonObject, key: str) -> Json:
    if key == "signing_key":
        return "a key of one's own" if key in side else "the instance's" if side else None
    return side.get(key)


def changes(before: JsonObject | None, after: JsonObject | None) -> list[PlannedChange]:
    """What differs between two templates, from the inputs of the resource; None stands for no template."""
    if before is None and after is None:
        return []
    if before is None:
        name = code(str((after or {}).get("name")))
        taken = ", or the one of that name is taken over" if (after or {}).get("adopt") is True else ""
        return [_change(Risk.NONE, "", f"the JWT template {name} is created{taken}", None, None)]
    if after is None:
        said = f"the JWT template {code(str(before.get('name')))} is deleted: front ends get no token by that name"
        return [_change(Risk.NARROWS, "", said, None, None)]
    found = [*_of_settings(before, after), *_of_claims(before, after)]
    same_keys = before.get("publishable_key") == after.get("publishable_key")
    if not found and same_keys and "signing_key" in before and "signing_key" in after:
        # Pulumi saw a change, and all that is not secret is the same.
        found = [
            _change(Risk.NARROWS, "signing key", f"the signing key is another one: {_REFUSED}", None, None)
        ]
    return found


_REFUSED: Final = "tokens signed before are refused until front ends fetch new ones"


def _of_settings(before: JsonObject, after: JsonObject) -> Iterator[PlannedChange]:
    for key, label in _SETTINGS:
        old, new = before.get(key), after.get(key)
        if key == "signing_key":
            old, new = key in before, key in after
        if old == new or (key == "publishable_key" and old is None):
            continue
        risk, said = _of_setting(key, old, new)
        shown = (None, None) if key == "signing_key" else (old, new)
        yield _change(risk, label, said, *shown)


def _of_setting(key: str, old: Json, new: Json) -> tuple[Risk, str]:  # noqa: PLR0911 (one setting a line)
    was = f"(was: {value(old)})"
    match key:
        case "name":
            return Risk.NARROWS, f"front ends get tokens by the name {code(str(new))} only {was}"
        case "lifetime":
            longer = isinstance(new, int) and isinstance(old, int) and new > old
            more = ": one that is stolen, or whose user was locked out, works for longer" if longer else ""
            risk = Risk.WIDENS if longer else Risk.NONE
            return risk, f"a token is valid for {value(new)} seconds {was}{more}"
        case "allowed_clock_skew":
            return Risk.NONE, f"a token is valid from {value(new)} seconds before it was issued {was}"
        case "signing_key":
            by = "a key of one's own" if new else "the key of the Clerk instance"
            return Risk.NARROWS, f"tokens are signed by {by}: {_REFUSED}"
        case "signing_algorithm":
            return (
                Risk.NARROWS,
                f"tokens are signed with {_or_default(new)} (was: {_or_default(old)}): {_REFUSED}",
            )
        case "claims_namespace":
            now, then = (code(str(side or HASURA_NAMESPACE)) for side in (new, old))
            return Risk.NARROWS, f"the session variables stand in the claim {now} (was: {then})"
        case "publishable_key":
            return Risk.NARROWS, f"tokens come from the Clerk instance of {code(str(new))} {was}"
        case _:
            return Risk.NARROWS, f"the template goes to the Clerk instance at {code(str(new))} {was}"


def _or_default(algorithm: Json) -> str:
    return "the instance's algorithm" if algorithm is None else code(str(algorithm))


def _of_claims(before: JsonObject, after: JsonObject) -> Iterator[PlannedChange]:
    old, new = _claims(before), _claims(after)
    for path in sorted({*old, *new}):
        if old.get(path) != new.get(path):
            yield from _of_claim(path, old.get(path), new.get(path))


def _of_claim(path: tuple[str, ...], old: Json, new: Json) -> Iterator[PlannedChange]:
    name, claim = path[-1].lower(), written(path)
    if name == ALLOWED_ROLES and isinstance(old, list) and isinstance(new, list) and old and new:
        for role in [role for role in new if role not in old]:
            said = f"a token allows requests as the role {_role(role)} too"
            yield _change(Risk.WIDENS, claim, said, old, new)
        for role in [role for role in old if role not in new]:
            said = f"no token allows requests as the role {_role(role)} any more"
            yield _change(Risk.NARROWS, claim, said, old, new)
        if sorted(map(str, old)) == sorted(map(str, new)):
            said = f"the allowed roles are the same, in another order: {value(new)}"
            yield _change(Risk.NONE, claim, said, old, new)
    elif name == DEFAULT_ROLE:
        said = f"requests that name no role are made as {value(new)} (was: {value(old)})"
        yield _change(Risk.SHIFTS, claim, said, old, new)
    elif old is None:
        yield _change(Risk.NONE, claim, f"a token holds the claim {code(claim)} too: {value(new)}", old, new)
    elif new is None:
        said = f"no token holds the claim {code(claim)} any more (was: {value(old)})"
        yield _change(Risk.NARROWS, claim, said, old, new)
    else:
        # A permission may compare rows with it.
        risk = Risk.SHIFTS if name.startswith("x-hasura-") else Risk.NARROWS
        yield _change(risk, claim, f"the claim {code(claim)} is {value(new)} (was: {value(old)})", old, new)


def _role(role: Json) -> str:
    return code(str(role))


def _claims(side: JsonObject) -> dict[tuple[str, ...], Json]:
    claims = side.get("claims")
    return leaves(claims) if isinstance(claims, dict) and claims else {}


def written(path: tuple[str, ...]) -> str:
    """A claim as people name it: without the namespace where it is Hasura's usual one."""
    return " > ".join(path[1:] if path[0] == HASURA_NAMESPACE and len(path) > 1 else path)


def _change(risk: Risk, about: str, words: str, before: Json, after: Json) -> PlannedChange:
    effects: dict[Risk, Effect] = {
        Risk.WIDENS: "widens",
        Risk.SHIFTS: "shifts",
        Risk.NARROWS: "narrows",
    }
    return PlannedChange(
        risk=risk,
        topic="token",
        words=words,
        about=about,
        effect=effects.get(risk, "keeps"),
        before=before,
        after=after,
    )
