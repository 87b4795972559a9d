"""What this machine is, and where the project and its cache live."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.toolchain.errors import ToolchainError

PROJECT = Path(__file__).resolve().parents[2]

_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_GO_ARCHITECTURES = {"x64": "amd64", "arm64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The facts about a machine that decide where tools can come from.

    `system` is `linux` or `darwin`, `architecture` is `x64` or `arm64` (the vendor's names in releases).
    """

    system: str
    architecture: str
    root: bool
    debian: bool
    """Debian or a relative of it, with apt-get."""
    systemd: bool

    @property
    def release_name(self) -> str:
        """The platform as Pulumi's own releases spell it, e.g. `linux-x64`."""
        return f"{self.system}-{self.architecture}"

    @property
    def go_name(self) -> str:
        """The platform as Go and Pulumi's plugins spell it, e.g. `linux-amd64`."""
        return f"{self.system}-{_GO_ARCHITECTURES[self.architecture]}"


def this_machine() -> Machine:
    """Look at this machine. Raises ToolchainError where no tool is made for it."""
    architecture = _ARCHITECTURES.get(platform.machine().lower())
    if sys.platform not in ("linux", "darwin") or architecture is None:
        raise ToolchainError(
            f"{platform.system()} on {platform.machine()} is not supported. "
            "Use Linux or macOS on x86-64 or arm64 (on Windows: WSL 2)."
        )
    return Machine(
        system=sys.platform,
        architecture=architecture,
        root=os.geteuid() == 0,
        debian=_is_debian(_os_release()) and shutil.which("apt-get") is not None,
        systemd=Path("/run/systemd/system").is_dir(),
    )


def _os_release() -> str:
    try:
        return Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""


def _is_debian(os_release: str) -> bool:
    """Tell from the text of os-release(5) whether its ID or ID_LIKE names Debian."""
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    names = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', "").split()
    return "debian" in names


def cache_folder(environment: Mapping[str, str] | None = None, system: str = sys.platform) -> Path:
    """Give the project's cache folder of this user: CLERK_HASURA_CACHE, else the system's usual place."""
    variables = os.environ if environment is None else environment
    if named := variables.get("CLERK_HASURA_CACHE"):
        return Path(named).absolute()
    home = Path(variables["HOME"]) if variables.get("HOME") else Path.home()
    if system == "darwin":
        return home / "Library" / "Caches" / "clerk-hasura"
    return Path(variables.get("XDG_CACHE_HOME") or home / ".cache") / "clerk-hasura"


def find_on_path(name: str, search_path: str, *, outside: Iterable[Path]) -> Path | None:
    """Give the first executable `name` on `search_path` (as in PATH) beneath no folder of `outside`.

    The project's own tools may already be on PATH; they are not what the machine brings.
    """
    own = [folder.resolve() for folder in outside]
    for entry in search_path.split(os.pathsep):
        if not entry:
            continue
        folder = Path(entry).resolve()
        if any(folder.is_relative_to(mine) for mine in own):
            continue
        candidate = folder / name
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    return None


def free_megabytes(folder: Path) -> int:
    """Give the free space, in MB, of the disk that holds `folder` or its nearest existing parent."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free // 1_000_000
