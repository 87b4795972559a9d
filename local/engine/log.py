"""Log lines as the engine writes them: one JSON object a line on standard output."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from local.engine.json_types import Json


def log(kind: str, level: str, detail: Json) -> None:
    """Write one line. `kind` is the engine's log type, such as `startup` or `jwk-refresh-log`."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
    line = {"detail": detail, "level": level, "timestamp": now, "type": kind}
    sys.stdout.write(json.dumps(line, separators=(",", ":"), sort_keys=True) + "\n")
    sys.stdout.flush()
