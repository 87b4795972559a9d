"""A service of Docker Swarm as a Pulumi resource, which is updated without an interruption or left as it was.

Swarm starts each new task before it stops the one that it replaces, and rolls back when one does not become healthy.
An update that was rolled back fails as an update, so the state goes on saying what serves, and the next one tries
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    UpdateResult,
)

from components.docker_command import DockerError
from components.docker_provider import DockerProvider
from components.provider_error import ProviderError, telling_plainly
from components.swarm.document import Labels, differences
from components.swarm.manager import SwarmService as Manager

_told_plainly = telling_plainly(ProviderError, DockerError)

AS_DEPLOYED: Final = "as deployed"
"""What the input `in_force` says; a refresh that finds otherwise puts the difference in its place."""

_MEANT: Final = ("stack", "service", "label", "definition", "network", "secrets", "owner", "in_force")
_INPUTS: Final = (*_MEANT, "seconds")
_OUTPUTS: Final = ("revision", "secret_names", "specification")


class SwarmServiceProvider(DockerProvider):
    """Inputs: ``stack`` and ``service``, the parts of its name; ``label`` (NAME=VALUE of what belongs to the stack);
    ``definition`` (the service in the form of a Compose file); ``network`` (a name); ``secrets`` (file to content) and
    ``owner`` (who may read them); ``seconds`` (how long one replica may take); ``in_force`` (always AS_DEPLOYED).
    Outputs are the inputs and ``revision``, ``secret_names`` (file to name), ``specification`` (Swarm's own). The
    state refers to this class by its import path.
    """

    @_told_plainly
    def create(self, props: dict[str, object]) -> CreateResult:
        """Makes the service, or goes on with one that a deployment which died has left."""
        service = self._service(props)
        there = service.state()
        if there is not None and not service.is_own(there):
            raise ProviderError(
                f"there is a service {service.name} already, which this stack has not made: another copy of the "
                "project has a stack of this name, or its state was lost. Take it down there, or: "
                f"docker service rm {service.name}"
            )
        try:
            outs = self._deploy(service, props, {})
        except ProviderError:
            if there is None:
                # Else Swarm would start it again and again, and Pulumi knows nothing of it.
                service.remove()
                service.remove_secrets()
            raise
        return CreateResult(id_=service.name, outs=outs)

    @_told_plainly
    def update(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> UpdateResult:
        """Replaces one replica after the other."""
        return UpdateResult(outs=self._deploy(self._service(news), news, olds))

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """Anything but how long a replica is waited for."""
        named = [key for key in ("stack", "service") if olds.get(key) != news.get(key)]
        return DiffResult(
            changes=any(olds.get(key) != news.get(key) for key in _MEANT),
            replaces=named,
            delete_before_replace=False,
        )

    @_told_plainly
    def read(self, id_: str, props: dict[str, object]) -> ReadResult:
        """Whether the service is what it was deployed as."""
        service = self._service(props)
        state = service.state()
        if state is None:
            return ReadResult("", {})
        found = {key: props[key] for key in (*_INPUTS, *_OUTPUTS)}
        lacking = sorted(set(_texts(props["secret_names"]).values()) - service.secret_names())
        changed = [*differences(props["specification"], state.specification)]
        changed += [f"the secret {name} is gone" for name in lacking]
        found["in_force"] = "; ".join(changed) or AS_DEPLOYED
        return ReadResult(id_, found, {key: found[key] for key in _INPUTS})

    @_told_plainly
    def delete(self, _id: str, props: dict[str, object]) -> None:
        """Removes the service, and its secrets after it."""
        service = self._service(props)
        service.remove()
        service.remove_secrets()

    def _service(self, props: Mapping[str, object]) -> Manager:
        return Manager(
            docker=self._docker,
            stack=str(props["stack"]),
            service=str(props["service"]),
            labels=Labels(stack=str(props["label"])),
        )

    @staticmethod
    def _deploy(service: Manager, news: dict[str, object], olds: dict[str, object]) -> dict[str, object]:
        """Makes what secrets are new, deploys, and removes what secrets are old; those that are new, if it fails."""
        wanted, had = _texts(news["secrets"]), _texts(olds.get("secrets"))
        names = _texts(olds.get("secret_names"))
        there = service.secret_names() if names else set()
        kept = {
            file: names[file]
            for file, value in wanted.items()
            if file in names and had.get(file) == value and names[file] in there
        }
        try:
            made = {
                file: service.make_secret(file, value) for file, value in wanted.items() if file not in kept
            }
            definition: Any = _whole(news["definition"])
            revision = service.deploy(
                definition,
                network=str(news["network"]),
                secret_names=kept | made,
                owner=str(news["owner"]),
                seconds=float(str(news["seconds"])),
            )
        except (ProviderError, DockerError):
            # Swarm lets no secret go that the service still has, whatever came of the deployment.
            service.remove_secrets(keep=names.values())
            raise
        service.remove_secrets(keep=(kept | made).values())
        state = service.state()
        return {key: news[key] for key in _INPUTS} | {
            "revision": revision,
            "secret_names": kept | made,
            "specification": dict(state.specification) if state else {},
        }


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, Mapping) else {}


def _whole(value: object) -> object:
    """A tree whose numbers are whole again where they were: Pulumi gives every number as one with a fraction."""
    if isinstance(value, Mapping):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class SwarmService(Resource, module="docker", name="SwarmService"):
    """A service whose replicas are healthy.

    ``revision`` is another text whenever other tasks serve.
    """

    revision: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        stack: str,
        service: str,
        label: str,
        definition: Mapping[str, Any],
        network: pulumi.Input[str],
        secrets: Mapping[str, pulumi.Input[str]],
        owner: str,
        seconds: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """See the provider for what goes in; the contents of ``secrets`` are Pulumi secrets."""
        super().__init__(
            SwarmServiceProvider(),
            resource_name,
            {
                "stack": stack,
                "service": service,
                "label": label,
                "definition": dict(definition),
                "network": network,
                "secrets": dict(secrets),
                "owner": owner,
                "seconds": seconds,
                "in_force": AS_DEPLOYED,
                "revision": None,
                "secret_names": None,
                "specification": None,
            },
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["secrets"])),
        )
