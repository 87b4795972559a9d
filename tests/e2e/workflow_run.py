"""Runs a job of a workflow as GitHub would: the commands are read out of the YAML file.

Not run are `uses` steps and conditions of jobs; which jobs an event starts is for the caller to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from project_copy import ProjectCopy

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_ALSO_AFTER_A_FAILURE = "success() || failure()"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job that has ended: whether all steps succeeded, what they printed, its outputs and its summary."""

    succeeded: bool
    text: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""

    def ok(self) -> Job:
        assert self.succeeded, self.text
        return self

    def failed(self) -> str:
        assert not self.succeeded, self.text
        assert "Traceback" not in self.text, self.text
        return self.text


class Workflow:
    """A file of `.github/workflows` in a copy of the project.

    :param stacks: the name of a stack in the file to the one that is used here.
    """

    def __init__(self, project: ProjectCopy, name: str, stacks: Mapping[str, str]) -> None:
        self._project, self._stacks = project, stacks
        self._file = yaml.safe_load((project.folder / ".github" / "workflows" / f"{name}.yml").read_text())

    def run(self, name: str, contexts: Mapping[str, str]) -> Job:
        """Runs a job. `contexts` gives the value of every expression in it, as `secrets.CLERK_SECRET_KEY`."""
        job = self._file["jobs"][name]
        files = {key: self._project.home / key.lower() for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        printed, succeeded, known = "", True, dict(contexts)
        outputs: dict[str, str] = {}
        for step in job["steps"]:
            if "run" not in step:
                continue
            condition = step.get("if")
            assert condition in (None, _ALSO_AFTER_A_FAILURE), condition
            if not succeeded and condition is None:
                continue
            assert "${{" not in step["run"], (
                "an expression in a command is a way in for titles and branch names"
            )
            given = {**self._file.get("env", {}), **job.get("env", {}), **step.get("env", {})}
            environment = {key: _filled(str(value), known) for key, value in given.items()}
            if "STACK" in environment:
                environment["STACK"] = self._stacks[environment["STACK"]]
            done = self._project.run(
                "bash", "-eo", "pipefail", "-c", step["run"],
                **environment, **{key: str(file) for key, file in files.items()},
            )  # fmt: skip
            printed += done.text
            succeeded = succeeded and done.code == 0
            for line in files["GITHUB_OUTPUT"].read_text().splitlines():
                key, _, value = line.partition("=")
                known[f"steps.{step.get('id')}.outputs.{key}"] = value
        if succeeded:
            outputs = {key: _filled(value, known) for key, value in job.get("outputs", {}).items()}
        summary = files["GITHUB_STEP_SUMMARY"].read_text()
        return Job(succeeded=succeeded, text=printed, outputs=outputs, summary=summary)

    def needs(self, name: str) -> Any:
        return self._file["jobs"][name].get("needs")


def _filled(text: str, contexts: Mapping[str, str]) -> str:
    return _EXPRESSION.sub(lambda found: contexts[found[1]], text)
