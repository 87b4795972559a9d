"""Pins a stack's images by digest: what their tags stand for today is written into the stack's file."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import yaml

from local.images import docker_cli
from local.images.docker_cli import Progress
from local.images.errors import ImageError

_NAMESPACE = "clerk-hasura:"
KEYS = ("postgresImage", "hasuraImage", "caddyImage")


def pinned(image: str, progress: Progress) -> str:
    """Give the image's name with the digest that its tag stands for at its registry now.

    Docker pulls it, which is the surest way to ask any registry with the user's own access. An image that has a
    digest already keeps it. Raises ImageError where there is no such image, or no answer.
    """
    if "@" in image:
        return image
    if (failed := docker_cli.pull(image, progress)) is not None:
        raise ImageError(
            f"{image} cannot be pulled: {failed[1]}. Its digest is known to its registry only: run this where "
            "that is reached, or write NAME:TAG@sha256:... by hand."
        )
    # "docker.io/library/postgres" and "postgres" are one repository, and Docker writes the short form.
    repository = re.sub(r":[^:/]+$", "", image)
    for name in docker_cli.digests(image):
        if name.partition("@")[0] in (repository, re.sub(r"^docker\.io/(library/)?", "", repository)):
            return f"{image}@{name.partition('@')[2]}"
    raise ImageError(
        f"Docker knows no digest of {image}: it was built or loaded here, and no registry has it."
    )


def with_setting(text: str, key: str, value: str) -> str:
    """Give a stack's file with one key set, every other line as it was. Raises ImageError for another form."""
    line = f"  {_NAMESPACE}{key}: {value}\n"
    present = re.compile(rf"^[ \t]+[\"']?{_NAMESPACE}{key}[\"']?:[^\n]*\n?", re.MULTILINE)
    if present.search(text):
        changed = present.sub(lambda _: line, text, count=1)
    elif re.search(r"^config:[ \t]*$", text, re.MULTILINE):
        changed = re.sub(
            r"^config:[ \t]*\n?", lambda _: f"config:\n{line}", text, count=1, flags=re.MULTILINE
        )
    else:
        changed = f"{text.rstrip()}\nconfig:\n{line}".lstrip("\n")
    before, after = _read(text), _read(changed)
    if after != {**before, f"{_NAMESPACE}{key}": value}:
        raise ImageError(f"the stack's file has another form than Pulumi writes; set it by hand:\n{line}")
    return changed


def pin(project: Path, stack: str, progress: Progress) -> list[str]:
    """Pin the images that a stack's configuration names, and give a line for each.

    A database that somebody else runs needs no image, so its stack's image of Postgres is passed over. With an engine
    that somebody else runs there is none to pin. Raises ImageError with all that is wrong; the file is then as it was.
    """
    file = project / f"Pulumi.{stack}.yaml"
    declared = yaml.safe_load((project / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    own = _read(text)
    if f"{_NAMESPACE}engineUrl" in own:
        raise ImageError("engineUrl names an engine that somebody else runs: this stack has no images")
    external = any(f"{_NAMESPACE}{key}" in own for key in ("databaseUrl", "databaseHost"))
    lines, problems = [], []
    for key in KEYS[1:] if external else KEYS:
        image = str(own.get(f"{_NAMESPACE}{key}", declared[key]["default"]))
        if not image:
            # Built here from pinned modules, and in no registry.
            continue
        try:
            value = pinned(image, progress)
            text = with_setting(text, key, value)
        except ImageError as error:
            problems.append(str(error))
            continue
        lines.append(f"{key}: {value}" + (" (as it was)" if value == image else ""))
    if problems:
        raise ImageError("\n".join(problems))
    file.write_text(text, encoding="utf-8")
    return lines


def _read(text: str) -> dict[str, object]:
    try:
        return dict((yaml.safe_load(text) or {}).get("config") or {})
    except (yaml.YAMLError, AttributeError, TypeError, ValueError):
        raise ImageError("the stack's file is not valid YAML") from None


def main() -> int:
    """Pin the images of the stack that STACK names; exit code 0, or 1 with what is wrong."""
    stack = os.environ.get("STACK") or "dev"
    project = Path(os.environ.get("CLERK_HASURA_PROJECT") or Path.cwd())
    try:
        for line in pin(project, stack, lambda line: print(line, file=sys.stderr, flush=True)):
            print(line)
    except ImageError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    print(f"Written into Pulumi.{stack}.yaml.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
