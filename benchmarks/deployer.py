"""Our side, as Pulumi uses it: the providers' calls in a process that has imported them.

`python -m benchmarks.deployer` reads lines of JSON, `{"do": name, "with": {...}}`, and answers each with
`{"seconds": number}` or `{"error": text}`. Imports are not in the times: Pulumi starts one process of the
provider for all resources, whatever there is to do. `python -m benchmarks.deployer --once` does one line and
adds `maximum_rss`, in bytes, at the start and at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from components.hasura.client import HasuraClient
from components.schema import inputs as resource_inputs
from components.schema.directories import read_schema
from components.schema.provider import MetadataProvider, MigrationsProvider
from components.schema.resources import Metadata, Migrations

IMPORTED = (Metadata, Migrations, HasuraClient)
"""What the Pulumi program imports as well."""

Work = dict[str, str]


def _migration_inputs(work: Work) -> dict[str, object]:
    return resource_inputs.migration_inputs(
        read_schema(),
        endpoint=work["endpoint"],
        admin_secret=work["secret"],
        settings={"stack": "bench", "transaction": "all" if work.get("transaction") == "all" else "each"},
    )


def _metadata_inputs(work: Work) -> dict[str, object]:
    return resource_inputs.metadata_inputs(
        read_schema(), endpoint=work["endpoint"], admin_secret=work["secret"]
    )


def _accept(failures: list[object]) -> None:
    if failures:
        raise RuntimeError(str(getattr(failures[0], "reason", failures[0])))


def preview_migrations(work: Work) -> dict[str, object]:
    """The program reads the folders, the provider checks."""
    inputs = _migration_inputs(work)
    _accept(list(MigrationsProvider().check(dict(inputs), dict(inputs)).failures))
    return inputs


def apply_migrations(work: Work) -> None:
    """A preview's work, then the deployment."""
    inputs = preview_migrations(work)
    MigrationsProvider().create(inputs)


def apply_migrations_together(work: Work) -> None:
    """The same with `transaction: all`: one transaction for all of them."""
    apply_migrations({**work, "transaction": "all"})


def apply_metadata(work: Work) -> None:
    inputs = _metadata_inputs(work)
    _accept(list(MetadataProvider().check({}, dict(inputs)).failures))
    MetadataProvider().create(inputs)


def refresh_metadata(work: Work) -> None:
    """What `pulumi preview --refresh` does: read the folder, check, read the engine's metadata, compare."""
    inputs = _metadata_inputs(work)
    _accept(list(MetadataProvider().check(dict(inputs), dict(inputs)).failures))
    found = MetadataProvider().read("metadata", dict(inputs))
    if found.inputs != inputs:
        raise RuntimeError("the metadata differs")


WORKS: dict[str, Callable[[Work], object]] = {
    "preview_migrations": preview_migrations,
    "apply_migrations": apply_migrations,
    "apply_migrations_together": apply_migrations_together,
    "apply_metadata": apply_metadata,
    "refresh_metadata": refresh_metadata,
}


def _maximum_rss() -> int:
    """In bytes, of this process alone: on Linux, ru_maxrss begins with that of the process that forked it."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024


def main() -> None:
    once = "--once" in sys.argv
    # What the providers print for people goes nowhere, as the answers go to standard output.
    for line in sys.stdin:
        asked = json.loads(line)
        os.chdir(asked["with"]["project"])
        answer: dict[str, object] = {"rss_before": _maximum_rss()}
        begun = time.perf_counter()
        try:
            with Path(os.devnull).open("w", encoding="utf-8") as sink, contextlib.redirect_stderr(sink):
                WORKS[asked["do"]](asked["with"])
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        answer["seconds"] = time.perf_counter() - begun
        answer["rss_after"] = _maximum_rss()
        print(json.dumps(answer), flush=True)
        if once:
            return


if __name__ == "__main__":
    main()
