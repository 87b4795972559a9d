"""The images of a stack that may use stand-ins, as its program asks for them."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.container import Image
from local.images.decisions import Part
from local.images.errors import ImageError
from local.images.supply import resolve

# The stand-ins share one image; the command says which of them runs.
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "stand-ins": ("python", "-m", "local.clerk"),
    "hasura": ("python", "-m", "local.engine"),
}


def image(configured: str, part: Part, /) -> Image:
    """The image that serves `part`, with a warning on the CLI where it is a stand-in.

    `configured` is the image of the stack's configuration; the part `stand-ins` has none. Raises
    pulumi.RunError where a stand-in is needed and not built.
    """
    try:
        resolved = resolve(configured, part)
    except ImageError as error:
        raise pulumi.RunError(str(error)) from None
    if resolved.stand_in and part != "stand-ins":
        pulumi.log.warn(resolved.why)
    return Image(name=resolved.image, command=_COMMANDS.get(part) if resolved.stand_in else None)
