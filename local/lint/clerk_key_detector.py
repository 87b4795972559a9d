"""A plugin of detect-secrets that knows Clerk's secret keys and the signing secrets of its webhooks."""

from __future__ import annotations

import re

from detect_secrets.plugins.base import RegexBasedDetector


class ClerkKeyDetector(RegexBasedDetector):
    """Finds `sk_live_...`, `sk_test_...` and `whsec_...`, as long as real ones are and with a digit in them."""

    secret_type = "Clerk Secret Key"  # noqa: S105 (a name)
    denylist = (re.compile(r"\b(?:sk_live|sk_test|whsec)_(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{32,}"),)
