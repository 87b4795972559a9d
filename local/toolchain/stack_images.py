"""`python -m local.toolchain.stack_images ensure|show STACK`: a stack's images, for set-up and doctor.

Runs with the project's own Python, because it reads YAML. Progress goes to standard error line by line, the
result to standard output as JSON: a list of `{"part", "image", "source", "warning"}`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from local.images import ConfiguredImages, ImageError, Part, ensure, resolve

_NAMESPACE = "clerk-hasura:"


@dataclass(frozen=True, kw_only=True)
class StackImages:
    """What a stack's configuration says about images."""

    configured: ConfiguredImages
    stand_ins: bool
    local_clerk: bool
    external_database: bool
    caddy: bool
    external_engine: bool
    docker_host: str
    """The Docker host that the stack's configuration names; empty for the environment's."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The images that the stack needs."""
        wanted: dict[Part, bool] = {
            "postgres": not self.external_database and not self.external_engine,
            "hasura": not self.external_engine,
            "stand-ins": self.local_clerk,
            "caddy": self.caddy,
        }
        return tuple(part for part, is_wanted in wanted.items() if is_wanted)

    def name(self, part: Part) -> str:
        """The configured image of a part; empty for what is always built here."""
        names = {
            "postgres": self.configured.postgres,
            "hasura": self.configured.hasura,
            "caddy": self.configured.caddy,
        }
        return names.get(part, "")


def read(project: Path, stack: str) -> StackImages:
    """Read Pulumi.yaml and the stack's own file, which may not exist. Raises ImageError for invalid YAML."""
    declared = _load(project / "Pulumi.yaml").get("config", {})
    own = _load(project / f"Pulumi.{stack}.yaml").get("config", {}) or {}

    def value(key: str) -> str:
        given = own.get(_NAMESPACE + key, own.get(key))
        return str(declared[key].get("default", "") if given is None else given)

    return StackImages(
        configured=ConfiguredImages(
            postgres=value("postgresImage"), hasura=value("hasuraImage"), caddy=value("caddyImage")
        ),
        stand_ins=value("standIns").lower() == "true",
        local_clerk=value("localClerk").lower() == "true",
        external_database=any(f"{_NAMESPACE}{key}" in own for key in ("databaseUrl", "databaseHost")),
        caddy=value("ingress").lower() == "true" or value("replicas") not in ("", "0"),
        external_engine=f"{_NAMESPACE}engineUrl" in own,
        docker_host=str(own.get("docker:host", "")),
    )


def _load(file: Path) -> Mapping[str, Mapping[str, Mapping[str, object]]]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ImageError(f"{file.name} is not valid YAML: {error}") from None


def main(arguments: list[str]) -> int:
    """Run the command; exit code 0, or 1 with the problem as the last thing on standard error."""
    action, stack = arguments
    project = Path(os.environ.get("CLERK_HASURA_PROJECT") or Path.cwd())
    try:
        wanted = read(project, stack)
        if wanted.docker_host:
            # Where the stack's containers run, its images have to be.
            os.environ["DOCKER_HOST"] = wanted.docker_host
        if action == "ensure":
            rows = [
                {"part": row.part, "image": row.image, "source": row.source, "warning": row.warning}
                for row in ensure(
                    wanted.configured,
                    progress=lambda line: print(line, file=sys.stderr, flush=True),
                    parts=wanted.parts,
                    allow_stand_ins=wanted.stand_ins,
                )
            ]
        else:
            rows = []
            for part in wanted.parts:
                found = resolve(wanted.name(part), part, allow_stand_in=wanted.stand_ins)
                rows.append(
                    {
                        "part": part,
                        "image": found.image,
                        "source": "stand-in, built here" if found.stand_in else found.why,
                        "warning": found.why if found.stand_in else "",
                    }
                )
    except ImageError as error:
        print(f"\0{error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    json.dump(rows, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
