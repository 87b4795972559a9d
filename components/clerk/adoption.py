"""A JWT template that was made by hand, held against what this project would write. Pure: no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeGuard

from .answers import JwtTemplateRecord, TemplateContent
from .claims import (
    ALLOWED_ROLES,
    DEFAULT_ROLE,
    HASURA_NAMESPACE,
    USER_ID,
    Claims,
    Json,
    Path,
    written,
)

_ROLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True, kw_only=True)
class TemplateConfiguration:
    """What a stack has to say so that it writes a template which is there already.

    ``namespace`` is where Hasura's claims stand, ``role`` the default role, ``claims`` what is added to those that the
    project writes itself. Times in seconds.
    """

    namespace: str
    role: str
    claims: Claims
    lifetime: int
    clock_skew: int


def configuration(record: JwtTemplateRecord, *, namespace: str, role: str) -> TemplateConfiguration:
    """Read it out of a template. What the project cannot write comes out as ``differences`` of the two.

    :param namespace: the configured one, which holds where the template has none.
    :param role: the configured one, which holds where the template's default role is no plain name.
    """
    found = _namespace(record.claims, namespace)
    within = record.claims.get(found)
    given = dict(within) if isinstance(within, Mapping) else {}
    default, roles = given.pop(DEFAULT_ROLE, None), given.pop(ALLOWED_ROLES, None)
    given.pop(USER_ID, None)
    if isinstance(default, str) and _ROLE.fullmatch(default):
        role = default
    if _is_list(roles) and roles != [role]:
        given[ALLOWED_ROLES] = roles
    # Names in capitals are names of their own to Clerk, and one name to Hasura.
    ours = (DEFAULT_ROLE, ALLOWED_ROLES, USER_ID)
    added: Claims = {
        name: value for name, value in given.items() if name == ALLOWED_ROLES or name.lower() not in ours
    }
    beside = {name: value for name, value in record.claims.items() if name != found}
    return TemplateConfiguration(
        namespace=found,
        role=role,
        claims={**({found: added} if added else {}), **beside},
        lifetime=record.lifetime,
        clock_skew=record.allowed_clock_skew,
    )


def differences(record: JwtTemplateRecord, content: TemplateContent) -> list[str]:
    """What a template would be changed in, one line a change; none where it holds that content already.

    A signing key of one's own is shown by Clerk to nobody, so that one is always said to be written.
    """
    found = [
        f"{name}: {was} -> {becomes}"
        for name, was, becomes in (
            ("lifetime", record.lifetime, content.lifetime),
            ("allowed_clock_skew", record.allowed_clock_skew, content.allowed_clock_skew),
        )
        if was != becomes
    ]
    if content.signing_key is not None:
        found.append("signing_key: written anew")
    elif record.custom_signing_key:
        found.append("signing_key: one of its own -> the instance's")
    return found + [
        f"claim {written(path)}: {was} -> {becomes}"
        for path, was, becomes in _changed((), record.claims, content.claims)
    ]


def _changed(path: Path, was: Json, becomes: Json) -> Iterator[tuple[Path, str, str]]:
    if isinstance(was, Mapping) and isinstance(becomes, Mapping):
        for name in sorted({*was, *becomes}):
            if name not in becomes:
                yield (*path, name), _text(was[name]), "(none)"
            elif name not in was:
                yield (*path, name), "(none)", _text(becomes[name])
            else:
                yield from _changed((*path, name), was[name], becomes[name])
    elif was != becomes:
        yield path, _text(was), _text(becomes)


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _namespace(claims: Claims, configured: str) -> str:
    """Where Hasura's claims stand: as configured, else where the allowed roles are."""
    places = [
        name
        for name, value in claims.items()
        if isinstance(value, Mapping) and any(key.lower() == ALLOWED_ROLES for key in value)
    ]
    return next((name for name in (configured, HASURA_NAMESPACE) if name in places), None) or next(
        iter(places), configured
    )


def _is_list(value: Json) -> TypeGuard[list[Json]]:
    return isinstance(value, list)
