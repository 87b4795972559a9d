"""The JWT template of a Clerk application, and what a stack has to say so that it stays as it is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.clerk.adoption import TemplateConfiguration, configuration, differences
from components.clerk.answers import JwtTemplateRecord, TemplateContent
from components.clerk.claims import template_claims
from components.settings import ClerkSettings


@dataclass(frozen=True, kw_only=True)
class TemplateFound:
    """What was decided: the template, None where there is none of that name, and what the stack is to say of it.

    ``changes`` are what the first deployment would change in it all the same, ``problems`` what stands in the way, each
    a key of the configuration and a sentence.
    """

    record: JwtTemplateRecord | None = None
    configuration: TemplateConfiguration | None = None
    changes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def find(templates: Sequence[JwtTemplateRecord], clerk: ClerkSettings) -> TemplateFound:
    """Choose the template by the configured name."""
    wanted = clerk.template
    named = [record for record in templates if record.name == wanted.name]
    if not named:
        others = ", ".join(record.name for record in templates)
        return TemplateFound(
            remarks=(
                f"Clerk has no JWT template named {wanted.name}, so the first `up` creates it"
                + (
                    f". It has {others}: pulumi config set jwtTemplateName NAME takes one of them over"
                    if others
                    else ""
                ),
            )
        )
    if len(named) > 1:
        return TemplateFound(
            problems=(
                f"jwtTemplateName: Clerk has {len(named)} templates named {wanted.name}: "
                f"{', '.join(record.id for record in named)}\n    delete all but one in the dashboard",
            )
        )
    [record] = named
    if record.custom_signing_key and not wanted.signing_key:
        return TemplateFound(
            record=record,
            problems=(
                f"jwtSigningKey: is not set, and the template {wanted.name} ({record.id}) signs by a key of its own, "
                f"which Clerk shows to nobody\n    pulumi config set jwtSigningAlgorithm {record.signing_algorithm} && "
                "pulumi config set --secret jwtSigningKey < key.pem",
            ),
        )
    found = configuration(record, namespace=wanted.claims_namespace, role=wanted.role)
    changes = differences(
        record,
        TemplateContent(
            name=wanted.name,
            claims=template_claims(found.role, [found.role], found.claims, found.namespace),
            lifetime=found.lifetime,
            allowed_clock_skew=found.clock_skew,
            signing_algorithm=wanted.signing_algorithm or None,
            signing_key=wanted.signing_key or None,
        ),
    )
    return TemplateFound(record=record, configuration=found, changes=tuple(changes))
