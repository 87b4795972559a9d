"""Which major version of PostgreSQL has written a data volume, and which one an image brings.

A server reads no data of another major version: https://www.postgresql.org/docs/current/upgrading.html.
"""

from __future__ import annotations

import io
import re
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from components.docker_command import Docker

DATA: Final = "/var/lib/postgresql/data"
"""Where the data lies in the container."""
_VERSION_FILE: Final = "PG_VERSION"
_OF_IMAGE: Final = re.compile(r"^PG_MAJOR=(\d+)$", re.MULTILINE)
"""A variable of the vendor's images: https://github.com/docker-library/postgres/blob/master/Dockerfile-debian.template"""
_OF_TAG: Final = re.compile(r":(\d+)(?:[.\-@]|$)")


@dataclass(frozen=True, kw_only=True)
class DataVersions:
    """Major versions, 0 where one is not known."""

    data: int = 0
    image: int = 0

    @property
    def misfit(self) -> bool:
        """Whether the image's server surely cannot read the data."""
        return bool(self.data and self.image and self.data != self.image)


def look(docker: Docker, container: str, image: str, *, stand_ins: bool) -> DataVersions:
    """What a stack's Postgres container has written, running or stopped, and what its configured image would run.

    :param stand_ins: whether something else may serve where there is no such image; its tag says nothing then.
    :raises DockerError: when Docker does not answer.
    """
    with ThreadPoolExecutor() as together:
        data = together.submit(_of_data, docker, container)
        brought = together.submit(_of_image, docker, image, stand_ins=stand_ins)
    return DataVersions(data=data.result(), image=brought.result())


def _of_data(docker: Docker, container: str) -> int:
    # From the container and not from the volume, which nothing can look into without an image.
    copied = docker.run("cp", f"{container}:{DATA}/{_VERSION_FILE}", "-")
    if copied.returncode != 0:
        return 0
    return _number(copied.stdout.encode())


def _number(archive: bytes) -> int:
    """The number in the one file of a tar archive."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            file = opened.extractfile(_VERSION_FILE)
            text = file.read().decode().strip() if file else ""
    except (tarfile.TarError, KeyError):
        return 0
    return int(text) if text.isdigit() else 0


def _of_image(docker: Docker, image: str, *, stand_ins: bool) -> int:
    inspected = docker.run("image", "inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", image)
    if inspected.returncode == 0:
        found = _OF_IMAGE.search(inspected.stdout)
        return int(found[1]) if found else 0
    named = None if stand_ins else _OF_TAG.search(image.rpartition("/")[2])
    return int(named[1]) if named else 0
