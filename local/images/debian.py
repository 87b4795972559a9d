"""The base image where none can be pulled: a Debian root file system, made by mmdebstrap.

mmdebstrap checks Debian's signatures with the machine's own keyring and takes the packages from the mirrors
that the machine itself uses. https://manpages.debian.org/bookworm/mmdebstrap/mmdebstrap.1.en.html
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

from local.images import docker_cli, recipes
from local.images.docker_cli import Progress
from local.images.errors import ImageError

_TARGETS_FORMAT = "$(LABEL)|$(REPO_URI)|$(CREATED_BY)"
_KEYRINGS = Path("/usr/share/keyrings")


def mirror_lines(index_targets: str, suite: str) -> list[str]:
    """Turn what `apt-get indextargets` says of a Debian machine into sources for `suite`.

    Input: lines of `label|URI|creator`. Output: one-line-style sources; empty where the machine has no
    Debian mirror (another distribution), for mmdebstrap's own choice.
    """
    mirrors: dict[str, str] = {}
    for line in index_targets.splitlines():
        label, _, rest = line.partition("|")
        uri, _, creator = rest.partition("|")
        if creator == "Packages" and label in ("Debian", "Debian-Security"):
            mirrors.setdefault(label, uri.rstrip("/"))
    if "Debian" not in mirrors:
        return []
    lines = [f"deb {mirrors['Debian']} {name} main" for name in (suite, f"{suite}-updates")]
    if "Debian-Security" in mirrors:
        lines.append(f"deb {mirrors['Debian-Security']} {suite}-security main")
    return lines


def proxy_options(apt_config: str) -> list[str]:
    """Take apt's proxies over from the lines of `apt-config dump`, into the root file system as well."""
    return [
        f"--aptopt={line.rstrip(';')}"
        for line in apt_config.splitlines()
        if line.lower().startswith(("acquire::http::proxy ", "acquire::https::proxy "))
    ]


def build_command(program: str, target: Path, *, mirrors: Iterable[str], options: Iterable[str]) -> list[str]:
    """Give mmdebstrap's command line."""
    return [
        program,
        "--variant=minbase",
        "--format=tar",
        f"--include={','.join(recipes.DEBIAN_PACKAGES)}",
        *recipes.DEBIAN_OPTIONS,
        *options,
        recipes.DEBIAN_SUITE,
        str(target),
        *mirrors,
    ]


def build(tag: str, cache: Path, progress: Progress) -> None:
    """Make the root file system and import it as image `tag`. About 30 s and 300 MB.

    Raises ImageError where mmdebstrap cannot be had or fails.
    """
    program = _mmdebstrap(progress)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="debian-") as folder:
        archive = Path(folder) / "root.tar"
        command = build_command(
            program,
            archive,
            mirrors=mirror_lines(
                _output("apt-get", "indextargets", "--format", _TARGETS_FORMAT), recipes.DEBIAN_SUITE
            ),
            options=proxy_options(_output("apt-config", "dump")),
        )
        progress(f"{tag}: makes a Debian root file system from the package mirror, about a minute")
        with subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            output = _read(process, tag, progress)
        if process.returncode != 0:
            raise ImageError(
                f"{tag}: mmdebstrap failed. Its last lines were:\n"
                + "\n".join(f"  {line}" for line in output[-docker_cli.OUTPUT_LINES :])
                + _remedy()
            )
        with archive.open("rb") as stream:
            docker_cli.import_archive(stream, tag)


def _read(process: subprocess.Popen[str], tag: str, progress: Progress) -> list[str]:
    """Collect the output, pass mmdebstrap's own stages on, and end it when it stands still."""
    output: list[str] = []
    timer = threading.Timer(docker_cli.SILENCE_SECONDS, process.terminate)
    timer.start()
    try:
        for line in process.stdout or ():
            output.append(line.rstrip())
            if line.startswith("I: ") and ("ing " in line or "running" in line):
                progress(f"{tag}: {line[3:].strip().removesuffix('...')}")
    finally:
        timer.cancel()
    return output


def missing_packages(*, program: bool, keyrings: Iterable[str], suite: str) -> list[str]:
    """Name the Debian packages that mmdebstrap needs and the machine has not.

    `keyrings` are the names of the files with Debian's public keys. An older keyring package has no key of a
    newer suite.
    """
    missing = [] if program else ["mmdebstrap"]
    if not any(name.startswith(f"debian-archive-{suite}") for name in keyrings):
        missing.append("debian-archive-keyring")
    return missing


def _mmdebstrap(progress: Progress) -> str:
    missing = missing_packages(
        program=shutil.which("mmdebstrap") is not None,
        keyrings=[path.name for path in _KEYRINGS.glob("*")],
        suite=recipes.DEBIAN_SUITE,
    )
    if missing:
        _install(missing, progress)
    return shutil.which("mmdebstrap") or "mmdebstrap"


def _install(packages: list[str], progress: Progress) -> None:
    names = " ".join(packages)
    if not sys.platform.startswith("linux") or shutil.which("apt-get") is None:
        raise ImageError(
            "no image can be pulled, and none can be built here: the recipes start from a Debian root file "
            "system, which only mmdebstrap on Linux makes. Either make the registry reachable, or run "
            "`python -m local.images` on a Debian machine, `docker save` the images that it prints, and "
            "`docker load` them here."
        )
    if os.geteuid() != 0:
        raise ImageError(
            "no image can be pulled, and what makes the base of those that are built is not installed. Run "
            f"`sudo apt-get install {names} uidmap`, then this again."
        )
    progress(f"installs {names} by apt-get")
    for command in (
        ["apt-get", "update", "--quiet=2"],
        ["apt-get", "install", "--yes", "--no-install-recommends", "--quiet=2", *packages],
    ):
        result = subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            env=dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
    if result.returncode != 0:
        raise ImageError(f"`{' '.join(command)}` failed:\n{result.stderr.strip()[-2000:]}")


def _remedy() -> str:
    text = "\nCheck that the Debian mirror can be reached (`apt-get update`)"
    if os.geteuid() != 0:
        text += ", and that this user may make user namespaces (`apt-get install uidmap`), or run it as root"
    return text + "."


def _output(*command: str) -> str:
    """Give a command's output, empty where there is no such command."""
    try:
        return subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, timeout=60
        ).stdout
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
