"""A copy of the project in a folder of its own, with a stack and ports of its own, driven by the real commands."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from local import toolchain
from tests.free_ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
_COMMITTER = ("-c", "user.name=copy", "-c", "user.email=copy@example.com")
PARTS = ("postgres", "clerk", "hasura")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a command answered."""

    code: int
    text: str

    def ok(self) -> str:
        """The output of a command that must have succeeded."""
        assert self.code == 0, self.text
        return self.text

    def failed(self) -> str:
        """The output of a command that must have failed, without a traceback."""
        assert self.code != 0, self.text
        assert "Traceback" not in self.text, self.text
        return self.text


class ProjectCopy:
    """A working copy under `folder` whose stack is `stack`.

    :param folder: an empty folder.
    :param stack: name of the stack; names of containers follow from it.
    :param config: configuration that differs from the local stack's; None for what it leaves to the default.
        Its ports are free ones, unless they are given here.
    """

    def __init__(self, folder: Path, stack: str, config: Mapping[str, str | None] | None = None) -> None:
        self.folder, self.stack = folder, stack
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout.decode()
        for name in filter(None, listed.split("\0")):
            source = ROOT / name
            if source.is_file():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        # The set-up's own work is tested elsewhere; its results are shared.
        (folder / ".venv").symlink_to(ROOT / ".venv")
        self.ports = dict(zip(("postgresPort", "hasuraPort", "localClerkPort"), free_ports(3), strict=True))
        self._configure({key: str(port) for key, port in self.ports.items()} | dict(config or {}))
        for command in (
            ["init", "--quiet"],
            ["add", "--all"],
            [*_COMMITTER, "commit", "--quiet", "-m", "copy"],
        ):
            subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
        self.home = folder.parent / f"{folder.name}-home"
        self.home.mkdir()
        own = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
        # A home of its own, so that whatever is written there is seen; the cache stays the user's.
        own |= {"CLERK_HASURA_CACHE": str(toolchain.cache_folder()), "STACK": stack, "NO_COLOR": "1"}
        self.environment = {**own, **toolchain.environment(folder, own), "HOME": str(self.home)}

    def _configure(self, config: Mapping[str, str | None]) -> None:
        own = yaml.safe_load((self.folder / "Pulumi.dev.yaml").read_text())
        names = {key: key if ":" in key else f"clerk-hasura:{key}" for key in config}
        kept = {key: value for key, value in own["config"].items() if key not in names.values()}
        given = {names[key]: value for key, value in config.items() if value is not None}
        (self.folder / f"Pulumi.{self.stack}.yaml").write_text(
            yaml.safe_dump({**own, "config": kept | given}, sort_keys=False)
        )

    def beside(self, stack: str, config: Mapping[str, str | None], **environment: str) -> ProjectCopy:
        """The same working copy with another stack."""
        other = copy.copy(self)
        other.stack = stack
        other.environment = {**self.environment, "STACK": stack, **environment}
        other._configure(config)
        return other

    def run(self, *command: str, timeout: float = 600, **environment: str) -> Run:
        """Runs a command in the copy."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | environment,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return Run(code=done.returncode, text=done.stdout)

    def pulumi(self, *arguments: str, **environment: str) -> Run:
        """Runs the Pulumi CLI on the copy's stack."""
        options = ("--stack", self.stack, "--non-interactive", "--color=never")
        return self.run("pulumi", *arguments, *options, timeout=600, **environment)

    def up(self) -> Run:
        """`pulumi up` as a pipeline calls it."""
        return self.pulumi("up", "--yes", "--skip-preview")

    def outputs(self, **environment: str) -> dict[str, str]:
        """The stack's outputs with secrets."""
        shown = subprocess.run(
            ["pulumi", "stack", "output", "--json", "--show-secrets", "--stack", self.stack],
            cwd=self.folder,
            env=self.environment | environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return dict(json.loads(shown.stdout))

    def left(self) -> list[str]:
        """Every Docker object whose name starts with this stack's prefix."""
        prefix = re.compile(rf"^clerk-hasura-{re.escape(self.stack)}(-|$)")
        found = []
        for kind, form in (
            (["ps", "--all"], "{{.Names}}"),
            (["volume", "ls"], "{{.Name}}"),
            (["network", "ls"], "{{.Name}}"),
        ):
            listed = subprocess.run(
                ["docker", *kind, "--format", form], check=True, capture_output=True, text=True
            ).stdout
            found += [name for name in listed.splitlines() if prefix.match(name)]
        return found

    def remove(self) -> None:
        """Takes away what a failed test left, stack or not."""
        for name in self.left():
            subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, check=False)
        for name in self.left():
            subprocess.run(["docker", "volume", "rm", "--force", name], capture_output=True, check=False)
            subprocess.run(["docker", "network", "rm", name], capture_output=True, check=False)
