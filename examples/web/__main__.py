"""`python -m examples.web`: serve the page for a stack that is up. `make web` calls it.

The stack is named by STACK (default ``dev``), the port by WEB_PORT (default 5173). With the local Clerk, two
demo users are there afterwards, each with a row. Exit codes: 1 not served; else Vite's own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from components.clerk.client import ClerkClient
from components.clerk.errors import ClerkError
from components.clerk.keys import LOCAL_SECRET_KEY
from components.hasura.client import AnswerLost, EngineUnreachable, HasuraClient, HasuraError
from examples.web import npm_packages
from examples.web.configuration import (
    ConfigurationError,
    DemoUser,
    PublicOutputs,
    page_configuration,
    read_outputs,
)
from examples.web.demo_users import DemoRowsError, ensure_demo_users, ensure_rows
from local.toolchain import ToolchainError
from local.toolchain.progress import Progress

ROOT: Final = Path(__file__).resolve().parents[2]
CONFIGURATION: Final = npm_packages.FOLDER / "public" / "stack.json"
HOST: Final = "127.0.0.1"
TIMEOUT: Final = 10.0


class WebError(Exception):
    """The page cannot be served. The message says what to do."""


FAILURES: Final = (
    WebError, ConfigurationError, DemoRowsError, ToolchainError, ClerkError, HasuraError, AnswerLost,
)  # fmt: skip


def main(environment: Mapping[str, str]) -> None:
    """Set up and become the page's server, or exit with 1 and a word on what to do."""
    port = environment.get("WEB_PORT") or "5173"
    try:
        _set_up(environment, port)
    except FAILURES as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(1)
    vite = npm_packages.FOLDER / "node_modules" / ".bin" / "vite"
    os.chdir(npm_packages.FOLDER)
    # The server of the page has no use for keys and passphrases.
    kept = {name: value for name, value in environment.items() if not name.startswith(("PULUMI_", "CLERK_"))}
    os.execve(vite, ["vite", "--port", port, "--logLevel", "warn"], kept)  # noqa: S606


def _set_up(environment: Mapping[str, str], port: str) -> None:
    """Have all that the page needs, and print how to sign in. Raises one of FAILURES."""
    stack = environment.get("STACK") or "dev"
    origin = f"http://{HOST}:{_free_port(port)}"
    outputs = read_outputs(_stack_outputs(environment, secrets=False))
    try:
        _require_origin_allowed(outputs.graphql_url, origin)
        users = _demo_users(outputs, environment) if outputs.is_local_clerk else []
    except EngineUnreachable as error:
        raise WebError(f"{error}\nThe stack {stack} is not running. `make up` starts it.") from None
    npm_packages.ensure(Progress())
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.write_text(json.dumps(page_configuration(stack, outputs, users), indent=2) + "\n")
    print(_how_to_sign_in(origin, outputs, users), flush=True)


def _free_port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise WebError(f"WEB_PORT is {text!r}; it must be a port, 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(text)))
        except OSError:
            raise WebError(
                f"Port {text} on {HOST} is taken, perhaps by another `make web`. Stop that, or take another "
                f"port with `make web WEB_PORT=5174` and let its origin in (hasuraCorsDomains)."
            ) from None
    return int(text)


def _stack_outputs(environment: Mapping[str, str], *, secrets: bool) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "local.stack", "outputs"],
        cwd=ROOT, env={**environment, "SECRETS": "1" if secrets else ""},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise WebError(
            done.stderr.strip() or "The outputs of the stack cannot be read. `make up` brings it up."
        )
    return dict(json.loads(done.stdout))


def _require_origin_allowed(graphql_url: str, origin: str) -> None:
    """Ask as a browser would before it sends a query (Fetch standard, CORS-preflight request)."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    try:
        answer = httpx.options(graphql_url, headers=headers, timeout=TIMEOUT)
    except httpx.HTTPError as error:
        raise EngineUnreachable(f"{graphql_url} does not answer: {error}") from None
    if answer.headers.get("access-control-allow-origin") not in (origin, "*"):
        raise WebError(
            f"The engine at {graphql_url} does not let pages of {origin} in. Add the origin, then bring the "
            f'stack up:\n    eval "$(make -s activate)"\n'
            f"    pulumi config set --path 'hasuraCorsDomains[0]' {origin}\n    pulumi up"
        )


def _demo_users(outputs: PublicOutputs, environment: Mapping[str, str]) -> list[DemoUser]:
    secret = str(_stack_outputs(environment, secrets=True).get("adminSecret", ""))
    with ClerkClient(outputs.clerk_api_url, LOCAL_SECRET_KEY) as clerk:
        users = ensure_demo_users(clerk)
    with HasuraClient(outputs.graphql_url.removesuffix("/v1/graphql"), secret) as engine:
        ensure_rows(users, engine, secret)
    return users


def _how_to_sign_in(origin: str, outputs: PublicOutputs, users: list[DemoUser]) -> str:
    if not outputs.is_local_clerk:
        return f"""
The page is at {origin}/

  Users of the Clerk application {outputs.publishable_key.frontend_api} sign in there.
  Ctrl-C stops it.
"""
    addresses = "\n".join(f"    {user.email:<30} {user.name}" for user in users)
    return f"""
The page is at {origin}/    (not localhost: the local Clerk's cookie is for {HOST})

  LOCAL CLERK: a stand-in signs in here. The code is 424242 for everybody:
{addresses}
  Each has a row. A second browser window in private mode is a second user.
  Ctrl-C stops it.
"""


if __name__ == "__main__":
    try:
        main(os.environ)
    except KeyboardInterrupt:
        sys.exit(130)
