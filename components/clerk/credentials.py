"""Which secret key a provider of this stack uses at which address.

Credentials come from the stack's configuration or the environment, never from a resource's inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pulumi.dynamic import Config

from components.provider_error import ProviderError, warn

from . import keys

if TYPE_CHECKING:
    from .client import ClerkClient


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The stack's secret key, if it has one, whether it runs the local Clerk, and what else names its instance."""

    secret_key: str | None = field(default=None, repr=False)
    is_local: bool = False
    api_url: str = ""
    publishable_key: str = ""

    def uses_local_clerk(self, url: object) -> bool:
        """Whether the local Clerk is at this address, also after the stack has moved on to a real one.

        A real key must never go to an address on this machine that nobody configured for it.
        """
        text = str(url)
        return text.startswith("http://") and (self.is_local or text.rstrip("/") != self.api_url.rstrip("/"))

    def moved_on(self, url: object, publishable_key: object) -> bool:
        """Whether the stack now uses another Clerk than the one of this address and publishable key."""
        if self.uses_local_clerk(url):
            return not self.is_local
        return self.is_local or not keys.same_instance(publishable_key, self.publishable_key)

    def client(self, url: object, *, notice: Callable[[str], None] = warn) -> ClerkClient:
        """A client of the Backend API there. Raises ProviderError without a key or with an impossible one."""
        from .client import ClerkClient

        key = keys.LOCAL_SECRET_KEY if self.uses_local_clerk(url) else self.secret_key
        if key is None:
            raise ProviderError(
                f"No secret key is configured for Clerk at {url}. "
                "Run `pulumi config set --secret clerkSecretKey`, or export CLERK_SECRET_KEY."
            )
        try:
            return ClerkClient(str(url), key, notice=notice)
        except keys.KeyFormatError as error:
            raise ProviderError(f"Clerk at {url}: {error}") from None


def configured(config: Config, environment: Mapping[str, str]) -> Credentials:
    """Those of the stack whose configuration a provider was given. The environment's key comes first."""
    return Credentials(
        secret_key=environment.get("CLERK_SECRET_KEY") or config.get("clerkSecretKey") or None,
        is_local=str(config.get("localClerk") or "").lower() == "true",
        api_url=config.get("clerkApiUrl") or "",
        publishable_key=config.get("clerkPublishableKey") or "",
    )
