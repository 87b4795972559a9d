"""`/v1alpha1/pg_dump`: what the program pg_dump, where it is installed, says of a source's database."""

from __future__ import annotations

import os
import subprocess

from local.engine.errors import EngineError, parse_failed
from local.engine.json_text import expected
from local.engine.json_types import Json
from local.engine.state import EngineState

# As the engine passes them: without the second, every dump of one database would be another text.
_ALWAYS = ("--encoding=utf8", "--restrict-key=hasura")


def dump(state: EngineState, body: Json) -> bytes:
    """Run a request as the administrator: `{"opts": [...], "source": name}`. Raises EngineError."""
    if not isinstance(body, dict):
        raise parse_failed(expected("Object", "Object", body))
    if "opts" not in body:
        raise parse_failed('key "opts" not found')
    options = body["opts"]
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise parse_failed(expected("[]", "Array", options), "$.opts")
    name = str(body.get("source", "default"))
    try:
        connections, _ = state.source(name)
    except EngineError:
        raise EngineError("not-found", f'source "{name}" not found') from None
    place, password = connections.for_programs()
    try:
        done = subprocess.run(  # noqa: S603  the administrator's own options, as in the engine
            ["pg_dump", f"--dbname={place}", *_ALWAYS, *map(str, options)],  # noqa: S607
            env=os.environ | password,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        message = "internal exception while executing pg_dump"
        raise EngineError("unexpected", message, status=500, internal=f"pg_dump: {error.strerror}") from None
    if done.returncode:
        message = "error while executing pg_dump"
        raise EngineError("unexpected", message, status=500, internal=done.stderr.decode(errors="replace"))
    return done.stdout
