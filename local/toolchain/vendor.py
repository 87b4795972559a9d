"""The vendor's own downloads: the Pulumi CLI with its language hosts, and plugins by `pulumi plugin install`.

Releases are at `{base}/v{version}/pulumi-v{version}-{platform}.tar.gz`, with the vendor's list of SHA-256
sums beside them as `pulumi-{version}-checksums.txt` (https://github.com/pulumi/pulumi/releases).
"""

from __future__ import annotations

import hashlib
import os
import queue
import re
import shutil
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from local.toolchain.commands import answer, run_logged
from local.toolchain.errors import ChecksumError, SourceUnavailableError, ToolchainError
from local.toolchain.machine import Machine
from local.toolchain.pins import Release
from local.toolchain.progress import Progress

RELEASES_VARIABLE = "CLERK_HASURA_PULUMI_RELEASES"
PLUGINS_VARIABLE = "CLERK_HASURA_PLUGIN_SERVER"
DEFAULT_RELEASES = "https://github.com/pulumi/pulumi/releases/download"

PROBE_SECONDS = 3.0
STALL_SECONDS = 15.0
"""A connection that sends nothing for so long is given up."""
DOWNLOAD_SECONDS = 900.0
LIST_BYTES = 1_000_000
_PIECE = 1 << 18


@dataclass(frozen=True, kw_only=True)
class Mirrors:
    """Where the vendor's files are fetched from.

    :param releases: base address of the CLI's releases.
    :param plugins: base address of the plugins' archives; None leaves it to the CLI.
    """

    releases: str = DEFAULT_RELEASES
    plugins: str | None = None


def mirrors(environment: Mapping[str, str]) -> Mirrors:
    """Give the vendor's addresses, or those of a mirror that the environment names."""
    return Mirrors(
        releases=(environment.get(RELEASES_VARIABLE) or DEFAULT_RELEASES).rstrip("/"),
        plugins=(environment.get(PLUGINS_VARIABLE) or "").rstrip("/") or None,
    )


def cli_archive(version: str, platform: str) -> str:
    """Give the name of the CLI's archive for a platform such as `linux-x64`."""
    return f"pulumi-v{version}-{platform}.tar.gz"


def cli_address(where: Mirrors, version: str, platform: str) -> str:
    """Give the address of the CLI's archive."""
    return f"{where.releases}/v{version}/{cli_archive(version, platform)}"


def plugin_address(where: Mirrors, name: str, version: str, platform: str) -> str:
    """Give the address of a plugin's archive, for a platform such as `linux-amd64`."""
    archive = f"pulumi-resource-{name}-v{version}-{platform}.tar.gz"
    base = where.plugins or f"https://github.com/pulumi/pulumi-{name}/releases/download/v{version}"
    return f"{base}/{archive}"


def probe(addresses: Mapping[str, str], timeout: float = PROBE_SECONDS) -> dict[str, str | None]:
    """Ask for all addresses at once, and give for each name why it cannot be had (None: it can).

    Takes `timeout` seconds at the most, whatever name servers and proxies do.
    """
    answers: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
    for name, address in addresses.items():
        # Daemons: a name look-up cannot be cut short, and must not keep the process either.
        threading.Thread(
            target=lambda n=name, a=address: answers.put((n, _obstacle(a, timeout))), daemon=True
        ).start()
    found: dict[str, str | None] = {}
    deadline = time.monotonic() + timeout
    while len(found) < len(addresses):
        try:
            name, obstacle = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[name] = obstacle
    silent = {
        name: f"{urlsplit(address).netloc} gave no answer within {timeout:g} s"
        for name, address in addresses.items()
    }
    return silent | found


def _obstacle(address: str, timeout: float) -> str | None:
    try:
        # Addresses are ours or of a mirror that the user names.
        request = urllib.request.Request(address, method="HEAD")  # noqa: S310
        with urllib.request.urlopen(request, timeout=timeout):  # noqa: S310
            return None
    except (OSError, ValueError) as error:
        return f"{urlsplit(address).netloc or address} cannot be reached ({_reason(error)})"


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)


@dataclass(frozen=True, kw_only=True)
class Checksum:
    """A SHA-256 sum in hex, and whether it is one of our pins or only the vendor's word."""

    sha256: str
    pinned: bool


def published_checksums(where: Mirrors, version: str) -> dict[str, str]:
    """Fetch the vendor's list for a release: SHA-256 by archive name.

    Raises SourceUnavailableError where there is none.
    """
    address = f"{where.releases}/v{version}/pulumi-{version}-checksums.txt"
    with _open(address) as response:
        text = _read(response, address, LIST_BYTES).decode("utf-8", errors="replace")
    return dict(reversed(line) for line in re.findall(r"(?m)^([0-9a-f]{64})[ *]+(\S+)$", text))


def checksum_for(where: Mirrors, release: Release, platform: str) -> Checksum:
    """Give the pinned checksum of the CLI's archive, else the one that the vendor publishes."""
    pinned = release.sha256.get(platform)
    if pinned is not None:
        return Checksum(sha256=pinned, pinned=True)
    archive = cli_archive(release.version, platform)
    listed = published_checksums(where, release.version).get(archive)
    if listed is None:
        raise SourceUnavailableError(f"The vendor's list of checksums does not name {archive}.")
    return Checksum(sha256=listed, pinned=False)


def download(address: str, target: Path, progress: Progress, *, limit: float = DOWNLOAD_SECONDS) -> str:
    """Fetch an address into a file and give its SHA-256.

    Raises SourceUnavailableError when the answer is not whole: refused, cut short, silent for STALL_SECONDS,
    or longer than `limit` seconds in all. The file is then removed.
    """
    try:
        with _open(address) as response, target.open("wb") as file:
            return _copy(response, file, address, progress, time.monotonic() + limit)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _open(address: str) -> IO[bytes]:
    try:
        opened: IO[bytes] = urllib.request.urlopen(address, timeout=STALL_SECONDS)  # noqa: S310
    except (OSError, ValueError) as error:
        raise SourceUnavailableError(f"{address} cannot be fetched ({_reason(error)}).") from None
    return opened


def _read(response: IO[bytes], address: str, count: int) -> bytes:
    try:
        return response.read(count)
    except OSError as error:
        raise SourceUnavailableError(f"{address} was cut short ({_reason(error)}).") from None


def _copy(response: IO[bytes], file: IO[bytes], address: str, progress: Progress, deadline: float) -> str:
    length = int(getattr(response, "headers", {}).get("Content-Length") or 0)
    sums, size = hashlib.sha256(), 0
    while piece := _read(response, address, _PIECE):
        file.write(piece)
        sums.update(piece)
        size += len(piece)
        progress.detail(f"{size // 1_000_000} of {length // 1_000_000} MB")
        if time.monotonic() > deadline:
            raise SourceUnavailableError(f"{address} comes too slowly ({size} of {length} bytes so far).")
    if length and size != length:
        raise SourceUnavailableError(f"{address} was cut short ({size} of {length} bytes).")
    return sums.hexdigest()


def install_cli(
    release: Release, machine: Machine, where: Mirrors, *, made: Path, scratch: Path, progress: Progress
) -> str:
    """Put the vendor's CLI and language hosts into `made`; give the source line for the user.

    Raises ChecksumError where the archive is not the pinned one, SourceUnavailableError where it does not
    come whole.
    """
    platform = machine.release_name
    checksum = checksum_for(where, release, platform)
    archive = scratch / cli_archive(release.version, platform)
    address = cli_address(where, release.version, platform)
    found = download(address, archive, progress)
    if found != checksum.sha256:
        origin = "pinned in local/toolchain/pins.json" if checksum.pinned else "in the vendor's list"
        raise _refused(address, found, checksum.sha256, origin)
    unpack_cli(archive, made)
    said = answer([str(made / "pulumi"), "version"], timeout=30)
    if said is None or said.stdout.strip().lstrip("v") != release.version:
        raise ToolchainError(
            f"The CLI from {address} does not run here or is not version {release.version} "
            f"(it says {said.stdout.strip() if said else 'nothing'!r}). Nothing of it was kept."
        )
    if checksum.pinned:
        return "vendor's download (checksum pinned)"
    return "vendor's download (checksum from the vendor's list, not pinned)"


def _refused(address: str, found: str, expected: str, origin: str) -> ChecksumError:
    return ChecksumError(
        f"{address} was refused: its SHA-256 is {found}, but {expected} is {origin}. "
        "Nothing of it was kept. Find out which is right before you change a pin."
    )


def unpack_cli(archive: Path, target: Path) -> None:
    """Unpack the files of the archive's folder `pulumi/` into `target`; links and other paths are skipped."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                parts = Path(member.name).parts
                if not member.isfile() or len(parts) < 2 or parts[0] != "pulumi" or ".." in parts:
                    continue
                source = tar.extractfile(member)
                if source is None:
                    continue
                file = target / parts[-1]
                with source, file.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
                file.chmod(0o755 if member.mode & 0o111 else 0o644)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ToolchainError(f"{archive.name} cannot be unpacked: {error}.") from None
    if not (target / "pulumi").is_file():
        raise ToolchainError(f"{archive.name} holds no pulumi/pulumi.")


def install_plugin(
    name: str,
    release: Release,
    machine: Machine,
    where: Mirrors,
    *,
    pulumi: Path,
    made: Path,
    scratch: Path,
    log: Path,
    progress: Progress,
) -> str:
    """Put the vendor's plugin into `made` by `pulumi plugin install`; give the source line for the user.

    `pulumi` is the CLI that installs. A pinned archive is fetched and checked here, and the CLI unpacks it:
    its own `--checksum` (3.259.0, measured) leaves the last piece out of the sum where that comes together
    with the end of the stream, as over HTTP/1.1, and so refuses good archives. Raises ChecksumError where the
    archive is not the pinned one, ToolchainError with the CLI's words when it fails.
    """
    command = [str(pulumi), "plugin", "install", "resource", name, f"v{release.version}"]
    checksum = release.sha256.get(machine.go_name)
    if checksum is not None:
        address = plugin_address(where, name, release.version, machine.go_name)
        archive = scratch / f"{name}.tar.gz"
        found = download(address, archive, progress)
        if found != checksum:
            raise _refused(address, found, checksum, "pinned in local/toolchain/pins.json")
        command += ["--file", str(archive)]
    elif where.plugins is not None:
        command += ["--server", where.plugins]
    home = scratch / "home"
    run_logged(
        command,
        log=log,
        progress=progress,
        what=f"`pulumi plugin install resource {name}`",
        timeout=DOWNLOAD_SECONDS,
        folder=scratch,
        environment={
            **os.environ,
            "PULUMI_HOME": str(home),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
        },
    )
    installed = home / "plugins" / f"resource-{name}-v{release.version}"
    if not (installed / f"pulumi-resource-{name}").is_file():
        raise ToolchainError(f"`pulumi plugin install` left no pulumi-resource-{name}. The whole log: {log}")
    for file in installed.iterdir():
        file.rename(made / file.name)
    return "pulumi plugin install" + (" (checksum pinned)" if checksum else " (pinned by version)")


def plugin_checksum(
    where: Mirrors, name: str, version: str, platform: str, *, scratch: Path, progress: Progress
) -> str:
    """Fetch a plugin's archive and give its SHA-256, to be pinned."""
    file = scratch / f"{name}-{platform}.tar.gz"
    try:
        return download(plugin_address(where, name, version, platform), file, progress)
    finally:
        file.unlink(missing_ok=True)
