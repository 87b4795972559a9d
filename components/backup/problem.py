"""What goes wrong with a backup, in words for whoever asked for it."""

from __future__ import annotations


class BackupError(Exception):
    """A backup or a restoration cannot be made. The text says why, what is as it was, and what to do; it holds no
    secret."""
