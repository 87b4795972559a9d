"""A plan as JSON, version 1, and the fingerprint by which it is recognised. Pure.

`docs/plan.md` describes the shape. What is done is in `plan`, and the fingerprint is taken of that alone; what was
only said of it, and what depends on the machine that looked, stands beside it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from components.hasura.json_types import Json, JsonObject
from components.plan.changes import PlannedChange
from components.plan.document import EXIT_CODES, Plan
from components.plan.migrations import PlannedMigration
from components.plan.resources import ResourceChange
from components.plan.tokens import Template

VERSION: Final = 1


def fingerprint(plan: Plan) -> str | None:
    """SHA-256, in hexadecimal, of the canonical form of what the plan does; None where there is no plan.

    The canonical form is JSON with sorted keys, without spaces, in UTF-8.
    """
    if plan.outcome == "failed":
        return None
    return hashlib.sha256(_canonical(_done(plan)).encode()).hexdigest()


def shaped(plan: Plan) -> JsonObject:
    """The plan in the documented shape."""
    return {
        "version": VERSION,
        "fingerprint": fingerprint(plan),
        "outcome": plan.outcome,
        "exit_code": EXIT_CODES[plan.outcome],
        "plan": None if plan.outcome == "failed" else _done(plan),
        "drift": None if plan.drift is None else [_change(change) for change in plan.drift],
        "not_seen": list(plan.not_seen),
        "problems": list(plan.problems),
        "ledger_read": plan.ledger_read,
        "dumps": list(plan.dumps),
        "rehearsals": list(plan.rehearsals),
        "lint": [{"where": finding.where, "text": finding.text} for finding in plan.findings],
        "policies": [
            {"level": p.level, "policy": p.policy, "pack": p.pack, "resource": p.resource, "text": p.text}
            for p in plan.policies
        ],
        "warnings": list(plan.warnings),
    }


def text(plan: Plan) -> str:
    """The same as text, for a file."""
    return json.dumps(shaped(plan), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _done(plan: Plan) -> JsonObject:
    return {
        "stack": plan.stack,
        "changes": [_change(change) for change in plan.changes],
        "migrations": [_migration(migration) for migration in plan.migrations],
        "templates": [_template(template) for template in plan.templates],
        "resources": [_resource(resource) for resource in plan.resources],
        "metadata": plan.metadata_digest or None,
    }


def _change(change: PlannedChange) -> JsonObject:
    return {
        "risk": change.risk.key,
        "topic": change.topic,
        "words": change.words,
        "about": change.about,
        "role": change.role,
        "operation": change.operation,
        "effect": change.effect,
        "before": change.before,
        "after": change.after,
    }


def _migration(migration: PlannedMigration) -> JsonObject:
    sql = migration.sql
    return {
        "source": migration.source,
        "key": migration.key,
        "action": migration.action,
        "file": migration.place,
        "checksum": migration.checksum,
        "sql": sql.text if sql else None,
        "lines": sql.lines if sql else None,
        "size": sql.size if sql else None,
        "transaction": not sql.without_transaction if sql else None,
        "destroys": [{"line": one.line, "statement": one.what} for one in sql.destroys] if sql else [],
    }


def _template(template: Template) -> JsonObject:
    return {
        "name": template.name,
        "claims": [
            {"path": list(claim.path), "before": claim.before, "after": claim.after}
            for claim in template.claims
        ],
        "settings": [
            {"name": name, "before": before, "after": after} for name, before, after in template.settings
        ],
    }


def _resource(resource: ResourceChange) -> JsonObject:
    return {
        "operation": resource.operation,
        "kind": resource.noun,
        "name": resource.name,
        "risk": resource.meaning.risk.key,
        "means": resource.meaning.says,
        "properties": list(resource.changed),
    }
