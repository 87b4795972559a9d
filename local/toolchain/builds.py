"""What is built here from Go modules, where the vendor's downloads cannot be had."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.toolchain.commands import answer, run_logged
from local.toolchain.errors import ToolchainError
from local.toolchain.golang import Go
from local.toolchain.machine import free_megabytes
from local.toolchain.progress import Progress

HERE = Path(__file__).parent
CLI_MODULE = HERE / "pulumi-cli"
DOCKER_MODULE = HERE / "pulumi-resource-docker"

BUILD_SECONDS = 3600.0
BUILD_MEGABYTES = 6_000
"""About 3 GB of modules and 2.5 GB of compiled packages, in Go's own caches."""

_CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_CLI_VERSION = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_BRIDGE_VERSION = "github.com/terraform-providers/terraform-provider-docker/pulumi/bridge.Version"
# The Terraform provider's own tag: its Compose resource, which the SDK does not have, needs cgo on macOS.
_DOCKER_TAGS = "no_compose"


def build_cli(go: Go, version: str, *, made: Path, log: Path, progress: Progress) -> None:
    """Build the Pulumi CLI into `made`. Raises ToolchainError with the compiler's last lines."""
    check_space(made)
    with progress.step(f"pulumi {version}: building it from Go modules (some minutes)"):
        run = _GoBuilds(go=go, folder=CLI_MODULE, variables=f"-X {_CLI_VERSION}={version}", progress=progress)
        run.build(_CLI_PACKAGE, made / "pulumi", log)
    _check_answer([str(made / "pulumi"), "version"], version)


def build_docker_plugin(
    go: Go, version: str, *, made: Path, scratch: Path, log: Path, progress: Progress
) -> None:
    """Build the Docker plugin, with the schema that it embeds, into `made`."""
    check_space(made)
    source = scratch / "source"
    shutil.copytree(DOCKER_MODULE, source)
    generator = scratch / "tfgen"
    plugin = source / "cmd" / "pulumi-resource-docker"
    with progress.step(f"pulumi-docker {version}: building it from Go modules (some minutes)"):
        run = _GoBuilds(go=go, folder=source, variables=f"-X {_BRIDGE_VERSION}={version}", progress=progress)
        run.build("./cmd/tfgen", generator, log)
        run_logged(
            [str(generator), "schema", "--skip-docs", "--skip-examples", "--out", str(plugin)],
            log=log, progress=progress, what="Generating the Docker plugin's schema", timeout=BUILD_SECONDS,
            folder=source, environment=go.environment,
        )  # fmt: skip
        run.build("./cmd/pulumi-resource-docker", made / "pulumi-resource-docker", log)
    _check_answer([str(made / "pulumi-resource-docker"), "--version"], version)


@dataclass(frozen=True, kw_only=True)
class _GoBuilds:
    """`go build` in one module: `variables` are the linker's `-X` settings."""

    go: Go
    folder: Path
    variables: str
    progress: Progress

    def build(self, package: str, output: Path, log: Path) -> None:
        run_logged(
            [
                self.go.command, "build", "-v", "-trimpath", "-buildvcs=false", "-tags", _DOCKER_TAGS,
                "-ldflags", f"-s -w {self.variables}", "-o", str(output), package,
            ],
            log=log, progress=self.progress, what=f"Building {output.name}", timeout=BUILD_SECONDS,
            folder=self.folder, environment=self.go.environment,
        )  # fmt: skip


def check_space(folder: Path) -> None:
    """Raise ToolchainError where a build would fill the disk."""
    free = free_megabytes(folder)
    if free < BUILD_MEGABYTES:
        raise ToolchainError(
            f"No disk space to build with Go: {free} MB are free on the disk of {folder}, "
            f"{BUILD_MEGABYTES} MB are needed (`go clean -cache -modcache` frees them afterwards)."
        )


def _check_answer(command: Sequence[str], version: str) -> None:
    said = answer(command, timeout=30)
    if said is None or said.stdout.strip().lstrip("v") != version:
        raise ToolchainError(
            f"{Path(command[0]).name}, built here, does not say that it is version {version} "
            f"(it says {said.stdout.strip() if said else 'nothing'!r})."
        )
