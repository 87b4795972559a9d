"""A service as the document that `docker stack deploy` takes. Pure.

A Compose file of version 3, of which Swarm reads all that stands under `deploy`:
https://docs.docker.com/reference/compose-file/deploy/ and, for the options of the command,
https://docs.docker.com/reference/cli/docker/stack/deploy/.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_VERSION: Final = "3.9"
"""The newest that the oldest supported docker command knows."""
_NETWORK: Final = "stack"
_IGNORED: Final = frozenset({"ForceUpdate", "Runtime"})
"""Of a specification, what is another number after each restart, and what Docker fills in by itself."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labels by which what belongs to a stack is found again.

    :param stack: the stack's, as NAME=VALUE.
    """

    stack: str

    @property
    def name(self) -> str:
        """Of the stack's label."""
        return self.stack.partition("=")[0]

    @property
    def value(self) -> str:
        """Of the stack's label."""
        return self.stack.partition("=")[2]

    @property
    def revision(self) -> str:
        """Name of the label that tells tasks of one revision from those of another."""
        return f"{self.name.rpartition('.')[0]}.revision"

    @property
    def file(self) -> str:
        """Name of the label that says for which file a secret is."""
        return f"{self.name.rpartition('.')[0]}.file"


def revision(definition: Mapping[str, Any], network: str, secret_names: Mapping[str, str]) -> str:
    """Another text for whatever makes tasks other ones, which their number does not."""
    deploy = {key: value for key, value in definition.get("deploy", {}).items() if key != "replicas"}
    meant = [{**definition, "deploy": deploy}, network, dict(secret_names)]
    return hashlib.sha256(json.dumps(meant, sort_keys=True).encode()).hexdigest()[:12]


def document(
    service: str,
    definition: Mapping[str, Any],
    *,
    labels: Labels,
    network: str,
    secret_names: Mapping[str, str],
    owner: str,
) -> dict[str, Any]:
    """The whole of a service, with its secrets, its network and its revision.

    :param definition: the service in the form of a Compose file, without those.
    :param network: name of a network that is there.
    :param secret_names: file to the name of the secret that it holds; a file without a slash lies in /run/secrets.
    :param owner: user, and group after a colon, that may read the files.
    """
    user, _, group = owner.partition(":")
    own = {labels.name: labels.value}
    numbered = {file: f"secret-{index}" for index, file in enumerate(sorted(secret_names))}
    made = {
        **definition,
        "networks": [_NETWORK],
        "labels": {
            **definition.get("labels", {}),
            **own,
            labels.revision: revision(definition, network, secret_names),
        },
        "secrets": [
            {"source": source, "target": file, "uid": user, "gid": group or user, "mode": 0o400}
            for file, source in numbered.items()
        ],
        "deploy": {**definition.get("deploy", {}), "labels": own},
    }
    return {
        "version": _VERSION,
        "services": {service: made},
        "networks": {_NETWORK: {"external": True, "name": network}},
        "secrets": {
            source: {"external": True, "name": secret_names[file]} for file, source in numbered.items()
        },
    }


def text(value: Mapping[str, Any]) -> str:
    """A document as the command reads it. JSON is YAML, and a dollar sign would begin a variable."""
    return json.dumps(value).replace("$", "$$")


def differences(deployed: Any, found: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 (any JSON)
    """Where a specification is not what it was deployed as, each in a few words."""
    if isinstance(deployed, dict) and isinstance(found, dict):
        for key in sorted((deployed.keys() | found.keys()) - _IGNORED):
            yield from differences(deployed.get(key), found.get(key), f"{path}.{key}".lstrip("."))
    elif deployed != found:
        yield f"{path} is {json.dumps(found)}, not {json.dumps(deployed)}"
