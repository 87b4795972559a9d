"""The major versions of a volume's data and of an image, as Docker tells them."""

from __future__ import annotations

import io
import subprocess
import tarfile

import pytest

from components.docker_command import Docker
from components.postgres.data_version import DataVersions, look


class Told(Docker):
    """A Docker with one container and one image."""

    def __init__(self, data: str | None, environment: str | None) -> None:
        super().__init__()
        object.__setattr__(self, "told", {"cp": data, "image": environment})

    def run(self, *arguments: str, **_: object) -> subprocess.CompletedProcess[str]:
        answer = self.told[arguments[0]]
        return subprocess.CompletedProcess(arguments, 0 if answer is not None else 1, answer or "", "")


def archive(content: str, name: str = "PG_VERSION") -> str:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as opened:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        opened.addfile(info, io.BytesIO(content.encode()))
    return made.getvalue().decode()


@pytest.mark.parametrize(
    ("data", "environment", "image", "stand_ins", "expected"),
    [
        (archive("15\n"), "PATH=/bin\nPG_MAJOR=17\n", "postgres:16", False, (15, 17)),
        (archive("15\n"), "PATH=/bin\n", "postgres:16", False, (15, 0)),
        (None, None, "postgres:17.12-trixie", False, (0, 17)),
        (None, None, "registry.example.com:5000/db/postgres:16@sha256:ab", False, (0, 16)),
        (None, None, "registry.example.com:5000/db/postgres", False, (0, 0)),
        (None, None, "postgres:latest", False, (0, 0)),
        (None, None, "postgres:16", True, (0, 0)),
        ("", "PG_MAJOR=17", "postgres", True, (0, 17)),
        (archive("none"), None, "postgres", True, (0, 0)),
        (archive("15", "OTHER"), None, "postgres", True, (0, 0)),
    ],
)
def test_what_is_not_known_is_zero(
    data: str | None, environment: str | None, image: str, stand_ins: bool, expected: tuple[int, int]
) -> None:
    found = look(Told(data, environment), "c", image, stand_ins=stand_ins)
    assert found == DataVersions(data=expected[0], image=expected[1])
    assert found.misfit == (0 not in expected and expected[0] != expected[1])
