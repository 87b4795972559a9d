"""Pulumi's calls on the proof of row isolation: what is created is the fact that it was proven.

The import path of ``RowIsolationProvider`` is part of the state: a move needs a shim.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)

from components.clerk.credentials import Credentials, configured
from components.clerk.errors import ClerkError
from components.clerk.provider import differs, plain
from components.provider_error import ProviderError, not_refreshed, told_plainly, warn

from .problems import ProofError
from .target import Target, TargetError, read_target

if TYPE_CHECKING:
    from components.clerk.client import ClerkClient

AS_PROVEN: Final = "as proven"
"""What the input ``live`` says; a refresh that finds otherwise puts what has changed in its place."""

INPUTS: Final = ("stack", "admin_secret", "jwt_secret", "chain", "live")

Props = dict[str, Any]  # Pulumi's own type for them


class RowIsolationProvider(ResourceProvider):
    """Proves when it is created and whenever an input differs; a line that fails, fails the deployment.

    Inputs: ``stack`` (the stack's outputs, without the secret ones), ``admin_secret`` and ``jwt_secret``
    (secrets), ``chain`` (whatever else decides on who sees what), ``live`` (see AS_PROVEN). Outputs: the
    inputs, ``proven_at`` (UTC, ISO 8601), ``fingerprint`` (of the metadata and the template that were
    proven) and ``report`` (the table, as text). Clerk's secret key comes from the stack's configuration or
    the environment, never from an input.
    """

    _credentials = Credentials()

    def configure(self, req: ConfigureRequest) -> None:
        self._credentials = configured(req.config, os.environ)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        return DiffResult(changes=any(differs(_olds.get(key), _news.get(key)) for key in INPUTS))

    @told_plainly
    def create(self, props: Props) -> CreateResult:
        return CreateResult("row-isolation", self._proven(props))

    @told_plainly
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        return UpdateResult(self._proven(_news))

    @told_plainly
    def read(self, id_: str, props: Props) -> ReadResult:
        """Nothing is proven in a refresh; it is only seen whether what was proven is still there."""
        from components.hasura.client import AnswerLost, EngineUnreachable, HasuraError

        inputs = _inputs(props)
        try:
            target = _target(props)
            with self._credentials.client(target.clerk_api_url) as clerk:
                now = fingerprint(target, clerk)
        except (ProviderError, ClerkError, EngineUnreachable, AnswerLost, HasuraError) as error:
            not_refreshed("the proof of row isolation", error)
            return ReadResult(id_, dict(props), inputs)
        if now != props.get("fingerprint"):
            inputs["live"] = "the metadata or the JWT template have changed since"
        kept = {key: props[key] for key in ("proven_at", "fingerprint", "report") if key in props}
        return ReadResult(id_, inputs | kept, inputs)

    def delete(self, _id: str, _props: Props) -> None:
        """Nothing: the proof has left nothing behind."""

    def _proven(self, props: Props) -> Props:
        from components.hasura.client import AnswerLost, EngineUnreachable, HasuraError

        from . import report
        from .run import prove
        from .throwaway import new_run

        target = _target(props)
        try:
            with self._credentials.client(target.clerk_api_url) as clerk:
                # Before the proof: what changes while it runs is then seen by the next refresh.
                seen = fingerprint(target, clerk)
                proof = prove(target, clerk, new_run(), notice=warn)
        except (ProofError, ClerkError, EngineUnreachable, AnswerLost, HasuraError) as error:
            raise ProviderError(
                f"The proof of row isolation could not be made: {error} "
                "To deploy without it: pulumi config set proof false"
            ) from None
        if not proof.passed:
            raise ProviderError(
                "Row isolation is NOT proven; what was deployed before this is in place.\n"
                f"{report.failures(proof)}\n"
                "  Mend it and deploy again; `make prove` shows every line."
            )
        warn(f"Row isolation is proven: all {len(proof.verdicts)} lines hold.")
        now = datetime.now(tz=UTC).isoformat(timespec="milliseconds")
        return _inputs(props) | {"proven_at": now, "fingerprint": seen, "report": report.text(proof)}


def fingerprint(target: Target, clerk: ClerkClient) -> str:
    """A digest of the engine's metadata and of the JWT template as they are now.

    Raises ClerkError and the errors of HasuraClient.
    """
    from components.hasura.client import HasuraClient

    with HasuraClient(target.engine_url, target.admin_secret) as engine:
        _, metadata = engine.export_metadata()
    templates = [
        [found.id, found.claims, found.lifetime, found.allowed_clock_skew, found.signing_algorithm]
        for found in clerk.jwt_templates()
        if found.name == target.template
    ]
    seen = json.dumps([metadata, templates], sort_keys=True)
    return hashlib.sha256(seen.encode()).hexdigest()


def _target(props: Mapping[str, Any]) -> Target:
    stack = plain(props["stack"])
    try:
        outputs = stack if isinstance(stack, dict) else {}
        return read_target({**outputs, "adminSecret": props["admin_secret"]})
    except TargetError as error:
        raise ProviderError(f"The stack cannot be proven: {error}") from None


def _inputs(props: Mapping[str, Any]) -> Props:
    return {key: props[key] for key in INPUTS if key in props}
