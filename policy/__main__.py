"""The whole pack: what the Pulumi CLI starts for `--policy-pack policy`."""

import sys
from datetime import UTC, datetime
from pathlib import Path

# The CLI puts this folder there; modules are found from the project on, by one name wherever they are used.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from policy.analyzer import serve
from policy.exceptions import FILE, read
from policy.rules import RULES

serve(
    RULES,
    exceptions=read(FILE, [rule.name for rule in RULES]),
    today=lambda: datetime.now(UTC).date(),
)
