"""Settings of the local Clerk, read from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


class SettingsError(Exception):
    """Environment variables that are missing or wrong; `problems` names each with its remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one local Clerk instance needs to know.

    `public_url` is the front-end API's URL without a trailing slash: it is the issuer of every token.
    `jwks_max_age` is in seconds; None sends no cache header with the JWKS.
    `faults` allows tests to switch faults on.
    """

    secret_key: str = field(repr=False)
    public_url: str
    data: Path
    host: str = "127.0.0.1"
    port: int = 9500
    jwks_max_age: int | None = 60
    faults: bool = False


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read LOCAL_CLERK_* variables.

    Raises SettingsError with every problem found, and never repeats the secret key.
    """
    problems: list[str] = []

    def whole_number(name: str, default: str, least: int, most: int) -> int:
        text = environment.get(name, default)
        if text.isascii() and text.isdigit() and least <= int(text) <= most:
            return int(text)
        problems.append(f"{name} is {text!r}; write a whole number from {least} to {most}.")
        return least

    port = whole_number("LOCAL_CLERK_PORT", "9500", 1, 65535)
    secret_key = environment.get("LOCAL_CLERK_SECRET_KEY", "")
    if not secret_key.startswith("sk_test_"):
        problems.append("LOCAL_CLERK_SECRET_KEY must be set to a key that starts with sk_test_.")
    public_url = environment.get("LOCAL_CLERK_PUBLIC_URL", f"http://127.0.0.1:{port}").rstrip("/")
    url = urlsplit(public_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.path or url.query:
        problems.append(
            f"LOCAL_CLERK_PUBLIC_URL is {public_url!r}; write scheme, host and port, "
            "for example http://127.0.0.1:9500."
        )
    max_age: int | None = None
    if environment.get("LOCAL_CLERK_JWKS_MAX_AGE") != "none":
        max_age = whole_number("LOCAL_CLERK_JWKS_MAX_AGE", "60", 0, 31_536_000)
    if problems:
        raise SettingsError(problems)
    return Settings(
        secret_key=secret_key,
        public_url=public_url,
        data=Path(environment.get("LOCAL_CLERK_DATA", "/data")),
        # All interfaces: inside a container the published port decides who can reach it.
        host=environment.get("LOCAL_CLERK_HOST", "0.0.0.0"),  # noqa: S104
        port=port,
        jwks_max_age=max_age,
        faults=environment.get("LOCAL_CLERK_FAULTS") == "1",
    )
