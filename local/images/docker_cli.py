"""Docker's command line, as far as images need it.

The command line and not the HTTP API, because it knows the user's contexts, hosts and credentials.
"""

import json
import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from local.images.decisions import PullFailure, PullProgress, build_step, pull_failure
from local.images.errors import ImageError

Progress = Callable[[str], None]
"""Takes one line for the user."""

ANSWER_SECONDS = 30
"""For commands that only ask the daemon something."""
PROBE_SECONDS = 10
"""A registry that has not named the image's manifest after this long is taken as unreachable."""
SILENCE_SECONDS = 600
"""A pull or build that prints nothing for this long is given up."""
HEARTBEAT_SECONDS = 15
"""How often a silent step says that it is still at work."""
OUTPUT_LINES = 30
"""How many of a failed command's last lines are shown."""

_CLIENT_LINES = ("Using default tag", "DEPRECATED: The legacy builder")
"""What the client prints before anything was asked."""


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """What `docker info` says of the daemon."""

    root_folder: str
    architecture: str
    """As `uname -m` names it: x86_64, aarch64."""


def daemon() -> Daemon:
    """Ask the daemon about itself. Raises ImageError where it does not answer."""
    try:
        result = _run(["info", "--format", "{{json .}}"])
    except subprocess.TimeoutExpired as error:
        raise ImageError(_not_answering(f"no answer after {ANSWER_SECONDS} s")) from error
    # `docker info` exits with 0 on some versions when only the client answered.
    try:
        answer = json.loads(result.stdout)
    except json.JSONDecodeError:
        answer = {}
    root = answer.get("DockerRootDir")
    if result.returncode != 0 or not root:
        problems = answer.get("ServerErrors") or [result.stderr.strip() or "no answer"]
        raise ImageError(_not_answering("; ".join(problems)))
    return Daemon(root_folder=root, architecture=answer.get("Architecture", "x86_64"))


def is_present(image: str) -> bool:
    """Say whether Docker has `image` locally. Raises ImageError where Docker does not answer."""
    try:
        result = _run(["image", "inspect", "--format", "{{.Id}}", image])
    except subprocess.TimeoutExpired as error:
        raise ImageError(_not_answering(f"no answer after {ANSWER_SECONDS} s")) from error
    if result.returncode == 0:
        return True
    message = result.stderr.strip()
    # "No such image" is the answer for an absent one, the other for a name that none can have.
    if "no such image" in message.lower() or "invalid reference" in message.lower():
        return False
    raise ImageError(_not_answering(message))


def present(images: Iterable[str]) -> frozenset[str]:
    """Say which of `images` Docker has locally, with one command where that tells. Raises ImageError where Docker
    does not answer."""
    names = sorted(set(images))
    if not names:
        return frozenset()
    try:
        result = _run(["image", "inspect", "--format", "{{json .RepoTags}}", *names])
    except subprocess.TimeoutExpired as error:
        raise ImageError(_not_answering(f"no answer after {ANSWER_SECONDS} s")) from error
    tags = {tag for line in result.stdout.splitlines() if line for tag in json.loads(line) or ()}
    unknown = [name for name in names if name not in tags and not _said_absent(name, result.stderr)]
    # One under a digest, or by a longer form of its name, is listed under another.
    return frozenset(tags.intersection(names)) | frozenset(filter(is_present, unknown))


def _said_absent(image: str, said: str) -> bool:
    return re.search(rf"no such image: {re.escape(image)}(?=: |\s|$)", said, re.IGNORECASE) is not None


def digests(image: str) -> list[str]:
    """Give a local image's names by digest, one for each repository that it was pulled from."""
    result = _run(["image", "inspect", "--format", "{{json .RepoDigests}}", image])
    return list(json.loads(result.stdout) or []) if result.returncode == 0 else []


def pull(image: str, progress: Progress) -> tuple[PullFailure, str] | None:
    """Pull `image` under exactly this name.

    Gives None, or the kind of failure and Docker's own words. The daemon's first answer decides whether the
    registry is reachable: a probe from this process would miss the daemon's proxies and mirrors.
    """
    layers = PullProgress()
    output: list[str] = []
    process = _start(["pull", image])
    answered = False
    for line in _lines(process, first_seconds=PROBE_SECONDS, progress=progress, doing=f"pulls {image}"):
        if line is None:
            where = "the registry gave no answer" if not answered else "the download stands still"
            limit = PROBE_SECONDS if not answered else SILENCE_SECONDS
            return PullFailure.UNREACHABLE, f"{where} within {limit} s"
        answered = answered or "Pulling from" in line
        output.append(line)
        if (state := layers.read(line)) is not None:
            progress(f"{image}: {state}")
    if process.wait() == 0:
        return None
    reason = next((line for line in reversed(output) if line), "docker pull failed")
    return pull_failure("\n".join(output)), reason.removeprefix("Error response from daemon: ")


def build(
    tag: str,
    context: IO[bytes],
    *,
    build_args: Mapping[str, str],
    labels: Mapping[str, str],
    progress: Progress,
) -> None:
    """Build an image from a context archive. Raises ImageError with the last lines of a failed build."""
    # The classic builder would leave the container of a step that fails.
    command = ["build", "--force-rm", "--tag", tag]
    for name, value in build_args.items():
        command += ["--build-arg", f"{name}={value}"]
    for name, value in labels.items():
        command += ["--label", f"{name}={value}"]
    process = _start([*command, "-"], stdin=context, environment=_build_environment())
    output: list[str] = []
    for line in _lines(process, first_seconds=SILENCE_SECONDS, progress=progress, doing=f"builds {tag}"):
        if line is None:
            output.append(f"(no output for {SILENCE_SECONDS} s, given up)")
            break
        output.append(line)
        if (step := build_step(line)) is not None:
            progress(f"{tag}: {step}")
    if process.wait() != 0:
        raise ImageError(
            f"{tag} could not be built. The last lines of `docker build` were:\n"
            + "\n".join(f"  {line}" for line in output[-OUTPUT_LINES:])
            + "\nThe build installs Debian packages: look there first whether the mirror was reached."
        )


def _build_environment() -> dict[str, str]:
    """Choose the builder inside the daemon: only it sees the daemon's images, which builds stand on.

    It is named after the Docker context. https://docs.docker.com/build/builders/
    """
    context = _run(["context", "show"])
    builder = {"BUILDX_BUILDER": context.stdout.strip()} if context.returncode == 0 else {}
    return {**builder, "BUILDKIT_PROGRESS": "plain"}


def import_archive(archive: IO[bytes], tag: str) -> None:
    """Make an image of one layer from a root file system's tar archive."""
    result = subprocess.run(  # noqa: S603
        ["docker", "import", "--change", 'CMD ["bash"]', "-", tag],  # noqa: S607
        stdin=archive, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode != 0:
        raise ImageError(f"{tag} could not be imported: {result.stderr.strip()}")


def tag(image: str, name: str) -> None:
    """Give an image a further name."""
    result = _run(["image", "tag", image, name])
    if result.returncode != 0:
        raise ImageError(f"{image} could not be named {name}: {result.stderr.strip()}")


def tags(repository: str) -> list[str]:
    """List a repository's local images by full name, newest first."""
    listed = _run(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository])
    return [line for line in listed.stdout.split() if not line.endswith(":<none>")]


def remove(image: str) -> bool:
    """Remove a name; False where something still uses the image (Docker refuses then)."""
    return _run(["image", "rm", image]).returncode == 0


def _run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603
            ["docker", *arguments],  # noqa: S607
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ImageError(
            "there is no `docker` command on PATH. Install Docker, or add its folder to PATH."
        ) from error


def _not_answering(reason: str) -> str:
    return (
        f"Docker does not answer: {reason}. Start it (Docker Desktop, or `sudo systemctl start docker`), "
        "and check with `docker info` that this user may talk to it."
    )


def _start(
    arguments: list[str], *, stdin: IO[bytes] | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    # The archive goes through a pipe, because it may live in memory.
    process = subprocess.Popen(  # noqa: S603
        ["docker", *arguments],  # noqa: S607
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(os.environ) | dict(environment or {}),
    )
    if stdin is not None:
        threading.Thread(target=_feed, args=(stdin, process), daemon=True).start()
    return process


def _feed(source: IO[bytes], process: subprocess.Popen[bytes]) -> None:
    if process.stdin is None:
        return
    try:
        while chunk := source.read(1 << 20):
            process.stdin.write(chunk)
        process.stdin.close()
    except OSError:
        # The build ended before it had read all; its exit code and output say why.
        pass


def _lines(
    process: subprocess.Popen[bytes], *, first_seconds: float, progress: Progress, doing: str
) -> Iterator[str | None]:
    """Give a process's lines as they come; None, and the process is ended, when they stay out too long.

    The first line may take `first_seconds`, each later one SILENCE_SECONDS.
    """
    received: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        if process.stdout is not None:
            for raw in process.stdout:
                received.put(raw.decode(errors="replace").rstrip())
        received.put(None)

    threading.Thread(target=read, daemon=True).start()
    started = time.monotonic()
    limit, silent = first_seconds, 0.0
    while True:
        patience = min(HEARTBEAT_SECONDS, limit - silent)
        try:
            line = received.get(timeout=patience)
        except queue.Empty:
            silent += patience
            if silent >= limit:
                process.terminate()
                process.wait()
                yield None
                return
            progress(f"still {doing} ({time.monotonic() - started:.0f} s)")
            continue
        if line is None:
            return
        if line.startswith(_CLIENT_LINES):
            continue
        limit, silent = SILENCE_SECONDS, 0.0
        yield line
