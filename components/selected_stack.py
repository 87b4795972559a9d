"""The selected stack as the Pulumi CLI tells it: name, configuration, outputs. For commands beside `pulumi up`.

The CLI takes the stack from PULUMI_STACK where that is set, else the one of `pulumi stack select`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

from components.project_name import PROJECT

_NAMESPACE = f"{PROJECT}:"


class StackError(Exception):
    """The CLI does not tell what was asked. The text says what to do; it holds no secret."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A stack's configuration, with the defaults of `Pulumi.yaml` filled in.

    :param values: key without namespace to text; JSON for objects and arrays.
    :param others: the same with namespace, of keys of other namespaces, for example ``docker:host``.
    :param encrypted: those of ``values`` that are encrypted in the stack's file.
    """

    values: Mapping[str, str] = field(repr=False)
    others: Mapping[str, str] = field(repr=False)
    encrypted: frozenset[str]


def pulumi(*arguments: str, content: str = "") -> str:
    """What the CLI prints. What it printed may hold secrets, so it never goes into an error.

    :param content: what it reads on its standard input.
    :raises StackError: when there is no CLI, or it fails.
    """
    try:
        answer = subprocess.run(  # noqa: S603
            ["pulumi", *arguments, "--non-interactive"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            input=content,
        )
    except FileNotFoundError:
        raise StackError('pulumi is not on PATH. `eval "$(make -s activate)"` puts it there.') from None
    if answer.returncode != 0:
        raise StackError(answer.stderr.strip() or f"`pulumi {arguments[0]}` failed.")
    return answer.stdout


def name() -> str:
    """The stack's name, without organisation and project.

    :raises StackError: when no stack is selected.
    """
    return pulumi("stack", "--show-name").strip().rsplit("/", 1)[-1]


def configuration(*, secrets: bool) -> Configuration:
    """The stack's configuration. Without ``secrets``, values that are encrypted are empty.

    :raises StackError: when it cannot be read.
    """
    shown = json.loads(pulumi("config", "--json", *(["--show-secrets"] if secrets else [])))
    texts = {key: str(entry.get("value") or "") for key, entry in shown.items()}
    return Configuration(
        values={
            key.removeprefix(_NAMESPACE): text for key, text in texts.items() if key.startswith(_NAMESPACE)
        },
        others={key: text for key, text in texts.items() if not key.startswith(_NAMESPACE)},
        encrypted=frozenset(
            key.removeprefix(_NAMESPACE)
            for key, entry in shown.items()
            if key.startswith(_NAMESPACE) and entry.get("secret")
        ),
    )


def configure(values: Mapping[str, object], secrets: Mapping[str, str]) -> None:
    """Sets keys of the project's namespace in the stack's file: the secret ones by standard input, so that no process's
    arguments show them, the others at once.

    :param values: key without namespace to text, or to what JSON has as an object or array.
    :param secrets: key without namespace to text.
    :raises StackError: when they cannot be set.
    """
    for key, text in secrets.items():
        pulumi("config", "set", "--secret", f"{_NAMESPACE}{key}", content=text)
    if values:
        pulumi(
            "config",
            "set-all",
            "--json",
            json.dumps({f"{_NAMESPACE}{k}": _entry(v) for k, v in values.items()}),
        )


def _entry(value: object) -> dict[str, object]:
    """One value in the form of `pulumi config --json`."""
    if isinstance(value, str):
        return {"value": value}
    text = json.dumps(value)
    return {"value": text, "objectValue": value} if isinstance(value, dict | list) else {"value": text}


def outputs(*, secrets: bool) -> dict[str, str]:
    """The stack's outputs; without ``secrets`` those that are secret are left out.

    :raises StackError: when they cannot be read, or there are none.
    """
    shown = json.loads(pulumi("stack", "output", "--json", *(["--show-secrets"] if secrets else [])))
    if not shown:
        raise StackError("The selected Pulumi stack has no outputs. Run `pulumi up` first.")
    # What the CLI shows in place of a secret.
    return {key: str(value) for key, value in shown.items() if secrets or value != "[secret]"}
