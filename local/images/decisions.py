"""Which image serves a part of the stack: decisions as values, without Docker.

The order for every part: the configured image where this machine has it; the stand-in where an earlier run
found that the configured one cannot be had; a pull of exactly the configured name; the stand-in, built.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Part = Literal["postgres", "hasura", "stand-ins", "caddy"]
"""What needs an image. `stand-ins` is the local Clerk's, which no vendor has an image of; so it is with `caddy`,
with the modules that this project needs, unless a stack names one."""

_MEGABYTE = 1024 * 1024


class Step(Enum):
    """What comes next for one part."""

    USE_CONFIGURED = "use the configured image"
    USE_STAND_IN = "use the stand-in"
    PULL = "pull the configured image"
    BUILD = "build the stand-in"
    FAIL = "report that there is no such image"


class PullFailure(Enum):
    """Why `docker pull` brought nothing."""

    UNREACHABLE = "the registry cannot be reached"
    ABSENT = "the registry answers that there is no such image"
    DENIED = "the registry asks for credentials"
    LIMITED = "the registry's pull limit is reached"
    NO_SPACE = "the disk is full"


@dataclass(frozen=True, kw_only=True)
class Availability:
    """What is known about one part's images at some moment of a run."""

    configured_present: bool
    """Docker has the image under the configured name."""
    stand_in_chosen: bool
    """An earlier run could not get the configured image."""
    stand_in_present: bool
    """Docker has the stand-in, built from today's recipe and sources."""
    stand_in_allowed: bool = True
    pull_failure: PullFailure | None = None
    """Why the pull of this run failed; None where none was tried yet."""


def next_step(known: Availability) -> Step:
    """Give the next step for one part. USE_* and FAIL are final, the others are asked about again."""
    if known.configured_present:
        return Step.USE_CONFIGURED
    if known.pull_failure in (PullFailure.ABSENT, PullFailure.NO_SPACE):
        return Step.FAIL
    if known.pull_failure is not None and not known.stand_in_allowed:
        return Step.FAIL
    if known.stand_in_allowed and (known.stand_in_chosen or known.pull_failure is not None):
        return Step.USE_STAND_IN if known.stand_in_present else Step.BUILD
    return Step.PULL


def registry_of(image: str) -> str:
    """Give the registry that an image name points to; "" is Docker's default one.

    The rule is Docker's: the first path element is a registry where it holds a dot or a colon or is
    `localhost`. https://docs.docker.com/reference/cli/docker/image/tag/
    """
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first
    return ""


def pull_failure(output: str) -> PullFailure:
    """Read the cause from what a failed `docker pull` printed."""
    text = output.lower()
    by_phrase: Mapping[str, PullFailure] = {
        "no space left on device": PullFailure.NO_SPACE,
        "toomanyrequests": PullFailure.LIMITED,
        "pull rate limit": PullFailure.LIMITED,
        "manifest unknown": PullFailure.ABSENT,
        "no matching manifest": PullFailure.ABSENT,
        "repository does not exist": PullFailure.ABSENT,
        "name unknown": PullFailure.ABSENT,
        "invalid reference format": PullFailure.ABSENT,
        "unauthorized": PullFailure.DENIED,
        "authentication required": PullFailure.DENIED,
        "access denied": PullFailure.DENIED,
        "denied:": PullFailure.DENIED,
    }
    for phrase, failure in by_phrase.items():
        if phrase in text:
            return failure
    # As Docker says it with containerd's image store; a proxy's "404 page not found" is another matter.
    if re.search(r":\S+: not found$", text.strip()):
        return PullFailure.ABSENT
    return PullFailure.UNREACHABLE


def space_problem(*, folder: str, free_bytes: int, needed_megabytes: int, purpose: str) -> str | None:
    """Say what is wrong when a disk has less than is needed, else None."""
    free = free_bytes // _MEGABYTE
    if free >= needed_megabytes:
        return None
    return (
        f"no disk space for images: {purpose} needs about {needed_megabytes} MB in {folder}, "
        f"and {free} MB are free. Free some space there (`docker system df` shows what Docker keeps, "
        "`docker image prune` removes what nothing uses), then run this again."
    )


def build_step(line: str) -> str | None:
    """Read "step N of M: instruction" from a line of `docker build`, of either of Docker's builders.

    Only for instructions that take time: RUN and COPY.
    """
    classic = re.match(r"Step (\d+)/(\d+) : (.+)", line)
    buildkit = re.match(r"#\d+ \[(?:[\w-]+ )?\s*(\d+)/(\d+)\] (.+)", line)
    match = classic or buildkit
    if match is None:
        return None
    instruction = " ".join(match[3].split())
    if not instruction.startswith(("RUN", "COPY")):
        return None
    if len(instruction) > 60:
        instruction = instruction[:57] + "..."
    return f"step {match[1]} of {match[2]}: {instruction}"


class PullProgress:
    """Counts an image's layers in the lines of `docker pull`."""

    def __init__(self) -> None:
        self._layers: set[str] = set()
        self._complete: set[str] = set()

    def read(self, line: str) -> str | None:
        """Take one line; give "N of M layers" when N has grown, else None."""
        layer, separator, state = line.strip().partition(": ")
        if not separator or not re.fullmatch(r"[0-9a-f]{12}", layer):
            return None
        self._layers.add(layer)
        if state not in ("Pull complete", "Already exists") or layer in self._complete:
            return None
        self._complete.add(layer)
        return f"{len(self._complete)} of {len(self._layers)} layers"


def engine_warning(configured: str) -> str:
    """Give the paragraph that a user must see when the stand-in runs in the engine's place."""
    return (
        f"STAND-IN, NOT HASURA: the image {configured} is not on this machine and could not be pulled, so "
        "this stack runs local/engine, a small program that answers what this project's contract tests ask "
        "and nothing more. Do not judge Hasura's behaviour or speed by it, and do not expose it to anyone. "
        f"For the real engine run `docker pull {configured}` where the registry can be reached and deploy "
        "again: an image that is present under the configured name is always used."
    )


def postgres_warning(configured: str, *, version: str) -> str:
    """Give the notice for PostgreSQL from Debian's packages, louder where the major versions differ."""
    text = (
        f"{configured} is not on this machine and could not be pulled: PostgreSQL {version} from Debian's "
        "packages stands in for it, with the same settings, user id and data folder. For the configured one run "
        f"`docker pull {configured}` where the registry can be reached and deploy again."
    )
    wanted = re.search(r":(\d+)", configured)
    if wanted is not None and wanted[1] != version.split(".", maxsplit=1)[0]:
        text += (
            f" Its major version is not the configured one ({wanted[1]}): a data volume that either has "
            "made cannot be read by the other."
        )
    return text
