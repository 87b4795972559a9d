"""Brings every image of the stack on this machine, and tells which one serves a part."""

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from local.images import debian, docker_cli, recipes, wheels
from local.images.decisions import (
    Availability,
    Part,
    PullFailure,
    Step,
    engine_warning,
    next_step,
    postgres_warning,
    registry_of,
    space_problem,
)
from local.images.docker_cli import Progress
from local.images.errors import ImageError
from local.images.recipes import Recipe

# Measured sizes in MB with room for unpacking.
_PULL_MEGABYTES: Mapping[str, int] = {
    "postgres": 700,
    "hasura": 1500,
    "base": 250,
    "caddy": 100,
    "builder": 1000,
}
_BUILD_MEGABYTES: Mapping[str, int] = {"debian": 400, "postgres": 700, "stand-ins": 500, "caddy": 200}
_KEPT_VERSIONS = 5
"""How many versions of an image of ours stay: other checkouts of the project on this machine use them too."""

_KEYS: Mapping[str, str] = {
    "postgres": "clerk-hasura:postgresImage",
    "hasura": "clerk-hasura:hasuraImage",
    "caddy": "clerk-hasura:caddyImage",
}


@dataclass(frozen=True, kw_only=True)
class ConfiguredImages:
    """The image names that the stack's configuration gives."""

    postgres: str
    hasura: str
    caddy: str = ""
    """Empty for the one that is built here."""
    base: str = "python:3.13-slim-trixie"
    """What the images built here stand on, where it can be had; else a Debian made here. Has to be Debian
    trixie, with the Python of `recipes.PYTHON_VERSION` or none."""


@dataclass(frozen=True, kw_only=True)
class ImageRow:
    """One line for the user: a part, the image that serves it, and where that came from."""

    part: Part
    image: str
    source: str
    warning: str = ""
    """For a stand-in: the paragraph that the user must see."""


@dataclass(frozen=True, kw_only=True)
class ResolvedImage:
    """The image that serves a part of the stack."""

    image: str
    stand_in: bool
    why: str
    """One line; for a stand-in the paragraph that the user must see."""


def resolve(configured: str, part: Part, *, allow_stand_in: bool = True) -> ResolvedImage:
    """Tell which image serves `part` now, from what Docker has; changes nothing.

    `configured` is the image name from the configuration; it is not looked at for the part `stand-ins`.
    Raises ImageError where Docker does not answer, or a stand-in is needed that has not been built from
    today's sources.
    """
    return _resolved(
        configured, part, _tags(), is_present=docker_cli.is_present, allow_stand_in=allow_stand_in
    )


def resolve_all(configured: Mapping[Part, str]) -> dict[Part, ResolvedImage]:
    """Tell the same for several parts, each with its configured image, by one question to Docker."""
    tags = _tags()
    there = docker_cli.present(_names(configured, tags))
    return {
        part: _resolved(image, part, tags, is_present=there.__contains__, allow_stand_in=True)
        for part, image in configured.items()
    }


Tags = Callable[[Part], str]
"""Gives the name of the image that is built here for a part."""


def _tags() -> Tags:
    """Each name follows from the sources, which are read once."""
    tag_of = functools.cache(lambda recipe: recipe().tag)
    return lambda part: str(tag_of(_stand_in_recipe(part)))


def _names(configured: Mapping[Part, str], tags: Tags) -> Iterator[str]:
    """Every image that may have to do with parts, each with its configured image."""
    for part, image in configured.items():
        if image:
            yield image
        if image and part != "caddy":
            yield recipes.chosen_tag(part, image)
        if part != "caddy" or not image:
            yield tags(part)


def _resolved(
    configured: str, part: Part, tags: Tags, *, is_present: Callable[[str], bool], allow_stand_in: bool
) -> ResolvedImage:
    if part == "caddy":
        return _resolved_caddy(configured, tags, is_present)
    if part != "stand-ins" and is_present(configured):
        return ResolvedImage(image=configured, stand_in=False, why="on this machine")
    if part == "stand-ins" or (allow_stand_in and is_present(recipes.chosen_tag(part, configured))):
        stand_in = tags(part)
        if not is_present(stand_in):
            raise ImageError(
                f"the image {stand_in} is not built: its recipe or sources have changed, or it was removed. "
                "Build it with `make setup` (or `python -m local.images`), then run this again."
            )
        return ResolvedImage(image=stand_in, stand_in=True, why=_warning(part, configured))
    return ResolvedImage(image=configured, stand_in=False, why="not on this machine; Docker pulls it")


def _resolved_caddy(configured: str, tags: Tags, is_present: Callable[[str], bool]) -> ResolvedImage:
    """Caddy's image: the configured one, else the one that is built here, which is no stand-in."""
    image = configured or tags("caddy")
    if is_present(image):
        return ResolvedImage(image=image, stand_in=False, why="on this machine")
    if configured:
        return ResolvedImage(image=configured, stand_in=False, why="not on this machine; Docker pulls it")
    raise ImageError(
        f"the image {image} is not built. Build it with `make images STACK=NAME`, or name one of your own: "
        "pulumi config set caddyImage IMAGE (local/images/caddy/Dockerfile says how it is made)."
    )


def ensure(
    configured: ConfiguredImages,
    *,
    progress: Progress,
    parts: tuple[Part, ...] = ("postgres", "hasura", "stand-ins"),
    allow_stand_ins: bool = True,
    cache: Path | None = None,
    python: str | None = None,
) -> list[ImageRow]:
    """Bring the images of `parts` on this machine: local, pulled or built, in this order.

    `progress` takes lines for the user. `allow_stand_ins=False` refuses stand-ins for configured images.
    `cache` keeps downloads (the user's cache folder when None). `python` is an interpreter with pip (the
    project's or the running one when None). Gives one row for each part.

    Raises ImageError with all that is wrong: Docker does not answer, a registry that can be reached has no
    such image, no disk space, a build that fails.
    """
    wanted: dict[Part, str] = {
        "postgres": configured.postgres,
        "hasura": configured.hasura,
        "stand-ins": "",
        "caddy": configured.caddy,
    }
    run = _Run(
        progress=progress,
        cache=cache or cache_folder(),
        python=python or _python_with_pip(),
        base=configured.base,
        allow_stand_ins=allow_stand_ins,
        present=docker_cli.present(_names({part: wanted[part] for part in parts}, _tags())),
    )
    rows, problems = [], []
    for part in parts:
        try:
            rows.append(run.supply(part, wanted[part]))
        except ImageError as error:
            problems.append(str(error))
    if problems:
        raise ImageError("\n".join(problems))
    return rows


def build(
    part: Part,
    *,
    progress: Progress,
    base: str = ConfiguredImages.base,
    cache: Path | None = None,
    python: str | None = None,
) -> str:
    """Build the stand-in of `part` where it is not built yet, whatever registries have; give its name.

    Raises ImageError as `ensure` does.
    """
    run = _Run(
        progress=progress,
        cache=cache or cache_folder(),
        python=python or _python_with_pip(),
        base=base,
        allow_stand_ins=True,
    )
    return run.built(_stand_in_recipe(part)())


def cache_folder() -> Path:
    """Give the project's cache folder of this user: CLERK_HASURA_CACHE, else the system's usual place."""
    if named := os.environ.get("CLERK_HASURA_CACHE"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "clerk-hasura"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clerk-hasura"


@dataclass(kw_only=True)
class _Run:
    """One run of `ensure`: what it was told, and what it has learnt about registries."""

    progress: Progress
    cache: Path
    python: str
    base: str
    allow_stand_ins: bool
    present: frozenset[str] = frozenset()
    """What was there at the beginning."""
    unreachable: dict[str, str] = field(default_factory=dict)
    """Registries that gave no answer, with Docker's words: one probe decides for the whole run."""
    _daemon: docker_cli.Daemon | None = None

    def supply(self, part: Part, configured: str) -> ImageRow:
        """Bring one part's image."""
        if not configured:
            return self._supply_caddy() if part == "caddy" else self._supply_stand_ins()
        recipe = _stand_in_recipe(part)()
        allowed = self.allow_stand_ins and part != "caddy"
        known = Availability(
            configured_present=configured in self.present,
            stand_in_chosen=False,
            stand_in_present=False,
            stand_in_allowed=allowed,
        )
        if not known.configured_present:
            known = replace(
                known,
                stand_in_chosen=recipes.chosen_tag(part, configured) in self.present,
                stand_in_present=self._is_present(recipe.tag),
            )
        source, reason = "on this machine", ""
        while True:
            step = next_step(known)
            if step is Step.USE_CONFIGURED:
                return ImageRow(part=part, image=configured, source=source)
            if step is Step.USE_STAND_IN:
                if not known.stand_in_chosen:
                    docker_cli.tag(recipe.tag, recipes.chosen_tag(part, configured))
                if source == "on this machine":
                    source = "built here before"
                return ImageRow(
                    part=part, image=recipe.tag, source=source, warning=_warning(part, configured)
                )
            if step is Step.FAIL:
                raise ImageError(_refusal(part, configured, known.pull_failure, reason))
            if step is Step.PULL:
                failed = self._pull(configured, part)
                if failed is None:
                    source, known = "pulled", replace(known, configured_present=True)
                else:
                    known = replace(known, pull_failure=failed[0])
                    reason = failed[1]
                    self.progress(f"{configured} cannot be pulled: {reason}")
            if step is Step.BUILD:
                self._build(recipe)
                source, known = "built here", replace(known, stand_in_present=True)
                docker_cli.tag(recipe.tag, recipes.chosen_tag(part, configured))

    def _is_present(self, image: str) -> bool:
        """Whether an image is there, which may have been built for another part in between."""
        return image in self.present or docker_cli.is_present(image)

    def built(self, recipe: Recipe) -> str:
        """Build a recipe's image where Docker has none, and give its name."""
        if not self._is_present(recipe.tag):
            self._build(recipe)
        return recipe.tag

    def _supply_stand_ins(self) -> ImageRow:
        recipe = recipes.stand_ins_recipe()
        source = "built here before"
        if not self._is_present(recipe.tag):
            self._build(recipe)
            source = "built here"
        return ImageRow(part="stand-ins", image=recipe.tag, source=source)

    def _supply_caddy(self) -> ImageRow:
        recipe = recipes.caddy_recipe()
        source = "built here before"
        if not self._is_present(recipe.tag):
            source = self._build_caddy(recipe)
        return ImageRow(part="caddy", image=recipe.tag, source=source)

    def _build_caddy(self, recipe: Recipe) -> str:
        """Build it in the vendor's builder, or around a binary that this machine builds; say which."""
        builder = recipes.caddy_builder(recipe)
        if docker_cli.is_present(builder) or self._pull(builder, "builder") is None:
            self._build(recipe)
            return f"built here in {builder}"
        self.progress(f"{builder} cannot be pulled; builds Caddy from Go modules on this machine")
        # Each preview imports this module, to look.
        from local.toolchain import go_program
        from local.toolchain.errors import ToolchainError
        from local.toolchain.progress import Progress as ToolchainProgress

        try:
            binary = go_program.build(
                recipes.CADDY,
                "caddy",
                architecture=self._about_docker().architecture,
                cache=self.cache,
                progress=ToolchainProgress(live=False),
            )
        except ToolchainError as error:
            raise ImageError(f"Caddy cannot be built: {error}") from error
        self._build(recipes.around_a_binary(recipe), tag=recipe.tag, folders={"binary": binary})
        return "built here from Go modules"

    def _pull(self, image: str, part: str) -> tuple[PullFailure, str] | None:
        registry = registry_of(image)
        if registry in self.unreachable:
            return PullFailure.UNREACHABLE, self.unreachable[registry]
        self._check_space(_PULL_MEGABYTES[part], image)
        self.progress(f"pulls {image}")
        failed = docker_cli.pull(image, self.progress)
        if failed is not None and failed[0] is PullFailure.UNREACHABLE:
            self.unreachable[registry] = failed[1]
        return failed

    def _build(
        self, recipe: Recipe, *, tag: str | None = None, folders: Mapping[str, Path] | None = None
    ) -> None:
        """Build a recipe, with further folders in its context, under its own name or another."""
        name = tag or recipe.tag
        self._check_space(_BUILD_MEGABYTES[recipe.part], name)
        base = self._base()
        folders = dict(folders or {})
        if recipe.part == "stand-ins":
            folders["wheels"] = wheels.download(
                recipe.context["requirements.txt"],
                architecture=self._about_docker().architecture,
                python_version=recipes.PYTHON_VERSION,
                python=self.python,
                cache=self.cache,
                progress=self.progress,
            )
        self.progress(f"builds {name} on {base}")
        docker_cli.build(
            name,
            recipes.context_archive(recipe, folders),
            build_args={**recipe.build_args, "BASE": base},
            labels={"clerk-hasura.base": base},
            progress=self.progress,
        )
        # An image that came from the build cache has its first date, so it may stand anywhere in the list.
        others = [each for each in docker_cli.tags(f"{recipes.NAMESPACE}/{recipe.part}") if each != name]
        for old in others[_KEPT_VERSIONS:]:
            docker_cli.remove(old)

    def _base(self) -> str:
        """Bring the image that others stand on: the configured one, else a Debian made here."""
        made_here = recipes.debian_tag()
        if docker_cli.is_present(self.base):
            return self.base
        if docker_cli.is_present(made_here):
            return made_here
        failed = self._pull(self.base, "base")
        if failed is None:
            return self.base
        self.progress(f"{self.base} cannot be pulled: {failed[1]}")
        self._check_space(_BUILD_MEGABYTES["debian"], made_here)
        debian.build(made_here, self.cache, self.progress)
        return made_here

    def _about_docker(self) -> docker_cli.Daemon:
        if self._daemon is None:
            self._daemon = docker_cli.daemon()
        return self._daemon

    def _check_space(self, megabytes: int, purpose: str) -> None:
        folder = self._about_docker().root_folder
        try:
            disk = os.statvfs(folder)
        except OSError:
            # The daemon's disk is not this machine's (Docker Desktop, a remote host): it will say itself.
            return
        problem = space_problem(
            folder=folder,
            free_bytes=disk.f_bavail * disk.f_frsize,
            needed_megabytes=megabytes,
            purpose=purpose,
        )
        if problem is not None:
            raise ImageError(problem)


def _stand_in_recipe(part: Part) -> Callable[[], Recipe]:
    """What gives the recipe of the image that is built here for a part; two parts may share one."""
    builders: Mapping[Part, Callable[[], Recipe]] = {
        "postgres": recipes.postgres_recipe,
        "hasura": recipes.stand_ins_recipe,
        "stand-ins": recipes.stand_ins_recipe,
        "caddy": recipes.caddy_recipe,
    }
    return builders[part]


def _warning(part: Part, configured: str) -> str:
    if part == "hasura":
        return engine_warning(configured)
    if part == "postgres":
        return postgres_warning(configured, version=recipes.POSTGRES_MAJOR)
    return "the local Clerk has no vendor's image; it is built here"


def _refusal(part: Part, configured: str, failure: PullFailure | None, reason: str) -> str:
    if failure is PullFailure.NO_SPACE:
        return f"no disk space for images: the disk ran full while {configured} was pulled ({reason})."
    remedy = {
        PullFailure.ABSENT: "Write an image that exists there, or `docker login` if it is private.",
        PullFailure.DENIED: "Run `docker login` for that registry, then this again.",
        PullFailure.LIMITED: "Run `docker login` for a higher limit, or wait, then run this again.",
    }.get(
        failure or PullFailure.UNREACHABLE,
        "Make the registry reachable, or `docker load` the image. (Stand-ins are switched off: "
        "clerk-hasura:standIns.)",
    )
    cause = (failure or PullFailure.UNREACHABLE).value
    return f"{_KEYS[part]}: {configured} cannot be pulled, {cause} ({reason}). {remedy}"


def _python_with_pip() -> str:
    project_python = recipes.PROJECT / ".venv" / "bin" / "python"
    return str(project_python) if project_python.exists() else sys.executable
