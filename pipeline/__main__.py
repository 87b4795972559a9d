"""The commands of a pipeline, the same on any CI: `python -m pipeline COMMAND`, by way of the Makefile's `ci-` targets.

They work in the backend that the environment names (PULUMI_BACKEND_URL, PULUMI_ACCESS_TOKEN,
PULUMI_CONFIG_PASSPHRASE), never in the local one unless that is named. STACK is the stack. See docs/ci.md.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import yaml

from local import stack as stacks
from local import toolchain
from local.toolchain.environment import PUBLIC_PASSPHRASE
from pipeline import review, texts
from pipeline.github import GitHub, GitHubError, repository

GIVEN: Final = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE")
"""What a pipeline says for itself, and the local stack has of its own."""


class PipelineError(Exception):
    """A command was not given what it needs. The text says what to do."""


def environment_of(given: Mapping[str, str], tools: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command: the pipeline's own with the tools, and with its own backend.

    :raises PipelineError: where no backend is named.
    """
    if not given.get("PULUMI_BACKEND_URL") and not given.get("PULUMI_ACCESS_TOKEN"):
        raise PipelineError(
            "No backend is named. Set PULUMI_BACKEND_URL (s3://..., azblob://..., gs://..., file://...) and "
            "PULUMI_CONFIG_PASSPHRASE, or PULUMI_ACCESS_TOKEN for Pulumi Cloud."
        )
    kept = {name: given[name] for name in GIVEN if given.get(name)}
    others = {name: value for name, value in tools.items() if name not in GIVEN}
    return {**{name: value for name, value in given.items() if name not in GIVEN}, **others, **kept}


def plan(stack: str, environment: Mapping[str, str]) -> None:
    """Writes the plan of a stack (docs/plan.md) and adds it to the job's summary where GitHub asks for one."""
    _require(stack, environment)
    markdown, _ = stacks.plan_files(stack, environment)
    try:
        stacks.make_plan(stack, environment)
    finally:
        if (summary := environment.get("GITHUB_STEP_SUMMARY")) and markdown.exists():
            with open(summary, "a", encoding="utf-8") as file:  # noqa: PTH123 (GitHub's own file)
                file.write(markdown.read_text(encoding="utf-8"))


def fingerprint(stack: str, environment: Mapping[str, str]) -> None:
    """Prints the fingerprint of the plan that was made last, by which a deployment knows it again."""
    print(_summary(stack, environment).fingerprint)


def comment(stack: str, environment: Mapping[str, str]) -> None:
    """Writes the plan that was made last as the one comment of its stack under PULL_REQUEST."""
    markdown, _ = stacks.plan_files(stack, environment)
    if not markdown.exists():
        raise PipelineError(
            f"There is no plan of {stack} to comment on. `make ci-plan STACK={stack}` makes it."
        )
    _put_comment(
        environment,
        texts.marker("plan", stack),
        texts.plan_comment(stack, markdown.read_text(encoding="utf-8")),
    )


def deploy(stack: str, environment: Mapping[str, str]) -> None:
    """Plans, stops where EXPECT names another plan, deploys under the policy pack, and proves.

    DRIFT=1 looks at what is really there first, and so takes back what nobody deployed.
    """
    if environment.get("EXPECT") == "":
        raise PipelineError("EXPECT is empty: no plan was approved. Leave it out where none has to be.")
    plan(stack, environment)
    refresh = ["--refresh", "--run-program"] if stacks.looks_for_drift(environment) else []
    stacks.deploy(stack, environment, "--skip-preview", "--policy-pack", stacks.POLICY_PACK, *refresh)


def drift_issue(stack: str, environment: Mapping[str, str]) -> None:
    """Keeps the one issue about a stack's drift: open with what was found last, closed when nothing was found."""
    summary = _summary(stack, environment)
    markdown, _ = stacks.plan_files(stack, environment)
    if summary.outcome == "failed":
        raise PipelineError(
            f"{stack} could not be looked at, which is no news of drift; {markdown} says why."
        )
    marker = texts.marker("drift", stack)
    with GitHub(repository(environment)) as github:
        if summary.outcome == "drift":
            body = texts.drift_issue(stack, markdown.read_text(encoding="utf-8"))
            print(f"Drift is told in {github.put_issue(marker, texts.drift_title(stack), body)}")
        elif address := github.close_issue(marker, texts.drift_gone(stack)):
            print(f"No drift any more: closed {address}")
        else:
            print(f"No drift of {stack}.")


def review_up(_stack: str, environment: Mapping[str, str]) -> None:
    """Brings up the stack of PULL_REQUEST, proves it, and says under the pull request where it is."""
    stack, environment = _review(_number(environment), environment)
    stacks.start(stack, environment)
    outputs = stacks.deploy(stack, environment, "--skip-preview")
    local = not environment.get("CLERK_PUBLISHABLE_KEY")
    _put_comment(
        environment, texts.marker("stack", stack), texts.review_comment(stack, outputs, local_clerk=local)
    )


def review_down(_stack: str, environment: Mapping[str, str]) -> None:
    """Removes the stack of PULL_REQUEST, and says so there."""
    stack, environment = _review(_number(environment), environment)
    _remove(stack, environment)
    _put_comment(environment, texts.marker("stack", stack), texts.review_gone(stack))


def review_sweep(_stack: str, environment: Mapping[str, str]) -> None:
    """Removes the stacks of pull requests that are not open any more.

    OPEN_PULL_REQUESTS are the numbers of those that are, separated by spaces; GitHub is asked where it is not set.
    """
    listed = environment.get("OPEN_PULL_REQUESTS")
    if listed is None:
        with GitHub(repository(environment)) as github:
            still_open = github.open_pull_requests()
    else:
        still_open = {int(number) for number in listed.split()}
    left = review.leftovers(_names(environment), still_open)
    for stack in left:
        print(f"Left over: {stack}")
        match = review.STACK.fullmatch(stack)
        if match:
            _remove(*_review(int(match[1]), environment))
    print(f"Removed {len(left)}.")


def _review(number: int, environment: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The stack of a pull request and the environment for it: the local stack's file with ports of its own.

    The file is made anew each time, because a pipeline keeps no working copy.
    """
    stack = review.stack_name(number)
    dev = yaml.safe_load((stacks.ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8"))
    made = {**dev, "config": review.config(dev["config"], number, environment)}
    (stacks.ROOT / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
    # The passphrase that belongs to the file.
    return stack, {**environment, "PULUMI_CONFIG_PASSPHRASE": PUBLIC_PASSPHRASE}


def _remove(stack: str, environment: Mapping[str, str]) -> None:
    if stack in _names(environment):
        stacks.down(stack, environment)
        stacks.pulumi("stack", "rm", "--yes", "--preserve-config", "--stack", stack, environment=environment)
    (stacks.ROOT / f"Pulumi.{stack}.yaml").unlink(missing_ok=True)


def _number(environment: Mapping[str, str]) -> int:
    given = environment.get("PULL_REQUEST", "")
    if not given.isdecimal() or int(given) == 0:
        raise PipelineError(f"PULL_REQUEST must be the number of a pull request, and is {given!r}.")
    return int(given)


def _put_comment(environment: Mapping[str, str], marker: str, body: str) -> None:
    if not environment.get("GITHUB_REPOSITORY"):
        print(f"\nNo GITHUB_REPOSITORY, so no comment is written; it would say:\n\n{body}")
        return
    with GitHub(repository(environment)) as github:
        print(f"\nWritten: {github.put_comment(_number(environment), marker, body)}")


def _summary(stack: str, environment: Mapping[str, str]) -> texts.PlanSummary:
    _, shape = stacks.plan_files(stack, environment)
    if not shape.exists():
        raise PipelineError(f"There is no plan of {stack}. `make ci-plan STACK={stack}` makes it.")
    return texts.plan_summary(shape.read_text(encoding="utf-8"))


def _names(environment: Mapping[str, str]) -> list[str]:
    listed = json.loads(stacks.ask_pulumi("stack", "ls", "--json", environment=environment))
    return [str(entry["name"]).rsplit("/", 1)[-1] for entry in listed]


def _require(stack: str, environment: Mapping[str, str]) -> None:
    if stack not in _names(environment):
        raise PipelineError(
            f"The backend has no stack {stack}. Make it once, with the pipeline's backend and passphrase: "
            f"pulumi stack init {stack}"
        )


COMMANDS: Final[Mapping[str, Callable[[str, Mapping[str, str]], None]]] = {
    command.__name__.replace("_", "-"): command
    for command in (
        plan,
        fingerprint,
        comment,
        deploy,
        drift_issue,
        review_up,
        review_down,
        review_sweep,
    )
}


def main(arguments: Sequence[str]) -> int:
    """Runs one command. Returns the exit code: 0 done, 1 failed, 2 called wrongly."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f"usage: python -m pipeline {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        environment = environment_of(os.environ, toolchain.environment())
        COMMANDS[arguments[0]](environment.get("STACK") or "dev", environment)
    except (PipelineError, review.ReviewError, GitHubError, stacks.CommandError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
