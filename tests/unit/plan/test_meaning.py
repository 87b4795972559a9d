"""What single steps mean: one row a case, each with its twin in which all of it is done."""

from __future__ import annotations

from typing import Any

import pytest
from project import stack_config
from resource_graph import deploy

from components import host
from components.container import Image
from components.plan import markdown
from components.plan.changes import Risk
from components.plan.document import Plan, make
from components.plan.events import read
from components.plan.resources import KINDS, is_shown, kind_of
from components.provider_error import UNSEEN
from local.images import stack as stack_images
from tests.unit.plan.building import (
    CONTAINER,
    METADATA,
    MIGRATIONS,
    SECRET,
    TEMPLATE,
    UNKNOWN,
    VOLUME,
    Event,
    ended,
    found,
    metadata,
    migrations,
    outputs,
    policy,
    said,
    step,
    template,
)
from tests.unit.plan.test_cases import settled

HASURA = "https://hasura.io/jwt/claims"
OWN = {"id": {"_eq": "X-Hasura-User-Id"}}
REFUSED = "tokens signed before are refused until front ends fetch new ones"


def plan_of(events: list[Event], *, drift: bool = False) -> Plan:
    return make(read(events), stack="dev", drift=drift)


def claims(**changed: Any) -> dict[str, Any]:
    return {HASURA: {**template()["claims"][HASURA], **changed}}


def tokens(old: dict[str, Any] | None, new: dict[str, Any] | None, op: str = "update") -> list[Event]:
    return [step(op, TEMPLATE, "jwt-template", old, new), ended()]


def container(op: str, name: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[Event]:
    return [step(op, CONTAINER, name, old, new, diffs=["envs"], keys=["envs"]), ended()]


ENGINE = {"image": "sha256:0123456789ab", "envs": SECRET}
USERS = {"select_permissions": {"user": {"columns": ["id"], "filter": OWN}}}
WIDER = {"select_permissions": {"user": {"columns": ["id"], "filter": {}}}}
TRIGGER = {"event_triggers": {"t": {"definition": {}, "webhook": "https://u:p@hook.test/?key=abc"}}}

# Events, and what they change: the risk and the words.
CASES: dict[str, tuple[list[Event], list[tuple[str, str]]]] = {
    "a longer lifetime": (
        tokens(template(), template(lifetime=600)),
        [
            (
                "widens",
                "a token is valid for `600` seconds (was: `60`): one that is stolen, or whose user was locked out, "
                "works for longer",
            )
        ],
    ),
    "a shorter lifetime": (
        tokens(template(), template(lifetime=30)),
        [("none", "a token is valid for `30` seconds (was: `60`)")],
    ),
    "another skew": (
        tokens(template(), template(allowed_clock_skew=10)),
        [("none", "a token is valid from `10` seconds before it was issued (was: `5`)")],
    ),
    "another name": (
        tokens(template(), template(name="api")),
        [("narrows", 'front ends get tokens by the name `api` only (was: `"hasura"`)')],
    ),
    "a key of one's own": (
        tokens(template(), template(signing_key=SECRET, signing_algorithm="RS256")),
        [
            ("narrows", f"tokens are signed with `RS256` (was: the instance's algorithm): {REFUSED}"),
            ("narrows", f"tokens are signed by a key of one's own: {REFUSED}"),
        ],
    ),
    "the instance's key again": (
        tokens(template(signing_key=SECRET, signing_algorithm="RS256"), template()),
        [
            ("narrows", f"tokens are signed with the instance's algorithm (was: `RS256`): {REFUSED}"),
            ("narrows", f"tokens are signed by the key of the Clerk instance: {REFUSED}"),
        ],
    ),
    "another role of tokens": (
        tokens(template(), template(claims=claims(**{"x-hasura-allowed-roles": ["user", "editor"]}))),
        [("widens", "a token allows requests as the role `editor` too")],
    ),
    "one role of tokens less": (
        tokens(template(claims=claims(**{"x-hasura-allowed-roles": ["user", "editor"]})), template()),
        [("narrows", "no token allows requests as the role `editor` any more")],
    ),
    "roles in another order": (
        tokens(
            template(claims=claims(**{"x-hasura-allowed-roles": ["user", "editor"]})),
            template(claims=claims(**{"x-hasura-allowed-roles": ["editor", "user"]})),
        ),
        [("none", 'the allowed roles are the same, in another order: `["editor", "user"]`')],
    ),
    "another default role": (
        tokens(template(), template(claims=claims(**{"x-hasura-default-role": "editor"}))),
        [("shifts", 'requests that name no role are made as `"editor"` (was: `"user"`)')],
    ),
    "a claim": (
        tokens(template(), template(claims=claims(**{"x-hasura-org-id": "{{org.id}}"}))),
        [("none", 'a token holds the claim `x-hasura-org-id` too: `"{{org.id}}"`')],
    ),
    "a claim less": (
        tokens(template(claims={**claims(), "aud": "api"}), template()),
        [("narrows", 'no token holds the claim `aud` any more (was: `"api"`)')],
    ),
    "another value of a session variable": (
        tokens(template(), template(claims=claims(**{"x-hasura-user-id": "{{user.external_id}}"}))),
        [("shifts", 'the claim `x-hasura-user-id` is `"{{user.external_id}}"` (was: `"{{user.id}}"`)')],
    ),
    "a claim beneath another": (
        tokens(
            template(claims={**claims(), "app": {"plan": "a"}}),
            template(claims={**claims(), "app": {"plan": "b"}}),
        ),
        [("narrows", 'the claim `app > plan` is `"b"` (was: `"a"`)')],
    ),
    "a template that is deleted": (
        tokens(template(), None, "delete"),
        [("narrows", "the JWT template `hasura` is deleted: front ends get no token by that name")],
    ),
    "a template that may be taken over": (
        tokens(None, template(adopt=True), "create"),
        [("none", "the JWT template `hasura` is created, or the one of that name is taken over")],
    ),
    "a template of another instance": (
        tokens(template(), template(api_url="https://b.test"), "replace"),
        [
            (
                "narrows",
                'the template goes to the Clerk instance at `https://b.test` (was: `"https://api.clerk.com"`)',
            ),
            (
                "narrows",
                "JWT template `jwt-template` is replaced: it moves to another Clerk instance, whose users are "
                "others; the old one goes last",
            ),
        ],
    ),
    "a template of another application": (
        tokens(template(publishable_key="pk_live_a"), template(publishable_key="pk_live_b"), "replace"),
        [
            (
                "narrows",
                'tokens come from the Clerk instance of `pk_live_b` (was: `"pk_live_a"`)',
            ),
            (
                "narrows",
                "JWT template `jwt-template` is replaced: it moves to another Clerk instance, whose users are "
                "others; the old one goes last",
            ),
        ],
    ),
    "a volume that is replaced": (
        [
            step("replace", VOLUME, "postgres-data", {"name": "a"}, {"name": "b"}, detailedDiff={"name": {}}),
            ended(),
        ],
        [
            (
                "destroys",
                "volume `postgres-data` is replaced: whatever is in it is lost; the new one is empty",
            )
        ],
    ),
    "a volume without protection": (
        [step("same", VOLUME, "postgres-data", {"name": "a"}, {"name": "a"}, protect="old"), ended()],
        [("unguards", "volume `postgres-data` is not protected from deletion any more")],
    ),
    "an engine that is replaced": (
        container("replace", "hasura", ENGINE, {**ENGINE, "image": UNKNOWN}),
        [
            (
                "interrupts",
                "engine's container `hasura` is replaced: the API does not answer until its successor is healthy "
                "(seconds: the old one goes before the new one starts)",
            )
        ],
    ),
    "an engine that is deleted": (
        container("delete", "hasura", ENGINE, None),
        [("narrows", "engine's container `hasura` is deleted: the API does not answer any more")],
    ),
    "an engine that is changed while it runs": (container("update", "hasura", ENGINE, ENGINE), []),
    "a container of another name": (
        container("replace", "cache", ENGINE, ENGINE),
        [
            (
                "interrupts",
                "container `cache` is replaced: it is removed before its successor starts: away for seconds",
            )
        ],
    ),
    "a kind that nobody knows": (
        [step("replace", "aws:s3/bucket:Bucket", "dumps", {"a": 1}, {"a": 2}), ended()],
        [("interrupts", "Bucket `dumps` is replaced: what it serves is away in between")],
    ),
    "a table whose rows go to a webhook": (
        [step("update", METADATA, "metadata", metadata(users={}), metadata(users=TRIGGER)), ended()],
        [
            (
                "widens",
                "table `users`: event trigger `t` is added: its rows go to `https://***@hook.test/?key=***`",
            )
        ],
    ),
    "worst first": (
        [
            step("update", METADATA, "metadata", metadata(users=USERS), metadata(users=WIDER, new={})),
            step("delete", VOLUME, "postgres-data", {"name": "a"}),
            *container("replace", "hasura", ENGINE, ENGINE),
        ],
        [
            ("destroys", "volume `postgres-data` is deleted: whatever is in it is lost"),
            (
                "widens",
                "role `user` on `users`: may now see every row (was: only rows where `id` = `X-Hasura-User-Id`)",
            ),
            (
                "interrupts",
                "engine's container `hasura` is replaced: the API does not answer until its successor is healthy "
                "(seconds: the old one goes before the new one starts)",
            ),
            ("none", "table `new` becomes a part of the API (tracked)"),
        ],
    ),
    "a roll-back whose SQL was not read": (
        [step("update", MIGRATIONS, "migrations", migrations("1_a", "2_b"), migrations("1_a")), ended()],
        [
            (
                "destroys",
                "migration `default/2_b` is rolled back by the down SQL that the ledger keeps, which was not read",
            )
        ],
    ),
    "a roll-back that destroys nothing": (
        [
            step("update", MIGRATIONS, "migrations", migrations("1_a", "2_b"), migrations("1_a")),
            said('default: would roll back 2_b by the down SQL that the ledger keeps: "drop index i"'),
            ended(),
        ],
        [("narrows", "migration `default/2_b` is rolled back by the down SQL that the ledger keeps")],
    ),
    "a roll-back that cannot be read": (
        [
            step("update", MIGRATIONS, "migrations", migrations("1_a", "2_b"), migrations("1_a")),
            said(
                'default: would roll back 2_b by the down SQL that the ledger keeps: "drop index i;\\n select \'"'
            ),
            ended(),
        ],
        [
            (
                "destroys",
                "rolling back `default/2_b`, line 2: `not read from here on: the string that starts here is not "
                "closed`",
            )
        ],
    ),
    "seeds and settings": (
        [
            step(
                "update",
                MIGRATIONS,
                "migrations",
                migrations("1_a", seeds={"default": {"a.sql": "1"}}),
                migrations(
                    "1_a",
                    seeds={"default": {"a.sql": "2", "b.sql": "1"}},
                    settings={"lint": "error", "rollback": "refuse"},
                ),
            ),
            ended(),
        ],
        [
            ("none", 'migrations: the setting `lint` is now `"error"` (was: `"off"`)'),
            ("none", "seed `default/a.sql` is applied again, because it changed"),
            ("none", "seed `default/b.sql` is applied for the first time"),
        ],
    ),
    "the catalog state": (
        [
            step("update", MIGRATIONS, "migrations", migrations("1_a", catalog_state="x"), migrations("1_a")),
            said("default: would bring Hasura's catalog state in line with the ledger"),
            ended(),
        ],
        [("none", "Hasura's catalog state of `default` is brought in line with the ledger")],
    ),
    "an output": (
        [outputs({"issuer": "a", "adminSecret": SECRET}, {"issuer": "b", "adminSecret": SECRET}), ended()],
        [("none", 'the stack\'s output `issuer` is `"b"` (was: `"a"`)')],
    ),
    "an output that is not known yet": ([outputs({"provenAt": "a"}, {"provenAt": UNKNOWN}), ended()], []),
    "a value of a secret that is the only change": (
        tokens(template(signing_key=SECRET), template(signing_key=SECRET)),
        [("narrows", f"the signing key is another one: {REFUSED}")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_changes(name: str) -> None:
    events, expected = CASES[name]
    plan = plan_of(events)
    assert [(change.risk.key, change.words) for change in plan.changes] == expected
    assert plan.outcome == ("change" if expected or plan.resources else "no change")


@pytest.mark.parametrize("name", CASES)
def test_the_twin_changes_nothing(name: str) -> None:
    plan = plan_of(settled(CASES[name][0]))
    assert plan.outcome == "no change", plan
    assert markdown.document(plan) == "Plan of `dev`: nothing changes.\n"


GONE = "not refreshed: metadata: http://engine does not answer"
DRIFT: dict[str, tuple[list[Event], list[tuple[str, str]], str]] = {
    "nothing": ([found(CONTAINER, "hasura", ENGINE, ENGINE, detailedDiff={})], [], "no change"),
    "a permission": (
        [found(METADATA, "metadata", metadata(users=USERS), metadata(users=WIDER))],
        [
            (
                "widens",
                "role `user` on `users`: may now see every row (was: only rows where `id` = `X-Hasura-User-Id`)",
            )
        ],
        "drift",
    ),
    "a claim": (
        [found(TEMPLATE, "jwt-template", template(), template(lifetime=30))],
        [("none", "a token is valid for `30` seconds (was: `60`)")],
        "drift",
    ),
    "an untouched template with a key": (
        [found(TEMPLATE, "jwt-template", template(signing_key=SECRET), template(signing_key=SECRET))],
        [],
        "no change",
    ),
    "a volume that is gone": (
        [found(VOLUME, "postgres-data", {"name": "a"}, None)],
        [("destroys", "volume `postgres-data` is gone")],
        "drift",
    ),
    "a container that was changed": (
        [
            found(
                CONTAINER,
                "hasura",
                {"restart": "always", "memory": 1},
                {"restart": "no", "memory": 1},
                detailedDiff={"restart": {}},
            )
        ],
        [("none", "engine's container `hasura` is not as it was deployed: `restart`: `always` → `no`")],
        "drift",
    ),
    "what the last deployment had to do": (
        [
            found(
                MIGRATIONS,
                "m",
                migrations("1_a", plan="default: apply 1_a"),
                migrations("1_a", plan="nothing"),
            )
        ],
        [],
        "no change",
    ),
    "migrations": (
        [
            found(
                MIGRATIONS,
                "migrations",
                migrations("1_a", "2_b"),
                migrations("1_a", "3_c", catalog_state="default lacks 1"),
            )
        ],
        [
            ("none", "Hasura's catalog state differs from the ledger: `default lacks 1`"),
            ("none", "migration `default/2_b` was deployed, and the database has no record of it"),
            (
                "none",
                "migration `default/3_c` is recorded in the database, and this stack has not deployed it",
            ),
        ],
        "drift",
    ),
    "what could not be looked at": ([said(GONE)], [], "failed"),
    "what could not be looked at, as the state keeps it": (
        [
            said(GONE),
            found(METADATA, "metadata", metadata(users=USERS), metadata(users=USERS) | {UNSEEN: "away"}),
            found(TEMPLATE, "jwt-template", template(), template() | {UNSEEN: "away"}),
            found(MIGRATIONS, "migrations", migrations("1_a"), migrations("1_a") | {UNSEEN: "away"}),
        ],
        [],
        "failed",
    ),
    "what could not be looked at beside what was found": (
        [said(GONE), found(CONTAINER, "hasura", ENGINE, None)],
        [("narrows", "engine's container `hasura` is gone")],
        "drift",
    ),
}


@pytest.mark.parametrize("name", DRIFT)
def test_drift(name: str) -> None:
    events, expected, outcome = DRIFT[name]
    plan = plan_of([*events, ended()], drift=True)
    assert plan.outcome == outcome
    assert [(change.risk.key, change.words) for change in plan.drift or ()] == expected
    text = markdown.document(plan)
    assert ("http://engine does not answer" in text) == bool(GONE in str(events))
    if outcome == "drift":
        assert all(words in text for _, words in expected)


@pytest.mark.parametrize("name", [name for name in DRIFT if DRIFT[name][2] == "drift"])
def test_without_drift_the_twin_says_so(name: str) -> None:
    looked_at = [event for event in DRIFT[name][0] if "diagnosticEvent" not in event]
    plan = plan_of([*settled(looked_at), ended()], drift=True)
    assert markdown.document(plan) == "Plan of `dev`: nothing changes. It is as it was deployed.\n"


def test_policies_are_told_and_a_mandatory_one_is_a_reason() -> None:
    advisory = plan_of([policy("advisory", "users: filter is empty"), *container("update", "hasura", {}, {})])
    assert advisory.outcome == "change"
    assert "- **advisory** `no-open-filter` on `metadata`: users: filter is empty" in markdown.document(
        advisory
    )
    broken = policy("mandatory", "users: filter is empty")
    mandatory = plan_of([broken, said("preview failed", "error"), ended("failed")])
    assert mandatory.outcome == "failed"
    assert mandatory.problems == ("it breaks mandatory policies (1), which stand under Policies",)
    assert "- **mandatory** `no-open-filter` on `metadata`: users: filter is empty" in markdown.document(
        mandatory
    )
    also = plan_of(
        [broken, said("hasuraPort: is taken", "error"), said("preview failed", "error"), ended("failed")]
    )
    assert also.problems == ("hasuraPort: is taken", *mandatory.problems)
    quiet = plan_of([policy("advisory", "users: filter is empty"), ended()])
    assert markdown.document(quiet) == "Plan of `dev`: nothing changes. (1 policy finding, in the JSON)\n"


def test_what_the_cli_says_beside_its_events_is_the_reason() -> None:
    plan = make(read([]), stack="dev", also_said="error: no stack named 'dev' found\n")
    assert plan.problems == ("error: no stack named 'dev' found",)
    assert make(read([]), stack="dev").problems == ("the preview ended without a word",)


def test_a_dump_is_told_beside_the_migrations() -> None:
    told = "a dump of default is due before migrations/default/2_b/up.sql:1: drop table users"
    news = step("update", MIGRATIONS, "migrations", migrations("1_a"), migrations("1_a", "2_b"))
    plan = plan_of([news, said("default: would run 2_b"), said(told), ended()])
    assert plan.dumps == (told,)
    assert told in markdown.document(plan)
    assert plan.warnings == ()


def test_the_ledger_comes_before_the_state() -> None:
    news = step("update", MIGRATIONS, "migrations", migrations("1_a"), migrations("1_a", "2_b", "3_c"))
    by_state = plan_of([news, ended()])
    assert ([m.name for m in by_state.migrations], by_state.ledger_read) == (
        ["default/2_b", "default/3_c"],
        False,
    )
    by_ledger = plan_of([news, said("default: would run 3_c"), ended()])
    assert ([m.name for m in by_ledger.migrations], by_ledger.ledger_read) == (["default/3_c"], True)
    said_all = said("no migration would run: the ledgers hold all of them already")
    held = plan_of([news, said_all, ended()])
    assert (held.migrations, held.ledger_read) == ((), True)


def test_every_kind_of_this_project_is_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = host.HostFacts(docker_error=None, busy_ports={})
    monkeypatch.setattr(host, "gather", lambda _settings, _docker: facts)
    monkeypatch.setattr(
        stack_images,
        "images",
        lambda configured: {
            part: Image(name=image or f"{part}:1", user="1") for part, image in configured.items()
        },
    )
    graph = deploy(stack_config("dev"), stack="dev")
    shown = {(r.type, r.name) for r in graph.resources.values() if is_shown(r.type)}
    assert len(shown) > 20
    missing = [
        (type_, name) for type_, name in shown if type_ not in KINDS and f"{type_}/{name}" not in KINDS
    ]
    assert missing == []
    for type_, name in shown:
        kind = kind_of(type_, name)
        for operation in ("replace", "delete"):
            meaning = getattr(kind, operation)
            assert meaning.says or meaning.risk is Risk.NONE
