"""The commands behind the Makefile: each prepares the environment and calls stock Pulumi.

`python -m local.stack up|preview|refresh|outputs|prove|down|shell|test|contract`. The stack is named by the
environment variable STACK (default ``dev``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from local import toolchain

ROOT: Final = Path(__file__).resolve().parents[1]


class CommandError(Exception):
    """A command cannot do what it was asked. The message says what to do."""


def _pulumi(*arguments: str, environment: Mapping[str, str]) -> None:
    """Runs the CLI with its output on the terminal. Raises CommandError when it fails."""
    code = subprocess.run(["pulumi", *arguments], cwd=ROOT, env=environment, check=False).returncode  # noqa: S603, S607
    if code != 0:
        raise CommandError(f"`pulumi {arguments[0]}` failed (exit code {code}); what it said is above.")


def _exists(stack: str, environment: Mapping[str, str]) -> bool:
    listed = subprocess.run(  # noqa: S603
        ["pulumi", "stack", "ls", "--json"], cwd=ROOT, env=environment, check=False, capture_output=True, text=True  # noqa: S607
    )
    if listed.returncode != 0:
        raise CommandError(f"`pulumi stack ls` failed:\n{listed.stderr.strip()}")
    return any(entry["name"].split("/")[-1] == stack for entry in json.loads(listed.stdout))


def _require(stack: str, environment: Mapping[str, str]) -> None:
    if not _exists(stack, environment):
        raise CommandError(f"There is no stack {stack} here yet. `make up` brings it up.")


def up(stack: str, environment: Mapping[str, str]) -> None:
    """Brings the stack up, proves it, and says what to do next."""
    if not _exists(stack, environment):
        _pulumi("stack", "init", stack, environment=environment)
    _pulumi("up", "--yes", "--stack", stack, environment=environment)
    prove(stack, environment)
    print(_next_steps(_outputs(stack, environment, secrets=False)))


def preview(stack: str, environment: Mapping[str, str]) -> None:
    """Shows what `up` would change."""
    if not _exists(stack, environment):
        _pulumi("stack", "init", stack, environment=environment)
    _pulumi("preview", "--diff", "--stack", stack, environment=environment)


def refresh(stack: str, environment: Mapping[str, str]) -> None:
    """Reads back what is really there, so that the next preview shows drift."""
    _require(stack, environment)
    _pulumi("refresh", "--yes", "--stack", stack, environment=environment)


def _outputs(stack: str, environment: Mapping[str, str], *, secrets: bool) -> dict[str, str]:
    shown = subprocess.run(  # noqa: S603
        ["pulumi", "stack", "output", "--json", "--stack", stack, *(["--show-secrets"] if secrets else [])],  # noqa: S607
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if shown.returncode != 0:
        raise CommandError(f"`pulumi stack output` failed:\n{shown.stderr.strip()}")
    return dict(json.loads(shown.stdout))


def outputs(stack: str, environment: Mapping[str, str]) -> None:
    """Prints the outputs as JSON, secrets only when SECRETS=1."""
    _require(stack, environment)
    print(json.dumps(_outputs(stack, environment, secrets=environment.get("SECRETS") == "1"), indent=2))


def prove(stack: str, environment: Mapping[str, str]) -> None:
    """Runs the live proof of row isolation. Raises CommandError when a line of it fails."""
    _require(stack, environment)
    code = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "components.proof"],
        cwd=ROOT,
        env={**environment, "PULUMI_STACK": stack},
        check=False,
    ).returncode
    if code != 0:
        raise CommandError("The proof of row isolation failed; the table above shows which line.")


def down(stack: str, environment: Mapping[str, str]) -> None:
    """Removes everything that the stack made. Does nothing when there is nothing."""
    if not _exists(stack, environment):
        print(f"There is no stack {stack}; nothing to remove.")
        return
    _pulumi("destroy", "--yes", "--stack", stack, environment=environment)


def shell(stack: str, environment: Mapping[str, str]) -> None:
    """Starts the user's shell with the tools on PATH."""
    command = environment.get("SHELL", "/bin/sh")
    print(f"Stack {stack}; `pulumi` is on PATH here. `exit` ends this shell.")
    os.chdir(ROOT)
    os.execvpe(command, [command], {**environment, "PULUMI_STACK": stack})  # noqa: S606


def test(_stack: str, environment: Mapping[str, str], *arguments: str) -> None:
    """Runs every test."""
    code = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=environment, check=False
    ).returncode
    if code != 0:
        raise SystemExit(code)


def contract(_stack: str, environment: Mapping[str, str], *image: str) -> None:
    """Replays the engine's contract against an image."""
    if len(image) != 1:
        raise CommandError("Name the image: make contract ENGINE_IMAGE=hasura/graphql-engine:v2.48.10")
    test(_stack, environment, "tests/contract/hasura", f"--engine-image={image[0]}")


def _next_steps(out: Mapping[str, str]) -> str:
    return f"""
The API is at {out["graphqlUrl"]}

  ask it something, signed in as nobody (it refuses):
    curl -s {out["graphqlUrl"]} -H 'Content-Type: application/json' -d '{{"query":"{{ users {{ id }} }}"}}'
  what would change:      make preview
  prove it again:         make prove
  the outputs:            make outputs
  use stock Pulumi:       eval "$(make -s env)"    then pulumi preview, up, refresh, destroy, stack output
  use a Clerk application of yours instead of the local Clerk, in that shell:
    pulumi config set localClerk false
    pulumi config set clerkPublishableKey pk_test_...
    read -rs CLERK_SECRET_KEY && export CLERK_SECRET_KEY      # paste sk_test_..., press Enter
    pulumi up
  take it down:           make down
"""


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {
    command.__name__: command
    for command in (up, preview, refresh, outputs, prove, down, shell, test, contract)
}


def main(arguments: Sequence[str]) -> int:
    """Runs one command. Returns the exit code: 0 done, 1 failed, 2 called wrongly."""
    if not arguments or arguments[0] not in COMMANDS:
        print(f"usage: python -m local.stack {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    environment = {**os.environ, **toolchain.environment()}
    try:
        COMMANDS[arguments[0]](environment.get("STACK") or "dev", environment, *arguments[1:])
    except CommandError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
