"""`python -m components.dotenv`: what a front end needs of the selected stack, as dotenv.

Only outputs that are public are asked for, and of these only the ones that are named here go in.

    python -m components.dotenv [--prefix VITE_] [--file .env.local]

Bundlers show the browser only what has their prefix: VITE_ (Vite), NEXT_PUBLIC_ (Next), EXPO_PUBLIC_ (Expo),
NUXT_PUBLIC_ (Nuxt), PUBLIC_ (Astro, SvelteKit). In a file that is there, lines of other variables stay as they are.

Exit codes: 0 written, 1 not, with the reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import dotenv

from components import selected_stack
from components.selected_stack import StackError

VARIABLES: Final[Mapping[str, str]] = {
    "GRAPHQL_URL": "graphqlUrl",
    "GRAPHQL_WS_URL": "graphqlWsUrl",
    "CLERK_PUBLISHABLE_KEY": "publishableKey",
    "CLERK_JWT_TEMPLATE": "jwtTemplate",
    "CLERK_PROXY_URL": "clerkProxyUrl",
    "CLERK_DOMAIN": "clerkSatelliteDomain",
    "CLERK_FRONTEND_API_URL": "frontendApiUrl",
    "CLERK_JWKS_URL": "jwksUrl",
    "CLERK_ISSUER": "issuer",
    "HASURA_CLAIMS_NAMESPACE": "claimsNamespace",
    "HASURA_JWT_HEADER": "jwtHeader",
}
"""Variable, without a bundler's prefix, to the output that it holds. Those of Clerk's SDKs have Clerk's names
(https://clerk.com/docs/guides/development/clerk-environment-variables)."""


def variables(outputs: Mapping[str, str], prefix: str = "") -> dict[str, str]:
    """Variable to value, in the order of VARIABLES, of those outputs that a stack has. Pure."""
    found = {name: outputs[output] for name, output in VARIABLES.items() if outputs.get(output)}
    if "CLERK_DOMAIN" in found:
        # Clerk's SDKs take the domain into account for a satellite only.
        found["CLERK_IS_SATELLITE"] = "true"
    return {f"{prefix}{name}": value for name, value in found.items()}


def text(stack: str, values: Mapping[str, str]) -> str:
    """A dotenv file. Pure. Values are in single quotes."""
    lines = [f"{name}={_quoted(value)}\n" for name, value in values.items()]
    return f"# Of the stack {stack}. Public, all of it.\n{''.join(lines)}"


def write(file: Path, stack: str, values: Mapping[str, str]) -> None:
    """Writes the variables into a file; lines of others that are in it already stay.

    :raises OSError: when that cannot be done.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text(stack, values), encoding="utf-8")
        return
    for name, value in values.items():
        dotenv.set_key(file, name, value, follow_symlinks=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m components.dotenv",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--prefix", default="", help="what each name begins with")
    parser.add_argument("--file", type=Path, help="write there instead of to standard output")
    parsed = parser.parse_args(arguments)
    try:
        stack = selected_stack.name()
        values = variables(selected_stack.outputs(secrets=False), parsed.prefix)
        if parsed.file is None:
            print(text(stack, values), end="")
        else:
            write(parsed.file, stack, values)
            print(f"{len(values)} variables of the stack {stack} are in {parsed.file}.", file=sys.stderr)
    except (StackError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _quoted(value: str) -> str:
    escaped = value.replace("'", "\\'")
    return f"'{escaped}'"


if __name__ == "__main__":
    sys.exit(main())
