"""`python -m components.proof`: proves on a running stack that each user sees their own row and no other.

Reads the outputs of the stack that is selected (or named by PULUMI_STACK) from `pulumi stack output`, or from
standard input when called with `-`. Clerk's secret key comes from CLERK_SECRET_KEY or from the configuration.

Exit codes: 0 proven; 1 a line failed; 2 the proof could not be made; 130 interrupted, after the removal.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

from components.clerk import keys
from components.clerk.client import ClerkClient
from components.clerk.errors import ClerkError

from .exit_codes import FAILED, INTERRUPTED, NOT_MADE, PROVEN
from .problems import ProofError
from .report import show
from .run import prove
from .target import Target, TargetError, read_target
from .throwaway import new_run


def main(arguments: Sequence[str], environment: Mapping[str, str], console: Console) -> int:
    """Run the proof and print it; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        target = read_target(_outputs(from_stdin=options.outputs == "-"))
        if target.is_production and not (options.production or _allowed_in_production()):
            raise ProofError(
                "This stack signs in real people: its publishable key is a pk_live_ key. The proof would "
                "make two users there and remove them again. If that is meant: "
                "pulumi config set proofInProduction true, or for once --production."
            )

        def notice(sentence: str) -> None:
            console.print(sentence, markup=False)

        with ClerkClient(target.clerk_api_url, _secret_key(target, environment), notice=notice) as clerk:
            notice(f"Proof of row isolation at {target.engine_url}, with two throwaway users of")
            notice(f"{_clerk_name(target)}.")
            with _terminated_as_interrupted():
                proof = prove(target, clerk, new_run(), notice=notice)
    except TargetError as error:
        return _not_made(console, error.problems)
    except (ProofError, ClerkError, keys.KeyFormatError) as error:
        return _not_made(console, [str(error)])
    except KeyboardInterrupt:
        console.print("Interrupted. What the proof had made is removed, but for what is named above.")
        return INTERRUPTED
    show(proof, console)
    return PROVEN if proof.passed else FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m components.proof", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "outputs", nargs="?", choices=["-"], help="read the stack's outputs as JSON from standard input"
    )
    parser.add_argument(
        "--production", action="store_true", help="allow a production instance of Clerk (pk_live_ key)"
    )
    return parser


def _outputs(*, from_stdin: bool) -> Mapping[str, object]:
    text = sys.stdin.read() if from_stdin else _pulumi("stack", "output", "--json", "--show-secrets")
    try:
        outputs = json.loads(text)
    except ValueError:
        outputs = None
    if not isinstance(outputs, dict):
        raise ProofError(
            "The stack's outputs are no JSON object: pass what `pulumi stack output --json` prints."
        )
    return outputs


def _secret_key(target: Target, environment: Mapping[str, str]) -> str:
    if target.is_local_clerk:
        return keys.LOCAL_SECRET_KEY
    if key := environment.get("CLERK_SECRET_KEY"):
        return key
    try:
        return _pulumi("config", "get", "clerkSecretKey").strip()
    except ProofError as error:
        raise ProofError(
            "No secret key of Clerk. Run `pulumi config set --secret clerkSecretKey`, "
            f"or export CLERK_SECRET_KEY. ({error})"
        ) from None


def _allowed_in_production() -> bool:
    try:
        return _pulumi("config", "get", "proofInProduction").strip() == "true"
    except ProofError:
        return False


def _pulumi(*arguments: str) -> str:
    """What a pulumi command prints. Its output may hold secrets, so it never goes into an error."""
    command = f"pulumi {' '.join(arguments)}"
    try:
        done = subprocess.run(["pulumi", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise ProofError("There is no pulumi on PATH. Run `make shell`, or install it.") from None
    if done.returncode != 0:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise ProofError(f"`{command}` failed: {said}")
    return done.stdout


def _clerk_name(target: Target) -> str:
    if target.is_local_clerk:
        return f"the LOCAL CLERK, a stand-in, at {target.clerk_api_url}"
    return f"the Clerk instance {target.publishable_key.frontend_api}"


def _not_made(console: Console, problems: Sequence[str]) -> int:
    console.print("[bold red]The proof could not be made.[/]")
    for problem in problems:
        console.print(f"  {problem}", markup=False, highlight=False)
    return NOT_MADE


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end the proof as Ctrl-C does, so that its users are removed."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, Console(highlight=False)))
