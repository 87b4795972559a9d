"""The set-up as a command of its own, on a machine that the test arranges."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from local.toolchain.store import Store

ROOT = Path(__file__).resolve().parents[2]
UNREACHABLE = "http://127.0.0.1:9"

FAKE_GO = """#!/bin/sh
# Stands for Go: says its version, and "builds" programs that say theirs.
set -eu
if [ "$1" = version ]; then echo "go version go1.26.8 linux/amd64"; exit 0; fi
echo "$*" >> "$FAKE_GO_LOG"
while [ "$1" != -o ]; do
    case "$1" in *bridge.Version=*|*version.Version=*) version=${1##*=} ;; esac
    shift
done
case "$2" in
*tfgen) printf '#!/bin/sh\\nwhile [ "$1" != --out ]; do shift; done\\necho {} > "$2/schema.json"\\n' > "$2" ;;
*) printf '#!/bin/sh\\necho %s\\n' "$version" > "$2" ;;
esac
chmod +x "$2"
if [ -n "${FAKE_GO_HANGS:-}" ]; then echo $$ > "$FAKE_GO_HANGS"; exec sleep 300; fi
if [ -n "${FAKE_GO_FAILS:-}" ]; then echo "undefined: a.Name"; exit 1; fi
"""


@dataclass
class SetUp:
    """A machine: its home, its PATH, its cache and what it can reach."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bin.mkdir(parents=True, exist_ok=True)
        (self.folder / "home").mkdir(exist_ok=True)

    @property
    def bin(self) -> Path:
        """A folder in front of PATH."""
        return self.folder / "bin"

    @property
    def store(self) -> Store:
        return Store(self.folder / "cache")

    def with_program(self, name: str, text: str) -> SetUp:
        """Put a program on the machine."""
        file = self.bin / name
        file.write_text(text)
        file.chmod(0o755)
        return self

    def with_go(self, **variables: str) -> SetUp:
        """Put a Go on the machine that builds at once."""
        self.variables |= {"FAKE_GO_LOG": str(self.folder / "go.log"), **variables}
        return self.with_program("go", FAKE_GO)

    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "CLERK_HASURA_CACHE": str(self.folder / "cache"),
            "CLERK_HASURA_PULUMI_RELEASES": UNREACHABLE,
            "CLERK_HASURA_PLUGIN_SERVER": UNREACHABLE,
            **self.variables,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "local.toolchain", *(arguments or ("setup", "--no-images"))],
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the command; gives its exit code and all that it printed."""
        with self.start(*arguments) as child:
            text, _ = child.communicate(timeout=120)
        assert "Traceback" not in text, text
        return child.returncode, text

    def files(self) -> dict[str, int]:
        """Every file of the cache with its time of change."""
        return {
            str(path.relative_to(self.folder)): path.lstat().st_mtime_ns
            for path in sorted((self.folder / "cache").rglob("*"))
        }

    def go_log(self) -> list[str]:
        log = self.folder / "go.log"
        return log.read_text().splitlines() if log.exists() else []


def tools_of(text: str) -> dict[str, str]:
    """The rows of the set-up's summary: `version  source` by tool."""
    rows = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith((" ", "error"))]
    return {row[0]: " ".join(row[1].split()) for row in rows if len(row) == 2}
