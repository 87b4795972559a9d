"""A random secret that is made once and kept in the stack's encrypted state.

The vendor's random provider would do the same; it is one more binary to obtain, and this needs none.
"""

from __future__ import annotations

import secrets

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider


class GeneratedSecretProvider(ResourceProvider):
    """Draws the value from the operating system's generator (Python's `secrets`).

    The state refers to this class by its import path, so it must stay importable under this name.
    """

    def create(self, props: dict[str, object]) -> CreateResult:
        """Draws ``length`` bytes and returns them as URL-safe base64 text in ``value``."""
        length = int(str(props["length"]).removesuffix(".0"))
        value = secrets.token_urlsafe(length)
        return CreateResult(
            id_=secrets.token_hex(8),
            outs={"length": props["length"], "rotation": props["rotation"], "value": value},
        )

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """A secret is replaced when its length or its rotation word changes, and never otherwise."""
        replaces = [key for key in ("length", "rotation") if olds.get(key) != news.get(key)]
        return DiffResult(changes=bool(replaces), replaces=replaces, delete_before_replace=False)


class GeneratedSecret(Resource, module="secret", name="GeneratedSecret"):
    """A random secret.

    :param name: resource name.
    :param length: bytes of randomness; the text is about a third longer.
    :param rotation: any word; another word makes another secret at the next `pulumi up`.
    """

    value: pulumi.Output[str]

    def __init__(
        self, name: str, *, length: int = 32, rotation: str = "", opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            GeneratedSecretProvider(),
            name,
            {"length": length, "rotation": rotation, "value": None},
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["value"])),
        )
        # The state is marked by the option above; what the program reads is marked here.
        self.value = pulumi.Output.secret(self.value)
