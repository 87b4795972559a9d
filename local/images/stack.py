"""The images of a stack that may use stand-ins, as its program asks for them."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.container import Image, vendors_user
from local.images.decisions import Part
from local.images.errors import ImageError
from local.images.supply import ResolvedImage, resolve_all

# The stand-ins share one image; the command says which of them runs.
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "stand-ins": ("python", "-m", "local.clerk"),
    "hasura": ("python", "-m", "local.engine"),
}

STAND_INS_USER = "10001"
"""The user of `local/images/stand-ins/Dockerfile`, without a group: the image's own entry names it."""
_USERS: Mapping[str, str] = {"postgres": "999:999"}
"""Of `local/images/postgres/Dockerfile`, and the vendor's, so that one volume serves either."""


def images(configured: Mapping[Part, str], /) -> dict[Part, Image]:
    """The image that serves each part, with a warning on the CLI where it is a stand-in.

    `configured` are the images of the stack's configuration; the part `stand-ins` has none, and `caddy` may have none.
    Raises pulumi.RunError where an image is needed that is built here, and has not been.
    """
    try:
        resolved = resolve_all(configured)
    except ImageError as error:
        raise pulumi.RunError(str(error)) from None
    return {part: _image(part, found) for part, found in resolved.items()}


def _image(part: Part, resolved: ResolvedImage) -> Image:
    if resolved.stand_in and part != "stand-ins":
        pulumi.log.warn(resolved.why)
    if not resolved.stand_in:
        return Image(name=resolved.image, user=vendors_user(resolved.image, part))
    return Image(name=resolved.image, user=_USERS.get(part, STAND_INS_USER), command=_COMMANDS.get(part))
