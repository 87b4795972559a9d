"""The identity chain of a stack: what makes a signed-in user's token, who checks it, and which roles it gives. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from components.access import allowed_roles
from components.clerk import keys
from components.clerk.claims import ALLOWED_ROLES, DEFAULT_ROLE, HASURA_NAMESPACE
from components.graph.inputs import Side
from components.graph.marks import Item, Mark, overall
from components.hasura.json_types import Json, JsonObject
from components.plan.tokens import written
from components.proof.target import OWN_KEY
from components.schema.changes import leaves
from components.schema.words import code, names, shortened, value


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link of the chain. `says` is what it does for the next one."""

    key: str
    title: str
    says: str
    items: tuple[Item, ...]

    @property
    def mark(self) -> Mark:
        return overall(item.mark for item in self.items)


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The links from the application to the engine. Roles and rows follow in the matrix."""

    application: Link
    template: Link
    token: Link
    jwks: Link
    engine: Link

    @property
    def links(self) -> tuple[Link, ...]:
        return (self.application, self.template, self.token, self.jwks, self.engine)


def chain(now: Side, was: Side) -> Chain:
    """The chain as it is, marked where it differs from `was`."""
    return Chain(
        application=Link(
            key="application",
            title="Clerk application",
            says="signs people in",
            items=_items(_application(now), _application(was)),
        ),
        template=Link(
            key="template",
            title="JWT template",
            says="says what Clerk writes into a token",
            items=_items(_template(now), _template(was)),
        ),
        token=Link(
            key="token",
            title="Token of one user",
            says="goes with each request",
            items=_items(_claims(now), _claims(was)),
        ),
        jwks=Link(
            key="jwks",
            title="Keys of the tokens",
            says="let the engine check who signed",
            items=_items(_keys(now), _keys(was)),
        ),
        engine=Link(
            key="engine",
            title="Hasura",
            says="checks the token and takes role and session variables from it",
            items=_items(_engine(now), _engine(was)),
        ),
    )


def given_roles(side: Side) -> tuple[tuple[str, ...], bool, str]:
    """The roles that tokens give: their names, whether a shortcode may give any other, and the default one."""
    hasura = session_claims(side)
    roles = allowed_roles(hasura, namespace(side))
    default = hasura.get(DEFAULT_ROLE)
    named = dict.fromkeys(role for role, _ in roles.named)
    return tuple(named), roles.any_other, default if isinstance(default, str) else ""


def namespace(side: Side) -> str:
    """The claim in which the session variables stand."""
    return str(side.template.get("claims_namespace") or HASURA_NAMESPACE)


def session_claims(side: Side) -> JsonObject:
    """The session variables of the template with their names in lower case."""
    claims = side.template.get("claims")
    within = claims.get(namespace(side)) if isinstance(claims, dict) else None
    return {name.lower(): of for name, of in within.items()} if isinstance(within, dict) else {}


Lines = Mapping[str, str]


def _items(now: Lines, was: Lines) -> tuple[Item, ...]:
    return tuple(
        Item(label=label, words=now.get(label), was=was.get(label)) for label in dict.fromkeys([*now, *was])
    )


_INSTANCES: Final = {"test": "a development instance", "live": "a production instance"}


def _application(side: Side) -> Lines:
    lines: dict[str, str] = {}
    publishable = side.output("publishableKey")
    try:
        key = keys.parse_publishable_key(publishable)
    except keys.KeyFormatError:
        pass
    else:
        local = keys.is_loopback(key.frontend_api)
        lines["instance"] = "the LOCAL CLERK, a stand-in" if local else _INSTANCES[key.kind]
    if publishable:
        lines["publishable key"] = code(publishable)
    return lines | _texts(side, {"frontend API": "frontendApiUrl"})


def _template(side: Side) -> Lines:
    of = side.template
    if not of:
        return {}
    own = "signing_key" in of
    algorithm = of.get("signing_algorithm")
    by = "a key of one's own" if own else "the key of the instance"
    return {
        "name": code(str(of.get("name"))),
        "a token lives": f"{value(of.get('lifetime'))} seconds",
        "clocks may differ": f"{value(of.get('allowed_clock_skew'))} seconds",
        "signed by": f"{by}, {code(str(algorithm))}" if algorithm is not None else by,
    }


def _claims(side: Side) -> Lines:
    claims = side.template.get("claims")
    found = leaves(claims) if isinstance(claims, dict) and claims else {}
    last = {DEFAULT_ROLE: 2, ALLOWED_ROLES: 1}
    # Session variables first, then what decides on the role, then what the engine does not read.
    ordered = sorted(
        found, key=lambda path: (path[0] != namespace(side), last.get(path[-1].lower(), 0), path)
    )
    return {_claim(path, side): _claim_value(found[path]) for path in ordered}


def _claim(path: tuple[str, ...], side: Side) -> str:
    if path[0] != namespace(side) or len(path) == 1:
        return written(path)
    # Hasura reads their names in any case.
    return written((HASURA_NAMESPACE, path[1].lower(), *path[2:]))


def _claim_value(of: Json) -> str:
    if isinstance(of, str):
        return code(shortened(of))
    if isinstance(of, list) and of and all(isinstance(entry, str) for entry in of):
        return names(map(str, of))
    return value(of)


def _keys(side: Side) -> Lines:
    if side.output("tokensSignedBy") == OWN_KEY:
        lines = {"key": "a key of one's own: the engine is given its public part, and reads no JWKS"}
    else:
        lines = _texts(side, {"JWKS": "jwksUrl"})
    issuer = side.output("issuer")
    if issuer:
        anyone = issuer == keys.ANY_ISSUER
        lines["issuer"] = "not compared (`jwtIssuer` is `any`)" if anyone else code(issuer)
    return lines


def _engine(side: Side) -> Lines:
    lines = _texts(side, {"GraphQL API": "graphqlUrl"})
    if not lines:
        return lines
    lines["a token comes in"] = _header(side.output("jwtHeader"))
    issuer = side.output("issuer")
    if issuer and issuer != keys.ANY_ISSUER:
        lines["compares iss with"] = code(issuer)
    audience = _json(side.output("jwtAudience"))
    if isinstance(audience, list) and audience:
        lines["compares aud with"] = names(map(str, audience))
    lines["session variables in"] = code(side.output("claimsNamespace") or HASURA_NAMESPACE)
    return lines


def _header(written_out: str) -> str:
    header = _json(written_out)
    if not isinstance(header, dict) or header.get("type") == "Authorization":
        return f"the header {code('Authorization: Bearer ...')}"
    kind = "the cookie" if header.get("type") == "Cookie" else "the header"
    return f"{kind} {code(str(header.get('name')))}"


def _json(text: str) -> Json:
    try:
        found: Json = json.loads(text)
    except ValueError:
        return None
    return found


def _texts(side: Side, outputs: Mapping[str, str]) -> dict[str, str]:
    return {label: code(found) for label, name in outputs.items() if (found := side.output(name))}
