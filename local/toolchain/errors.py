"""The errors of this room. Each message names what is wrong, where, and what to do next."""


class ToolchainError(Exception):
    """A tool cannot be had, or the machine lacks something. The message is for the user as it stands."""


class SourceUnavailableError(ToolchainError):
    """One source cannot serve now (no connection, time-out, cut short). The next source may."""


class ChecksumError(ToolchainError):
    """A download is not what was pinned. Never a reason to try another source."""
