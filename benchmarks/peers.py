"""The rivals that come from package registries, pinned, and kept in the user's cache.

The Hasura CLI is `tests/hasura_cli`'s. goose, golang-migrate and Docker Compose are built from Go modules
(`benchmarks/peers/*/go.sum`); sqitch is unpacked from Debian's packages, without an installation and without root.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local import toolchain
from local.toolchain import go_program
from local.toolchain.errors import ToolchainError
from local.toolchain.progress import Progress
from local.toolchain.store import Store
from tests.hasura_cli.command import CannotBeHad, installed

MODULES = Path(__file__).parent / "peers"
DRIVERS = (
    "mysql",
    "sqlite3",
    "clickhouse",
    "mssql",
    "vertica",
    "ydb",
    "libsql",
    "turso",
    "duckdb",
    "spanner",
)
"""What goose is built without: databases that are not Postgres."""
PERL = ("usr/share/perl5", "usr/lib/{machine}-linux-gnu/perl5/5.*")


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A rival's program. `path` is None where it cannot be had, and `version` then says why."""

    name: str
    version: str
    path: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> str:
        return f"{self.name} {self.version}" if self.path else f"{self.name} not here ({self.version})"


def found(name: str) -> Peer:
    """The peer of this name, downloaded or built if need be."""
    try:
        return SOURCES[name]()
    except (CannotBeHad, ToolchainError) as reason:
        return Peer(name=name, version=" ".join(str(reason).split())[:200])


def _hasura() -> Peer:
    return Peer(name="hasura", version="2.8.1", path=installed())


def _go_program(name: str, module: str, package: str, tags: Sequence[str] = ()) -> Peer:
    folder = MODULES / name
    built = go_program.build(
        folder,
        name,
        package=f"{module}/{package}",
        tags=tags,
        architecture=platform.machine(),
        cache=toolchain.cache_folder(),
        progress=Progress(),
    )
    required = (folder / "go.mod").read_text(encoding="utf-8")
    version = next(
        line.split()[1] for line in required.splitlines() if line.strip().startswith(f"{module} v")
    )
    return Peer(name=name, version=version.removeprefix("v"), path=built / name)


def _goose() -> Peer:
    return _go_program(
        "goose", "github.com/pressly/goose/v3", "cmd/goose", tags=[f"no_{name}" for name in DRIVERS]
    )


def _golang_migrate() -> Peer:
    return _go_program("migrate", "github.com/golang-migrate/migrate/v4", "cmd/migrate", tags=["pgx5"])


def _compose() -> Peer:
    return _go_program("compose", "github.com/docker/compose/v2", "cmd")


def _sqitch() -> Peer:
    if present := shutil.which("sqitch"):
        return Peer(name="sqitch", version=_sqitch_version(Path(present), {}), path=Path(present))
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise CannotBeHad("it comes from Debian's packages, or from PATH")
    # The list, so that another release of the distribution is another tool.
    names = _packages(["sqitch", "libdbd-pg-perl"])
    store = Store(toolchain.cache_folder())
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    artifact = f"sqitch-debian-{release}"
    if store.get(artifact) is None:
        with Progress().step("sqitch: unpacking it from Debian's packages"), store.making(artifact) as making:
            _run(["apt-get", "download", *names], making.scratch)
            for package in sorted(making.scratch.glob("*.deb")):
                _run(["dpkg", "--extract", str(package), str(making.made)], making.scratch)
            making.finish(version=release, source="Debian's packages")
    made = store.get(artifact)
    assert made is not None  # noqa: S101 (`making` has just put it there)
    machine = platform.machine()
    folders = [found for part in PERL for found in sorted(made.folder.glob(part.format(machine=machine)))]
    environment = {"PERL5LIB": os.pathsep.join(map(str, folders))}
    program = made.folder / "usr/bin/sqitch"
    return Peer(
        name="sqitch", version=_sqitch_version(program, environment), path=program, environment=environment
    )


def _packages(wanted: Sequence[str]) -> list[str]:
    """What would be installed, without what is here in some version: Perl itself, for one."""
    planned = _run(["apt-get", "install", "--simulate", "--no-install-recommends", *wanted], Path("/"))
    lines = [line.split() for line in planned.splitlines() if line.startswith("Inst ")]
    return [words[1] for words in lines if not words[2].startswith("[")]


def _sqitch_version(program: Path, environment: Mapping[str, str]) -> str:
    # Such as "sqitch (App::Sqitch) v1.3.1".
    return _run([str(program), "--version"], Path("/"), environment).split()[-1].removeprefix("v")


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(  # noqa: S603
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotBeHad(f"`{' '.join(command[:2])}` failed: {done.stderr.strip()[-160:]}")
    return done.stdout


SOURCES: dict[str, Callable[[], Peer]] = {
    "hasura": _hasura,
    "goose": _goose,
    "migrate": _golang_migrate,
    "sqitch": _sqitch,
    "compose": _compose,
}
