"""`python -m components.deployment_log up --yes`: runs `pulumi up --yes`, and logs what it did.

The CLI keeps the terminal, and further arguments are its own; `destroy` and `refresh` work as well. Each step with
its duration, and each thing that was said, becomes a line of `.local/deployments/STACK.log` (another file:
DEPLOYMENT_LOG). No secret goes into it.

The exit code is the CLI's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from components import selected_stack
from components.deployment_log.stream import listening
from components.selected_stack import StackError

OPERATIONS: Final = ("up", "destroy", "refresh")
WRONG_USAGE: Final = 2


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    if not arguments or arguments[0] not in OPERATIONS:
        print(
            f"usage: python -m components.deployment_log {'|'.join(OPERATIONS)} [ARGUMENT]...",
            file=sys.stderr,
        )
        return WRONG_USAGE
    with listening() as events:
        try:
            code = _run([*arguments, "--event-log", events.address])
        except FileNotFoundError:
            print('pulumi is not on PATH. `eval "$(make -s activate)"` puts it there.', file=sys.stderr)
            return 1
    # Until here nobody has waited for these.
    from components.deployment_log.record import deployment
    from components.deployment_log.text import failures, lines, summary
    from components.plan.redaction import redactor

    found = deployment(events.streams, redactor(os.environ))
    if found is not None:
        stack = _stack(arguments)
        file = Path(os.environ.get("DEPLOYMENT_LOG") or f".local/deployments/{stack}.log")
        made = lines(found, operation=arguments[0], stack=stack, commit=_commit())
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as log:
                log.write("".join(f"{line}\n" for line in made))
        except OSError as error:
            # What was deployed is deployed.
            print(f"warning: the deployment is not in its log: {error}", file=sys.stderr)
        print(f"{summary(found, operation=arguments[0])}. Log: {file}")
        if reasons := failures(found):
            print("\nWhat failed, once more:\n" + "\n".join(f"  {line}" for line in reasons))
    return code


def _run(arguments: Sequence[str]) -> int:
    """The CLI, with the terminal. An interruption is the CLI's to answer; it is waited for."""
    # The option is hidden behind it.
    environment = {**os.environ, "PULUMI_DEBUG_COMMANDS": "true"}
    process = subprocess.Popen(["pulumi", *arguments], env=environment)  # noqa: S603, S607

    def wait(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            process.terminate()

    before = {number: signal.signal(number, wait) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stack(arguments: Sequence[str]) -> str:
    """The stack that was named, else the selected one."""
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in ("--stack", "-s"):
            given = value if equals else arguments[index + 1] if index + 1 < len(arguments) else ""
            return given.rsplit("/", 1)[-1]
    try:
        return selected_stack.name()
    except StackError:
        return "unknown"


def _commit() -> str:
    """The commit that is checked out, marked where files differ from it; empty outside of git."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
