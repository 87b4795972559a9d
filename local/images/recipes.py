"""What the local images are made from, and the names that follow from it.

A tag is a hash of everything that goes into its image, so a changed recipe or source has another name and
an unchanged one is found by `docker image inspect` alone.
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from local.images.sources import Sources, collect

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
CADDY = HERE / "caddy"
NAMESPACE = "clerk-hasura.local"

DEBIAN_SUITE = "trixie"
DEBIAN_PACKAGES = ("ca-certificates",)
DEBIAN_OPTIONS = (
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=APT::Install-Recommends "false"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
)
"""Documentation is left out of the base and of all that is installed on it; licences stay."""

POSTGRES_MAJOR = "17"
"""Debian trixie's."""
PYTHON_VERSION = "3.13"
"""Debian trixie's; a configured base has to bring this one or none."""

STAND_IN_MODULES = ("local.clerk.__main__", "local.engine.__main__")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A Dockerfile with its build context.

    `context` maps paths in the context (POSIX form) to content and holds all that decides the image. Files
    that are pinned by hashes in it, as the wheels are, come beside it.
    """

    part: str
    context: Mapping[str, bytes]
    executable: frozenset[str] = frozenset()
    build_args: Mapping[str, str]

    @property
    def tag(self) -> str:
        """The image's name with its content hash."""
        arguments = {f"arg {name}": value.encode() for name, value in self.build_args.items()}
        content = {**self.context, **arguments}
        return f"{NAMESPACE}/{self.part}:{digest(content)}"


def digest(content: Mapping[str, bytes]) -> str:
    """Give 12 hexadecimal digits that change with any name or content, not with order."""
    total = hashlib.sha256()
    for name in sorted(content):
        for piece in (name.encode(), content[name]):
            total.update(len(piece).to_bytes(8, "big"))
            total.update(piece)
    return total.hexdigest()[:12]


def debian_tag() -> str:
    """Name the base image that is made by mmdebstrap."""
    recipe = "\n".join([DEBIAN_SUITE, *DEBIAN_PACKAGES, *DEBIAN_OPTIONS])
    return f"{NAMESPACE}/debian:{DEBIAN_SUITE}-{digest({'recipe': recipe.encode()})}"


def postgres_recipe() -> Recipe:
    """PostgreSQL from Debian's packages."""
    return Recipe(
        part="postgres",
        context={name: (HERE / "postgres" / name).read_bytes() for name in ("Dockerfile", "entrypoint.sh")},
        executable=frozenset({"entrypoint.sh"}),
        build_args={"POSTGRES_MAJOR": POSTGRES_MAJOR},
    )


def stand_ins_sources(project: Path = PROJECT) -> Sources:
    """The files of the local Clerk and the local engine."""
    return collect(STAND_IN_MODULES, project)


def stand_ins_recipe(project: Path = PROJECT) -> Recipe:
    """Python with the local Clerk and the local engine."""
    context = {name: (HERE / "stand-ins" / name).read_bytes() for name in ("Dockerfile", "requirements.txt")}
    for name, content in stand_ins_sources(project).files.items():
        context[f"source/{name}"] = content
    return Recipe(
        part="stand-ins",
        context=context,
        build_args={"PYTHON_VERSION": PYTHON_VERSION, "POSTGRES_MAJOR": POSTGRES_MAJOR},
    )


def caddy_recipe() -> Recipe:
    """Caddy with the modules that the ingress needs."""
    return Recipe(
        part="caddy",
        context={path.name: path.read_bytes() for path in sorted(CADDY.iterdir()) if path.is_file()},
        build_args={},
    )


def caddy_builder(recipe: Recipe) -> str:
    """The vendor's image that builds Caddy, as the recipe names it."""
    found = re.search(r"^ARG BUILDER=(\S+)$", recipe.context["Dockerfile"].decode(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{CADDY / 'Dockerfile'} names no builder")
    return found[1]


def around_a_binary(recipe: Recipe) -> Recipe:
    """The same image, for a binary that was built on this machine and lies in the folder `binary` of the context.

    To be built under the name of the recipe that it is made from.
    """
    return replace(recipe, context={"Dockerfile": recipe.context["Dockerfile.built-here"]})


def chosen_tag(part: str, configured: str) -> str:
    """Name the mark that the stand-in was chosen for a part because `configured` could not be had.

    The mark is a further tag of the stand-in's image. It follows the configured name, so another configured
    image is tried anew, and it needs no file beside Docker's own list of images.
    """
    return f"{NAMESPACE}/{part}-instead-of:{digest({'configured': configured.encode()})}"


def context_archive(recipe: Recipe, folders: Mapping[str, Path]) -> io.BytesIO:
    """Pack a build context as a tar archive.

    Input: the recipe, and folders to add, by their name in the context. Owner, mode and time are set the
    same on every machine, so that neither a umask nor a checkout's dates reach the image.
    """
    entries = dict(recipe.context)
    for name, folder in folders.items():
        for path in sorted(folder.iterdir()):
            entries[f"{name}/{path.name}"] = path.read_bytes()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for parent in sorted({parent for name in entries for parent in _parents(name)}):
            info = tarfile.TarInfo(parent)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name in sorted(entries):
            info = tarfile.TarInfo(name)
            info.size = len(entries[name])
            info.mode = 0o755 if name in recipe.executable else 0o644
            tar.addfile(info, io.BytesIO(entries[name]))
    archive.seek(0)
    return archive


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: length + 1]) for length in range(len(parts))]
