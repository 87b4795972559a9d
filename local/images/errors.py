"""The one error of this room."""


class ImageError(Exception):
    """An image cannot be had, or Docker cannot be asked for it.

    The message names what is wrong, where, and what to do next; it is meant for the user as it stands.
    """
