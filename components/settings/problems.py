"""What is wrong with a configuration, said so that a person can mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.settings.values import Settings


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with the configuration.

    :param key: configuration key without its namespace, for example ``hasuraPort``.
    :param what: what is wrong with its value. Never holds a secret value.
    :param write: what to do about it, usually a command.
    """

    key: str
    what: str
    write: str

    def __str__(self) -> str:
        return f"{self.key}: {self.what}\n    {self.write}"


class SettingsError(Exception):
    """The configuration cannot be used. Holds every problem, not only the first.

    :param problems: all problems found, in the order of the keys in `Pulumi.yaml` where there is one.
    :param provisional: the settings as if what is wrong were right, so that further rules can be held to the
        rest of them; None where too much is wrong for that. Never to be deployed.
    """

    def __init__(self, problems: list[Problem], provisional: Settings | None = None) -> None:
        self.problems = tuple(problems)
        self.provisional = provisional
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{count} in this stack's configuration; nothing was touched.\n{lines}")


def set_command(key: str, example: str) -> str:
    """The command that sets a key."""
    return f"pulumi config set {key} {example}"
