"""The commands behind the Makefile: each prepares the environment and calls stock Pulumi.

`python -m local.stack COMMAND`, with COMMANDS below. The stack is named by the environment variable STACK (default
``dev``).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from components.project_name import PROJECT
from components.proof.exit_codes import INTERRUPTED, NOT_MADE
from local import toolchain

ROOT: Final = Path(__file__).resolve().parents[1]
PARTS: Final = (
    *("postgres", "postgres-files", "clerk", "hasura", "hasura-files"),
    *("caddy", "caddy-files", "overlay", "overlay-encrypted"),
)
POLICY_PACK: Final = "policy"
PARALLEL: Final = ("--numprocesses=2", "--dist=loadscope", "--no-loadscope-reorder")
"""How pytest runs all tests; `make test ARGS=--numprocesses=0` is one process, with its own output."""

NO_TESTS: Final = 5
"""Exit code of pytest that had none to run: https://docs.pytest.org/en/stable/reference/exit-codes.html."""


class CommandError(Exception):
    """A command cannot do what it was asked. The message says what to do."""


def pulumi(*arguments: str, environment: Mapping[str, str]) -> None:
    """Runs the CLI with its output on the terminal. Raises CommandError when it fails."""
    code = subprocess.run(["pulumi", *arguments], cwd=ROOT, env=environment, check=False).returncode  # noqa: S603, S607
    if code != 0:
        raise CommandError(_failed(arguments[0], code, environment))


def _failed(operation: str, code: int, environment: Mapping[str, str]) -> str:
    if wrong := _mistyped(environment.get("STACK") or "dev", environment):
        count = "1 setting has" if len(wrong) == 1 else f"{len(wrong)} settings have"
        told = "\n".join(f"  {line}" for problem in wrong for line in problem.split("\n"))
        return f"{count} a value of another type than Pulumi.yaml declares; nothing was touched.\n{told}"
    return (
        f"`pulumi {operation}` failed (exit code {code}). Mend what is said above, then run the same command again: it "
        "goes on from where it is."
    )


def _logged(operation: str, stack: str, environment: Mapping[str, str], *arguments: str) -> None:
    """Runs `pulumi up`, `refresh` or `destroy` with what it does in the stack's log. Raises CommandError when it
    fails."""
    code = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "components.deployment_log", operation, "--yes", "--stack", stack, *arguments],
        cwd=ROOT,
        env=environment,
        check=False,
    ).returncode
    if code != 0:
        raise CommandError(_failed(operation, code, environment))


def _mistyped(stack: str, environment: Mapping[str, str]) -> list[str]:
    """The settings of a stack whose type is not the one that `Pulumi.yaml` declares, with the command for each.

    The CLI names the first of them and begins nothing, so the program never comes to tell them.
    """
    import pydantic
    import yaml

    from components.settings.stack_config import StackConfig, value_problems

    manifest = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    try:
        listed = json.loads(ask_pulumi("config", "--json", "--stack", stack, environment=environment))
    except CommandError:
        return []
    given = {
        key.removeprefix(f"{PROJECT}:"): entry["value"] for key, entry in listed.items() if "value" in entry
    }
    wrong = {
        key
        for key, value in given.items()
        if key in manifest and not _IS_OF_TYPE[manifest[key]["type"]](str(value))
    }
    try:
        StackConfig.model_validate(given)
    except pydantic.ValidationError as error:
        return [str(problem) for problem in value_problems(error) if problem.key in wrong]
    return []


def _is_json(kind: type) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        try:
            return isinstance(json.loads(value), kind)
        except ValueError:
            return False

    return check


_IS_OF_TYPE: Final[Mapping[str, Callable[[str], bool]]] = {
    "boolean": lambda value: value in {"true", "false"},
    "integer": lambda value: re.fullmatch(r"-?[0-9]+", value) is not None,
    "array": _is_json(list),
    "object": _is_json(dict),
    "string": lambda _value: True,
}


def ask_pulumi(*arguments: str, environment: Mapping[str, str]) -> str:
    """What the CLI prints, for reading. Raises CommandError with what it says when it fails."""
    asked = subprocess.run(  # noqa: S603
        ["pulumi", *arguments],  # noqa: S607
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if asked.returncode != 0:
        raise CommandError(f"`pulumi {' '.join(arguments)}` failed:\n{asked.stderr.strip()}")
    return asked.stdout


def _run_module(*arguments: str, environment: Mapping[str, str]) -> None:
    """Runs a Python module with its output on the terminal, and ends with its exit code unless that is 0."""
    if code := _code_of_module(*arguments, environment=environment):
        raise SystemExit(code)


def _code_of_module(*arguments: str, environment: Mapping[str, str]) -> int:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, check=False
    ).returncode


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """A stack that the backend has, by how many resources there are in it."""

    resources: int
    selected: bool


def _listed(stack: str, environment: Mapping[str, str]) -> _Listed | None:
    """What the CLI lists of the stack, or None when there is no such stack."""
    for entry in json.loads(ask_pulumi("stack", "ls", "--json", environment=environment)):
        if entry["name"].split("/")[-1] == stack:
            return _Listed(
                resources=int(entry.get("resourceCount") or 0), selected=entry.get("current") is True
            )
    return None


def _docker_objects(stack: str, environment: Mapping[str, str]) -> dict[str, list[str]]:
    """Names of the stack's containers, volumes and networks on the Docker host, by the command that removes them."""
    found = {}
    name = re.compile(rf"{PROJECT}-{re.escape(stack)}(-({'|'.join(PARTS)}))?")
    for remove, listing, form in (
        ("docker rm --force", ["ps", "--all"], "{{.Names}}"),
        ("docker volume rm", ["volume", "ls"], "{{.Name}}"),
        ("docker network rm", ["network", "ls"], "{{.Name}}"),
    ):
        listed = subprocess.run(  # noqa: S603
            ["docker", *listing, "--format", form],  # noqa: S607
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        # A Docker that does not answer is for the program to say, with everything else that is wrong.
        names = [line for line in listed.stdout.splitlines() if name.fullmatch(line)]
        if names:
            found[remove] = names
    return found


def start(stack: str, environment: Mapping[str, str]) -> None:
    """Makes the stack where there is none, unless somebody else's is already on the Docker host."""
    listed = _listed(stack, environment)
    # A first deployment that was refused leaves the stack itself in the state, and nothing of Docker's.
    if (listed is None or listed.resources <= 1) and (objects := _docker_objects(stack, environment)):
        removal = "\n".join(f"    {remove} {' '.join(names)}" for remove, names in objects.items())
        raise CommandError(
            f"This copy of the project has no stack {stack}, yet Docker has one: another copy runs it, or its state "
            f"was lost. Nothing was touched.\n"
            f"  Another copy: take it down there with `make down`, or give this one a stack of another name "
            f"(copy Pulumi.{stack}.yaml to Pulumi.NAME.yaml without its ports, make up STACK=NAME).\n"
            f"  Its state was lost: what follows removes it, with its data.\n{removal}"
        )
    if listed is None:
        pulumi("stack", "init", stack, environment=environment)
    elif not listed.selected:
        # The selection is kept beside the tools, and so is forgotten when they change.
        ask_pulumi("stack", "select", stack, environment=environment)


def require(stack: str, environment: Mapping[str, str]) -> None:
    if _listed(stack, environment) is None:
        backend = environment.get("PULUMI_BACKEND_URL", "that of `pulumi login`")
        raise CommandError(
            f"There is no stack {stack} here yet. `make up` brings it up. The backend is {backend}; one in another is "
            'reached from a shell that names it: eval "$(make -s activate)", then export or unset PULUMI_BACKEND_URL '
            "and export PULUMI_CONFIG_PASSPHRASE."
        )


def up(stack: str, environment: Mapping[str, str]) -> None:
    """Brings the stack up, proves it, and says what to do next."""
    start(stack, environment)
    # Each question is a process of its own.
    with ThreadPoolExecutor() as together:
        policy = together.submit(_policy, stack, environment)
        proven_at = together.submit(_proven_at, stack, environment)
    outputs = _deploy(stack, environment, *policy.result(), before=proven_at.result())
    print(_next_steps(outputs, stack))


def deploy(stack: str, environment: Mapping[str, str], *arguments: str) -> dict[str, str]:
    """`pulumi up` with further arguments, then a proof where the deployment made none. Gives the outputs."""
    return _deploy(stack, environment, *arguments, before=_proven_at(stack, environment))


def _proven_at(stack: str, environment: Mapping[str, str]) -> str | None:
    """When a deployment of this stack has made a proof last."""
    return outputs_of(stack, environment, secrets=False).get("provenAt")


def _deploy(
    stack: str, environment: Mapping[str, str], *arguments: str, before: str | None
) -> dict[str, str]:
    """The same, where the last proof is known."""
    _logged("up", stack, environment, *arguments)
    after = outputs_of(stack, environment, secrets=False)
    if after.get("provenAt") in (None, before):
        if after["publishableKey"].startswith("pk_live_") and not _proof_allowed(stack, environment):
            print("\nNot proven: real people sign in here, and proofInProduction is not true.")
        else:
            _prove(stack, environment)
    else:
        report = _report(stack, environment)
        print(f"\nProven by two throwaway users, as a part of this deployment:\n{report}")
    return after


def _proof_allowed(stack: str, environment: Mapping[str, str]) -> bool:
    """Whether a production instance of Clerk may be given throwaway users."""
    return _is_true("proofInProduction", stack, environment)


def _is_true(key: str, stack: str, environment: Mapping[str, str]) -> bool:
    """Whether a stack sets a key of its configuration to true."""
    listed = json.loads(ask_pulumi("config", "--json", "--stack", stack, environment=environment))
    return bool(listed.get(f"{PROJECT}:{key}", {}).get("value") == "true")


def _policy(stack: str, environment: Mapping[str, str]) -> list[str]:
    """The policy pack, for a stack that is held to it; others are told of it by `plan`."""
    return ["--policy-pack", POLICY_PACK] if _is_true("production", stack, environment) else []


def preview(stack: str, environment: Mapping[str, str]) -> None:
    """Shows what `up` would change."""
    start(stack, environment)
    pulumi("preview", "--diff", "--stack", stack, *_policy(stack, environment), environment=environment)


def plan(stack: str, environment: Mapping[str, str]) -> None:
    """Writes what `up` would change as Markdown and JSON into PLAN_FOLDER (.local/plan), and prints it.

    DRIFT=1 looks at what is really there as well, EXPECT names the fingerprint of the plan that was approved,
    POLICY_PACKS are folders of policy packs, in place of the project's own. Ends with another code than 0 only where
    there is no plan, or another one than the expected: make knows no third one. The code of the plan itself is in
    the JSON.
    """
    start(stack, environment)
    make_plan(stack, environment)


def plan_files(stack: str, environment: Mapping[str, str]) -> tuple[Path, Path]:
    """Where the plan of a stack is written: as Markdown, and as JSON."""
    folder = Path(environment.get("PLAN_FOLDER") or ROOT / ".local" / "plan")
    return folder / f"{stack}.md", folder / f"{stack}.json"


def looks_for_drift(environment: Mapping[str, str]) -> bool:
    """Whether DRIFT asks to look at what is really there."""
    return environment.get("DRIFT") not in (None, "", "0")


def make_plan(stack: str, environment: Mapping[str, str]) -> None:
    """The same for a stack that is there."""
    markdown, shape = plan_files(stack, environment)
    arguments = ["--stack", stack, "--markdown", str(markdown), "--json", str(shape)]
    if looks_for_drift(environment):
        arguments.append("--drift")
    if expected := environment.get("EXPECT"):
        arguments += ["--expect", expected]
    for pack in environment.get("POLICY_PACKS", POLICY_PACK).split():
        arguments += ["--policy-pack", pack]
    for left in (markdown, shape):
        left.unlink(missing_ok=True)
    code = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "components.plan", *arguments], cwd=ROOT, env=environment, check=False
    ).returncode
    if markdown.exists():
        print(markdown.read_text(encoding="utf-8"))
        print(f"Written to {markdown} and {shape}.")
    from components.plan.document import EXIT_CODES

    # With these it ends when there is a plan.
    if code not in {number for outcome, number in EXIT_CODES.items() if outcome != "failed"}:
        if wrong := _mistyped(stack, environment):
            raise CommandError("\n".join(wrong))
        raise SystemExit(code)


def graph(stack: str, environment: Mapping[str, str]) -> None:
    """Draws the identity chain and who may do what as Markdown and as a page into GRAPH_FOLDER (.local/graph).

    DIFF=1 marks what is not as it was deployed.
    """
    start(stack, environment)
    folder = Path(environment.get("GRAPH_FOLDER") or ROOT / ".local" / "graph")
    markdown, page = folder / f"{stack}.md", folder / f"{stack}.html"
    for left in (markdown, page):
        left.unlink(missing_ok=True)
    diff = ["--diff"] if environment.get("DIFF") not in (None, "", "0") else []
    _run_module(
        "components.graph",
        "--stack",
        stack,
        "--markdown",
        str(markdown),
        "--html",
        str(page),
        *diff,
        environment=environment,
    )
    print(f"Drawn: {page} (open it in a browser) and {markdown}.")


def refresh(stack: str, environment: Mapping[str, str]) -> None:
    """Reads back what is really there, so that the next preview shows drift."""
    require(stack, environment)
    _logged("refresh", stack, environment)


def outputs_of(stack: str, environment: Mapping[str, str], *, secrets: bool) -> dict[str, str]:
    shown = ask_pulumi(
        "stack",
        "output",
        "--json",
        "--stack",
        stack,
        *(["--show-secrets"] if secrets else []),
        environment=environment,
    )
    return dict(json.loads(shown))


def _report(stack: str, environment: Mapping[str, str]) -> str:
    """The table of the proof that the stack has made of itself, as its state keeps it."""
    exported = ask_pulumi("stack", "export", "--stack", stack, environment=environment)
    resources = json.loads(exported)["deployment"].get("resources", [])
    reports = [r["outputs"]["report"] for r in resources if r["type"].endswith("/proof:RowIsolation")]
    return "\n".join(reports)


def outputs(stack: str, environment: Mapping[str, str]) -> None:
    """Prints the outputs as JSON, secrets only when SECRETS=1."""
    require(stack, environment)
    print(json.dumps(outputs_of(stack, environment, secrets=environment.get("SECRETS") == "1"), indent=2))


def env(stack: str, environment: Mapping[str, str]) -> None:
    """Prints what a front end needs as dotenv, or writes it into FILE; ENV_PREFIX begins each name."""
    require(stack, environment)
    arguments = ["--prefix", environment.get("ENV_PREFIX") or ""]
    if file := environment.get("FILE"):
        arguments += ["--file", file]
    _run_module("components.dotenv", *arguments, environment={**environment, "PULUMI_STACK": stack})


def backup(stack: str, environment: Mapping[str, str]) -> None:
    """Makes a backup of both databases into FOLDER, after it was seen to restore."""
    arguments = ["--folder", folder] if (folder := environment.get("FOLDER")) else []
    _back_up_or_restore(stack, environment, "make", *arguments)


def restore(stack: str, environment: Mapping[str, str]) -> None:
    """Puts the backup FILE in the place of the databases, with YES=1; of another stack with ANOTHER_STACK=1."""
    if not (file := environment.get("FILE")):
        raise CommandError("Name the backup: make restore FILE=.local/backups/...tar YES=1")
    arguments = [file]
    for variable, option in (("YES", "--yes"), ("ANOTHER_STACK", "--of-another-stack")):
        if environment.get(variable) == "1":
            arguments.append(option)
    _back_up_or_restore(stack, environment, "restore", *arguments)


def adopt(stack: str, environment: Mapping[str, str]) -> None:
    """Takes over the engine at URL, with its metadata, its migrations and Clerk's template, into files and
    configuration. The admin secret is HASURA_GRAPHQL_ADMIN_SECRET."""
    if not (url := environment.get("URL")):
        raise CommandError("Name the engine: make adopt URL=https://example.hasura.app STACK=NAME")
    from components.settings import PUBLIC_PASSPHRASE

    if environment["PULUMI_CONFIG_PASSPHRASE"] == PUBLIC_PASSPHRASE:
        raise CommandError(
            "An engine of yours has an admin secret, and this stack's passphrase is public. Give a stack of another "
            "name one of its own:\n"
            "    read -rs PULUMI_CONFIG_PASSPHRASE && export PULUMI_CONFIG_PASSPHRASE\n"
            f"    make adopt URL={url} STACK={'NAME' if stack == 'dev' else stack}"
        )
    start(stack, environment)
    arguments = [url]
    for version in (environment.get("BASELINE") or "").split():
        arguments += ["--baseline", version]
    for variable, option in (("PENDING", "--pending"), ("OVERWRITE", "--overwrite")):
        if environment.get(variable) == "1":
            arguments.append(option)
    _run_module("components.adoption", *arguments, environment={**environment, "PULUMI_STACK": stack})


def _back_up_or_restore(stack: str, environment: Mapping[str, str], command: str, *arguments: str) -> None:
    require(stack, environment)
    address = environment.get("DATABASE_ADDRESS")
    _run_module(
        "components.backup",
        command,
        *arguments,
        *(["--image", image] if (image := _postgres_image(stack, environment)) else []),
        *(["--address", address] if address else []),
        environment={**environment, "PULUMI_STACK": stack},
    )


def _postgres_image(stack: str, environment: Mapping[str, str]) -> str:
    """What serves as the stack's image of Postgres here; empty where that is to be found out later."""
    listed = json.loads(ask_pulumi("config", "--json", "--stack", stack, environment=environment))
    configured = str(listed[f"{PROJECT}:postgresImage"]["value"])
    from local import images

    try:
        return images.resolve(configured, "postgres").image
    except images.ImageError:
        return ""


def prove(stack: str, environment: Mapping[str, str]) -> None:
    """Runs the live proof of row isolation. Raises CommandError when it fails or cannot be made."""
    require(stack, environment)
    _prove(stack, environment)


def _prove(stack: str, environment: Mapping[str, str]) -> None:
    """The same for a stack that is there."""
    asked = ["pulumi", "stack", "output", "--json", "--show-secrets", "--stack", stack]
    # The one reads while the other starts; nothing else sees the secrets.
    with subprocess.Popen(  # noqa: S603
        asked, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as outputs:
        code = subprocess.run(
            [sys.executable, "-m", "components.proof", "-"],
            cwd=ROOT,
            env={**environment, "PULUMI_STACK": stack},
            stdin=outputs.stdout,
            check=False,
        ).returncode
        said = outputs.communicate()[1]
    if outputs.returncode > 0:
        raise CommandError(f"`pulumi stack output` failed:\n{said.strip()}")
    if code == NOT_MADE:
        raise CommandError(
            "The proof of row isolation could not be made; what is above says why. Nothing is proven."
        )
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code != 0:
        raise CommandError("The proof of row isolation failed; the table above shows which line.")


def rotate_drill(_stack: str, environment: Mapping[str, str]) -> None:
    """Rehearses a rotation of Clerk's signing key on throwaway containers."""
    _run_module("local.rotation_drill", environment=environment)


def down(stack: str, environment: Mapping[str, str]) -> None:
    """Removes everything that the stack made. Does nothing when there is nothing."""
    if _listed(stack, environment) is None:
        print(f"There is no stack {stack} here; nothing to remove.")
        return
    _logged("destroy", stack, environment)


def shell(stack: str, environment: Mapping[str, str]) -> None:
    """Starts the user's shell with the tools on PATH."""
    start(stack, environment)
    command = environment.get("SHELL", "/bin/sh")
    print(f"Stack {stack}; `pulumi` is on PATH here. `exit` ends this shell.")
    os.chdir(ROOT)
    os.execvpe(command, [command], environment)  # noqa: S606


def test(_stack: str, environment: Mapping[str, str], *arguments: str) -> None:
    """Runs every test, in two processes: much of the time one waits for containers while the other computes.

    Those that count failed requests follow alone, on a Docker host of their own where there can be one.
    """
    of_a_swarm = ("-m", "pytest", "--swarm=only", *arguments)
    codes = [_code_of_module("pytest", *PARALLEL, "--swarm=without", *arguments, environment=environment)]
    collected = subprocess.run(  # noqa: S603
        [sys.executable, *of_a_swarm, "--collect-only", "--quiet"],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
    )
    if collected.returncode == 0:
        codes.append(
            _code_of_module("tests.swarm_host", sys.executable, *of_a_swarm, environment=environment)
        )
    # One of the two may have none of the tests that were asked for.
    if code := next((code for code in codes if code not in (0, NO_TESTS)), min(codes)):
        raise SystemExit(code)


def soak(_stack: str, environment: Mapping[str, str], *arguments: str) -> None:
    """Runs for long what the tests run short: random steps in the life of a stack, and deployers that are killed.

    SOAK_STEPS (300) and SOAK_SEED, KILLS (1000) and KILL_SEED say how many, and which.
    """
    chosen = ("tests/e2e/test_faults.py::test_a_long_run", "tests/schema_faults/test_kills.py")
    lengths = {"SOAK_STEPS": "300", "KILLS": "1000"}
    _run_module("pytest", *(arguments or chosen), environment={**lengths, **environment})


def migrations(stack: str, environment: Mapping[str, str], *arguments: str) -> None:
    """Runs a command on the stack's migrations; see `python -m components.schema --help`."""
    _run_module("components.schema", *arguments, environment={**environment, "PULUMI_STACK": stack})


def contract(_stack: str, environment: Mapping[str, str], *image: str) -> None:
    """Replays the engine's contract against an image, and attacks it as this project configures it."""
    if len(image) != 1:
        raise CommandError("Name the image: make contract ENGINE_IMAGE=hasura/graphql-engine:v2.48.10")
    chosen = ("tests/contract/hasura", "tests/attacks")
    _run_module("pytest", *PARALLEL, *chosen, f"--engine-image={image[0]}", environment=environment)


def _next_steps(out: Mapping[str, str], stack: str) -> str:
    """What can be done now, for a stack with these outputs. Pure."""
    of = "" if stack == "dev" else f" STACK={stack}"
    here = urlsplit(out["clerkApiUrl"]).hostname == "127.0.0.1"
    return f"""
The API is at {out["graphqlUrl"]}

  ask it something, signed in as nobody (it refuses):
    curl -s {out["graphqlUrl"]} -H 'Content-Type: application/json' -d '{{"query":"{{ users {{ id }} }}"}}'
  what would change:      make preview{of}
  prove it again:         make prove{of}
  the outputs:            make outputs{of}
  for a front end:        make env FILE=.env.local ENV_PREFIX=VITE_{of}
  use stock Pulumi:       eval "$(make -s activate{of})"    then pulumi preview, up, refresh, destroy, stack output
{_OWN_CLERK if here else ""}  take it down:           make down{of}
"""


_OWN_CLERK: Final = """\
  use a Clerk application of yours instead of the local Clerk, in that shell:
    pulumi config set localClerk false
    pulumi config set clerkPublishableKey pk_test_...
    read -rs CLERK_SECRET_KEY && export CLERK_SECRET_KEY      # paste sk_test_..., press Enter
    pulumi up
"""


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {
    command.__name__: command
    for command in (
        up,
        preview,
        plan,
        graph,
        refresh,
        outputs,
        env,
        backup,
        restore,
        adopt,
        prove,
        rotate_drill,
        migrations,
        down,
        shell,
        test,
        soak,
        contract,
    )
}


def passphrase(stack: str, given: Mapping[str, str]) -> dict[str, str]:
    """The passphrase that the caller's environment has, for a stack that is not encrypted with the public one."""
    own = given.get("PULUMI_CONFIG_PASSPHRASE")
    salts = [_salt(ROOT / f"Pulumi.{name}.yaml") for name in (stack, "dev")]
    if not own or stack == "dev" or (salts[0] and salts[0] == salts[1]):
        return {}
    return {"PULUMI_CONFIG_PASSPHRASE": own}


def _salt(file: Path) -> str:
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    found = re.search(r"^encryptionsalt: *(\S+)", text, re.MULTILINE)
    return found[1] if found else ""


def main(arguments: Sequence[str]) -> int:
    """Runs one command. Returns the exit code: 0 done, 1 failed, 2 called wrongly."""
    if not arguments or arguments[0] not in COMMANDS:
        print(f"usage: python -m local.stack {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    stack = os.environ.get("STACK") or "dev"
    environment = {**os.environ, **toolchain.environment(), **passphrase(stack, os.environ)}
    try:
        COMMANDS[arguments[0]](stack, environment, *arguments[1:])
    except CommandError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The same command again goes on from where it is.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
