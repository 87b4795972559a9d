"""The claims of the JWT template that Hasura reads, and the rules they must hold.

Pure: no I/O. What Clerk makes of a shortcode is in its guide
``guides/sessions/jwt-templates``; what Hasura asks of a token is in its
``auth/authentication/jwt`` page. A token that breaks one of these rules is
issued without complaint and refused, or trusted too far, afterwards: so the
rules are held against the template before it is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeGuard

from .shortcodes import Operand, Shortcode, ShortcodeError, Template, parse

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
"""A value as JSON has it."""

Claims = dict[str, Json]

HASURA_NAMESPACE: Final = "https://hasura.io/jwt/claims"
DEFAULT_ROLE: Final = "x-hasura-default-role"
ALLOWED_ROLES: Final = "x-hasura-allowed-roles"
USER_ID: Final = "x-hasura-user-id"
ADMIN_ROLE: Final = "admin"

ALWAYS_SET: Final = frozenset({"azp", "exp", "iat", "iss", "jti", "nbf", "sub"})
"""Claims that Clerk writes into every token and lets nobody override."""

NOT_ALLOWED: Final = frozenset({"sid", "v", "pla", "fea"})
"""Claims of Clerk's session token that a template cannot include."""

SIZE_WARNING: Final = 4096
"""Bytes of a token from which on a warning is given: proxies commonly take 8 KiB of headers in all."""

_METADATA_LIMIT: Final = 8192
_TYPICAL_SHORTCODE: Final = 40
_SIGNATURE_AND_HEADER: Final = 342 + 120
_FIXED_CLAIMS: Final = 240
_LARGEST_EXACT: Final = 2**53

Severity = Literal["error", "warning"]
Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing wrong with the claims.

    ``path`` leads to the claim, from the top of the template. ``problem``
    says what is wrong, ``remedy`` what to write instead. An ``error`` makes
    tokens that are refused or trusted too far, a ``warning`` may be meant.
    """

    path: Path
    problem: str
    remedy: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"claim {written(self.path)}: {self.problem}. {self.remedy}."


def written(path: Path) -> str:
    """A path as a person reads it: ``"https://hasura.io/jwt/claims" > x-hasura-allowed-roles > 0``."""
    return " > ".join(json.dumps(p) if isinstance(p, str) and ":" in p else str(p) for p in path) or "(all)"


def template_claims(
    role: str, allowed_roles: Sequence[str], additional: Mapping[str, Json], namespace: str = HASURA_NAMESPACE
) -> Claims:
    """Build the claims of the template.

    ``role`` becomes the default role, ``allowed_roles`` the roles that a request may ask for, and Clerk's
    user id the session variable ``X-Hasura-User-Id``. ``additional`` is merged in: its namespace adds keys to
    ours, a list of allowed roles adds roles to ours, its other keys stand beside the namespace. Where both
    name one claim otherwise, ours stays; ``clashes`` tells it. A list that has all of our roles keeps its order.
    """
    within = additional.get(namespace, {})
    added = (
        {name.lower(): (name, value) for name, value in within.items()} if isinstance(within, Mapping) else {}
    )
    _, more_roles = added.get(ALLOWED_ROLES, (ALLOWED_ROLES, ()))
    roles: list[Json] = list(allowed_roles)
    if _is_list(more_roles):
        added_to_ours = [*roles, *(item for item in more_roles if item not in roles)]
        roles = list(more_roles) if all(role in more_roles for role in roles) else added_to_ours
    ours: Claims = {DEFAULT_ROLE: role, ALLOWED_ROLES: roles, USER_ID: "{{user.id}}"}
    merged: Claims = {**ours, **{name: value for key, (name, value) in added.items() if key not in ours}}
    beside = {name: value for name, value in additional.items() if name != namespace}
    return {namespace: merged, **beside}


def clashes(additional: Mapping[str, Json], namespace: str = HASURA_NAMESPACE) -> list[Finding]:
    """Where ``additional`` claims cannot be merged with the ones that ``template_claims`` writes."""
    within = additional.get(namespace, {})
    if not isinstance(within, Mapping):
        return [
            Finding(
                path=(namespace,),
                problem=f"it is {_kind(within)}, and Hasura's claims must be an object",
                remedy="Write the session variables to add beneath it, one a line",
            )
        ]
    remedies = {
        DEFAULT_ROLE: "Set the role with the configuration key userRole, and remove it here",
        ALLOWED_ROLES: 'Write the roles to add as a list, as ["auditor"]',
        USER_ID: "Add a session variable of another name, as x-hasura-external-id, and remove it here",
    }
    return [
        Finding(
            path=(namespace, key),
            problem="this claim is written by the project",
            remedy=remedies[key.lower()],
        )
        for key, value in within.items()
        if key.lower() in remedies and not (key.lower() == ALLOWED_ROLES and _is_list(value))
    ]


def review(
    role: str, allowed_roles: Sequence[str], additional: Mapping[str, Json], namespace: str = HASURA_NAMESPACE
) -> list[Finding]:
    """All that is wrong with the configured claims: clashes first, then the rules on what they merge into."""
    return [
        *clashes(additional, namespace),
        *findings(template_claims(role, allowed_roles, additional, namespace), namespace),
    ]


def findings(claims: Mapping[str, Json], namespace: str = HASURA_NAMESPACE) -> list[Finding]:
    """Hold a template's claims against the rules of Clerk and Hasura; no finding means none is broken."""
    found: list[Finding] = []
    found += _reserved(claims)
    found += _shortcodes(claims, namespace)
    found += _outside_namespace(claims, namespace)
    found += _audience_form(claims)
    found += _altered_on_the_way(claims, namespace)
    if namespace not in claims:
        found.append(
            Finding(
                path=(namespace,),
                problem="it is missing, and Hasura refuses every token without it",
                remedy=f"Write {DEFAULT_ROLE} and {ALLOWED_ROLES} beneath it",
            )
        )
    else:
        within = claims[namespace]
        if isinstance(within, Mapping):
            found += _namespace(within, namespace)
        else:
            found.append(
                Finding(
                    path=(namespace,),
                    problem=f"it is {_kind(within)}, and Hasura's claims must be an object",
                    remedy=f"Write {DEFAULT_ROLE} and {ALLOWED_ROLES} beneath it",
                )
            )
    found += _size(claims)
    return found


def audience_findings(claims: Mapping[str, Json], audience: Sequence[str]) -> list[Finding]:
    """Hold the claim ``aud`` against the audiences that Hasura is told to accept.

    Hasura compares them only where a token has the claim: one without it passes, so a forgotten ``aud``
    fences nothing off and says so nowhere.
    """
    if not audience:
        return [
            Finding(
                path=("aud",),
                problem="Hasura does not look at it, since no audience is configured",
                remedy="Name it in jwtAudience too",
                severity="warning",
            )
        ] * ("aud" in claims)
    listed = ", ".join(audience)
    if "aud" not in claims:
        return [
            Finding(
                path=("aud",),
                problem=f"it is missing, and jwtAudience asks for {listed}; Hasura lets a token without "
                "aud pass, so the audience would keep nobody out",
                remedy=f"Write aud into jwtTemplateClaims, as {audience[0]}",
            )
        ]
    value = claims["aud"]
    given = [value] if isinstance(value, str) else list(value) if _is_list(value) else []
    texts = [item for item in given if isinstance(item, str)]
    if any("{{" in text for text in texts) or set(texts) & set(audience):
        return []
    return [
        Finding(
            path=("aud",),
            problem=f"it is {json.dumps(value)}, and Hasura accepts {listed} only",
            remedy="Make jwtAudience and this claim agree",
        )
    ]


def estimated_token_size(claims: Mapping[str, Json]) -> int:
    """The size in bytes that a signed token with these claims may have.

    A shortcode counts with a typical length, one that inserts a whole
    metadata object with the most that Clerk lets metadata hold.
    """
    payload = _FIXED_CLAIMS + len(json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode())
    for _, text in _texts(claims):
        try:
            codes = parse(text).shortcodes
        except ShortcodeError:
            continue
        for code in codes:
            whole = any(operand.is_whole_metadata for operand in code.operands)
            payload += (_METADATA_LIMIT if whole else _TYPICAL_SHORTCODE) - len(code.text) - 4
    return payload * 4 // 3 + _SIGNATURE_AND_HEADER


def _reserved(claims: Mapping[str, Json]) -> Iterator[Finding]:
    for name in claims:
        if name in ALWAYS_SET:
            yield Finding(
                path=(name,),
                problem="Clerk writes this claim into every token and lets no template override it",
                remedy="Remove it, or give your value another name",
            )
        elif name in NOT_ALLOWED:
            yield Finding(
                path=(name,),
                problem="this claim belongs to Clerk's session token, and no template can include it",
                remedy="Remove it, or give your value another name",
            )


def _shortcodes(claims: Mapping[str, Json], namespace: str) -> Iterator[Finding]:
    """What holds for a shortcode wherever it stands."""
    for path, text in _texts(claims):
        try:
            template = parse(text)
        except ShortcodeError as error:
            yield Finding(path=path, problem=error.problem, remedy=error.remedy)
            continue
        for code in template.shortcodes:
            for operand in code.operands:
                if operand.kind == "reference" and not operand.is_known:
                    yield Finding(
                        path=path,
                        problem=f"{{{{{operand.text}}}}} is none of the shortcodes that Clerk documents: "
                        "an unknown one becomes null",
                        remedy="Compare it with Clerk's list of shortcodes, or put the value into "
                        "user.public_metadata",
                        severity="warning",
                    )
            if path[0] != namespace and code.reads_unsafe_metadata:
                yield Finding(
                    path=path,
                    problem=f"{{{{{code.text}}}}} is written by the user through the browser",
                    remedy="Decide nothing by this claim, or use user.public_metadata",
                    severity="warning",
                )


def _outside_namespace(claims: Mapping[str, Json], namespace: str) -> Iterator[Finding]:
    for name in claims:
        if name.lower().startswith("x-hasura-"):
            yield Finding(
                path=(name,),
                problem="Hasura reads session variables from the namespace only",
                remedy=f"Write it beneath {namespace!r}",
            )


def _audience_form(claims: Mapping[str, Json]) -> Iterator[Finding]:
    """RFC 7519, section 4.1.3: ``aud`` is a string or a list of strings; Hasura cannot read a token otherwise."""
    value = claims.get("aud", "")
    items = value if _is_list(value) else [value]
    wrong = next((item for item in items if not isinstance(item, str)), None)
    if wrong is not None or ("aud" in claims and value is None):
        yield Finding(
            path=("aud",),
            problem=f"it is or holds {_kind(wrong)}, and Hasura refuses every token whose aud is no string",
            remedy="Write a string, or a list of strings",
        )


def _altered_on_the_way(value: Json, namespace: str, path: Path = ()) -> Iterator[Finding]:
    """What Pulumi hands over otherwise than it was written: it leaves null out, and its numbers are doubles."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            # Within the namespace null is an error of its own.
            if item is None and (*path, key)[0] not in (namespace, "aud"):
                yield Finding(
                    path=(*path, key),
                    problem="it is null, and is left out",
                    remedy="Remove it, or write a shortcode that may be null",
                    severity="warning",
                )
            yield from _altered_on_the_way(item, namespace, (*path, key))
    elif _is_list(value):
        for index, item in enumerate(value):
            yield from _altered_on_the_way(item, namespace, (*path, index))
    elif isinstance(value, int) and abs(value) > _LARGEST_EXACT:
        yield Finding(
            path=path, problem=f"the number {value} would lose digits on its way", remedy="Write it in quotes"
        )


def _namespace(within: Mapping[str, Json], namespace: str) -> Iterator[Finding]:
    yield from _names(within, namespace)
    by_name = {name.lower(): (name, value) for name, value in within.items()}
    for name, value in within.items():
        path: Path = (namespace, name)
        if name.lower() == ALLOWED_ROLES:
            yield from _allowed_roles(value, path)
        elif name.lower().startswith("x-hasura-"):
            yield from _text_claim(value, path)
    for missing in (DEFAULT_ROLE, ALLOWED_ROLES):
        if missing not in by_name:
            yield Finding(
                path=(namespace, missing),
                problem="it is missing, and Hasura refuses every token without it",
                remedy="Write the role that permissions are given to, as user"
                if missing == DEFAULT_ROLE
                else 'Write the list of roles, as ["user"]',
            )
    if DEFAULT_ROLE in by_name and ALLOWED_ROLES in by_name:
        name, default = by_name[DEFAULT_ROLE]
        yield from _default_among_allowed(default, by_name[ALLOWED_ROLES][1], (namespace, name))


def _names(within: Mapping[str, Json], namespace: str) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name in within:
        if not name.lower().startswith("x-hasura-"):
            yield Finding(
                path=(namespace, name),
                problem="Hasura ignores claims of its namespace that do not start with x-hasura-",
                remedy=f"Name it x-hasura-{name.lower().replace('_', '-')}, or move it out of the namespace",
                severity="warning",
            )
        elif name.split() != [name]:
            yield Finding(
                path=(namespace, name),
                problem="its name holds white space, so no permission can ask for it",
                remedy=f"Name it {'-'.join(name.split()).lower()}",
            )
        elif name.lower() in seen:
            yield Finding(
                path=(namespace, name),
                problem=f"Hasura ignores capitals here, so {seen[name.lower()]} is the same claim",
                remedy="Keep one of them",
            )
        seen.setdefault(name.lower(), name)


def _allowed_roles(value: Json, path: Path) -> Iterator[Finding]:
    if not _is_list(value):
        yield Finding(
            path=path,
            problem=f"it is {_kind(value)}, and Hasura needs a list of strings",
            remedy='Write a list, as ["user"]; a shortcode may be an item of it, with a default: '
            "[\"{{user.public_metadata.role || 'user'}}\"]",
        )
        return
    if not value:
        yield Finding(path=path, problem="the list is empty, so no role is allowed", remedy='Write ["user"]')
    for index, item in enumerate(value):
        yield from _text_claim(item, (*path, index), is_role=True)


def _text_claim(value: Json, path: Path, *, is_role: bool | None = None) -> Iterator[Finding]:
    """A claim that must arrive at Hasura as a string that is neither empty nor written by the user."""
    is_role = path[-1] == DEFAULT_ROLE if is_role is None else is_role
    if not isinstance(value, str):
        yield Finding(
            path=path,
            problem=f"it is {_kind(value)}, and Hasura takes strings only",
            remedy=_as_string(value),
        )
        return
    try:
        template = parse(value)
    except ShortcodeError:
        return  # told for the whole template
    if value.strip() and value != value.strip():
        yield Finding(
            path=path,
            problem="it has white space around it, which becomes a part of every value",
            remedy="Remove it",
        )
    if not template.shortcodes:
        if not value.strip():
            yield Finding(
                path=path, problem="it is an empty string", remedy="Write a value, or remove the claim"
            )
        elif is_role and value.strip().lower() == ADMIN_ROLE:
            yield _admin(path)
        return
    for code in template.shortcodes:
        yield from _code_in_text_claim(code, template, path, is_role=is_role)


def _code_in_text_claim(
    code: Shortcode, template: Template, path: Path, *, is_role: bool
) -> Iterator[Finding]:
    yield from _whose_word(code, path, is_role=is_role)
    if is_role and any(o.kind == "string" and o.value.strip().lower() == ADMIN_ROLE for o in code.operands):
        yield _admin(path)
    if is_role and any(o.kind == "string" and not o.value.strip() for o in code.operands):
        yield Finding(
            path=path,
            problem=f"{{{{{code.text}}}}} may become an empty string, which is no role",
            remedy="Write a role as default: 'user'",
        )
    if code.may_be_empty:
        becomes = (
            "null, and Hasura refuses the token" if template.is_lone else "the text 'null' within the claim"
        )
        fallback = "user" if is_role else "none"
        yield Finding(
            path=path,
            problem=f"{{{{{code.text}}}}} may be empty for a user: it becomes {becomes}",
            remedy=f"Write a default: {{{{{code.text} || '{fallback}'}}}}",
        )
    if template.is_lone:
        for operand in code.operands:
            yield from _operand_of_a_lone_code(operand, path)
    yield from _never_used(code, path)


def _whose_word(code: Shortcode, path: Path, *, is_role: bool) -> Iterator[Finding]:
    """Values that users write themselves, where somebody is to rely on them."""
    if code.reads_unsafe_metadata:
        yield Finding(
            path=path,
            problem=f"{{{{{code.text}}}}} is written by the users themselves, through the browser",
            remedy="Use user.public_metadata, which only your backend writes",
        )
    for operand in code.operands:
        if operand.is_chosen_by_users:
            yield Finding(
                path=path,
                problem=f"{{{{{operand.text}}}}} is chosen by the users themselves"
                + (": one who takes the name of a role, as admin, has it" if is_role else ""),
                remedy="Use user.public_metadata, which only your backend writes"
                if is_role
                else "Show it, and decide nothing by it; ids of Clerk's (user.id, org.id) cannot be chosen",
                severity="error" if is_role else "warning",
            )


def _operand_of_a_lone_code(operand: Operand, path: Path) -> Iterator[Finding]:
    """An alternative that keeps its native type, which must be a string."""
    if operand.is_whole_metadata:
        yield Finding(
            path=path,
            problem=f"{{{{{operand.text}}}}} is an object, and Hasura takes strings only",
            remedy=f"Name one value of it, as {{{{{operand.text}.tenant || 'none'}}}}",
        )
    elif operand.kind in ("number", "boolean"):
        yield Finding(
            path=path,
            problem=f"the default {operand.text} is a {operand.kind}, and Hasura takes strings only",
            remedy=f"Write it in quotes: '{operand.text}'",
        )
    elif operand.native_kind in ("number", "boolean"):
        yield Finding(
            path=path,
            problem=f"{{{{{operand.text}}}}} is a {operand.native_kind}; Hasura takes strings only",
            remedy="Put other text beside it, which makes the claim a string, or use another value",
        )
    elif operand.native_kind == "object":
        yield Finding(
            path=path,
            problem=f"{{{{{operand.text}}}}} is an object, and Hasura takes strings only",
            remedy=f"Name one value of it, as {{{{{operand.text}.sub || 'none'}}}}",
        )


def _never_used(code: Shortcode, path: Path) -> Iterator[Finding]:
    """What stands behind an alternative that always has a value."""
    sure = next((o for o in code.operands[:-1] if not o.may_be_empty and o.text != "false"), None)
    if sure is not None and sure.native_kind != "boolean":
        yield Finding(
            path=path,
            problem=f"{{{{{code.text}}}}} is always {sure.text}: what stands behind it is never used",
            remedy="Put the default last, or remove what is never used",
            severity="warning",
        )


def _default_among_allowed(default: Json, allowed: Json, path: Path) -> Iterator[Finding]:
    if not isinstance(default, str) or not _is_list(allowed):
        return  # told already
    try:
        options = _role_options(default)
        reachable = {role for item in allowed if isinstance(item, str) for role in _role_options(item)}
    except ShortcodeError:
        return  # told already
    listed = ", ".join(str(item) for item in allowed) or "none"
    for option in options:
        if option not in reachable:
            yield Finding(
                path=path,
                problem=f"the role {option} is not among the allowed roles ({listed}), "
                "so Hasura refuses a request that names no role",
                remedy=f"Add {option} to {ALLOWED_ROLES}, or choose one of its roles",
            )


def _role_options(text: str) -> list[str]:
    """The roles that a text may become: literal ones bare, the others as the shortcode that gives them."""
    template = parse(text)
    if not template.is_lone:
        return [text]
    return [
        operand.value if operand.kind == "string" else f"{{{{{operand.text}}}}}"
        for operand in template.shortcodes[0].operands
        # What users write themselves is told as that, and must not be advised.
        if not (operand.is_chosen_by_users or operand.reads_unsafe_metadata)
    ]


def _size(claims: Mapping[str, Json]) -> Iterator[Finding]:
    size = estimated_token_size(claims)
    if size > SIZE_WARNING:
        yield Finding(
            path=(),
            problem=f"a token may have about {size:,} bytes; proxies commonly take 8 KiB of headers in all",
            remedy="Insert single values instead of whole metadata objects, and look up the rest by user id",
            severity="warning",
        )


def _admin(path: Path) -> Finding:
    return Finding(
        path=path,
        problem="the role admin sees and changes everything in Hasura, whatever the permissions say",
        remedy="Remove it; for operators, make a role of another name and give it permissions",
    )


def _texts(value: Json, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, Sequence):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def _is_list(value: Json) -> TypeGuard[Sequence[Json]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _kind(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int | float):
        return "a number"
    return "an object" if isinstance(value, Mapping) else "a list"


def _as_string(value: Json) -> str:
    if isinstance(value, int | float):
        return f"Write it in quotes: {json.dumps(json.dumps(value))}"
    if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
        literal = "{" + ",".join(str(item) for item in value) + "}"
        return f"Write a string; a Postgres array is written {json.dumps(literal)}"
    return "Write a string, or remove the claim"
