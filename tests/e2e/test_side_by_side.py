"""Two stacks on one Docker host: one as a user of that machine has it, one as if the host were elsewhere.

The first is closed in, is rotated while updates are killed, and is taken down; the second must not notice.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psycopg
import pytest
from project_copy import PARTS, ProjectCopy
from remote_host import remote_host

from components.hasura.client import HasuraClient
from components.settings.ports import derived_port
from tests.free_ports import free_ports
from tests.images.containers import docker

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

DERIVED: dict[str, str | None] = {"hasuraPort": None, "postgresPort": None, "localClerkPort": None}
LIMITS: dict[str, str | None] = {
    "hasuraCpus": "1.5",
    "postgresCpus": "0.5",
    "postgresMemoryMb": "300",
    "pidsLimit": "300",
}
ROWS = 500


@dataclass(frozen=True, kw_only=True)
class Stacks:
    """The stack that things happen to, and the one on a Docker host elsewhere."""

    near: ProjectCopy
    far: ProjectCopy
    tunnel: dict[str, int]
    """Ports of this machine that lead to the far stack's, by configuration key."""


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    """Both stacks, up."""
    names = [f"e2e{uuid.uuid4().hex[:6]}" for _ in range(2)]
    near = ProjectCopy(tmp_path_factory.mktemp("project"), names[0], DERIVED | LIMITS)
    keys = ("hasuraPort", "postgresPort")
    tunnel = dict(zip(keys, free_ports(len(keys)), strict=True))
    with remote_host(tmp_path_factory.mktemp("ssh"), near.environment) as remote:
        config = DERIVED | {
            "docker:host": remote.url,
            "hasuraAdminUrl": f"http://127.0.0.1:{tunnel['hasuraPort']}",
            "postgresAddress": f"127.0.0.1:{tunnel['postgresPort']}",
        }
        far = near.beside(names[1], config, **remote.environment)
        with remote.tunnel({here: derived_port(names[1], key) for key, here in tunnel.items()}):
            try:
                for project in (near, far):
                    project.run("pulumi", "stack", "init", project.stack).ok()
                    project.up().ok()
                insert(near)
                yield Stacks(near=near, far=far, tunnel=tunnel)
            finally:
                for project in (near, far):
                    project.remove()


def insert(project: ProjectCopy) -> None:
    outputs = project.outputs()
    with HasuraClient(outputs["hasuraUrl"], outputs["adminSecret"]) as hasura:
        hasura.run_sql(f"insert into users (id) select 'kept' || n from generate_series(1, {ROWS}) n")


def rows(project: ProjectCopy) -> int:
    outputs = project.outputs()
    with HasuraClient(outputs["hasuraUrl"], outputs["adminSecret"]) as hasura:
        [[count]] = hasura.run_sql("select count(*) from users where id like 'kept%'").rows
    return int(count)


def container(project: ProjectCopy, part: str) -> str:
    return f"clerk-hasura-{project.stack}-{part}"


def inspected(project: ProjectCopy, part: str) -> dict[str, dict[str, object]]:
    [found] = json.loads(docker("inspect", container(project, part)))
    return found


def test_ports_and_names_follow_from_the_name_of_the_stack(stacks: Stacks) -> None:
    assert (
        stacks.near.outputs()["hasuraUrl"]
        == f"http://127.0.0.1:{derived_port(stacks.near.stack, 'hasuraPort')}"
    )
    assert stacks.near.left() and stacks.far.left()
    assert not set(stacks.near.left()) & set(stacks.far.left())
    for project in (stacks.near, stacks.far):
        for part, key, internal in (
            ("hasura", "hasuraPort", "8080/tcp"),
            ("postgres", "postgresPort", "5432/tcp"),
            ("clerk", "localClerkPort", "9500/tcp"),
        ):
            bindings = inspected(project, part)["HostConfig"]["PortBindings"]
            assert bindings == {
                internal: [{"HostIp": "127.0.0.1", "HostPort": str(derived_port(project.stack, key))}]
            }


def test_each_has_secrets_of_its_own(stacks: Stacks) -> None:
    near, far = stacks.near.outputs(), stacks.far.outputs()
    query = {"query": "{ users_aggregate { aggregate { count } } }"}
    for own, other in ((near, far), (far, near)):
        for secret, is_right in ((own["adminSecret"], True), (other["adminSecret"], False)):
            answer = httpx.post(
                own["graphqlUrl"], json=query, headers={"x-hasura-admin-secret": secret}
            ).json()
            assert ("data" in answer) is is_right, answer
    assert rows(stacks.near) == ROWS
    assert rows(stacks.far) == 0


def test_a_docker_host_elsewhere_is_reached_by_the_tunnel_only(stacks: Stacks) -> None:
    outputs = stacks.far.outputs()
    assert outputs["hasuraUrl"] == f"http://127.0.0.1:{stacks.tunnel['hasuraPort']}"
    with psycopg.connect(outputs["databaseUrl"]) as connection:
        assert connection.info.port == stacks.tunnel["postgresPort"]
    stacks.far.pulumi("refresh", "--yes").ok()
    stacks.far.pulumi("preview", "--expect-no-changes").ok()
    gone = stacks.far.pulumi("preview", PATH=stacks.near.environment["PATH"]).failed()
    assert "Docker does not answer" in gone


@pytest.mark.parametrize("part", PARTS)
def test_every_container_is_closed_in(stacks: Stacks, part: str) -> None:
    found = inspected(stacks.near, part)
    host, config = found["HostConfig"], found["Config"]
    limits = {"hasura": (1024, 1.5), "postgres": (300, 0.5), "clerk": (256, 0)}
    memory, cpus = limits[part]
    seen = {
        name: host[name]
        for name in (
            "CapAdd",
            "CapDrop",
            "Privileged",
            "ReadonlyRootfs",
            "SecurityOpt",
            "Memory",
            "MemorySwap",
            "NanoCpus",
            "PidsLimit",
            "RestartPolicy",
            "LogConfig",
        )
    }
    assert seen == {
        "CapAdd": None,
        "CapDrop": ["ALL"],
        "Privileged": False,
        "ReadonlyRootfs": True,
        "SecurityOpt": ["no-new-privileges:true"],
        "Memory": memory * 1024**2,
        "MemorySwap": memory * 1024**2,
        "NanoCpus": int(cpus * 10**9),
        "PidsLimit": 300,
        "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
        "LogConfig": {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}},
    }
    assert str(config["User"]).partition(":")[0] not in ("", "0", "root")
    status = docker("exec", container(stacks.near, part), "cat", "/proc/1/status")
    kernel = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in kernel["Uid"].split()
    assert {kernel[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert kernel["NoNewPrivs"] == "1"
    assert "Read-only file system" in refused(stacks.near, part, "touch", "/x")


def refused(project: ProjectCopy, part: str, *command: str) -> str:
    answer = subprocess.run(
        ["docker", "exec", container(project, part), *command], capture_output=True, text=True, check=False
    )
    assert answer.returncode != 0
    return answer.stderr


def test_no_secret_that_is_in_force_is_shown_by_docker_inspect_of_postgres(stacks: Stacks) -> None:
    outputs = stacks.near.outputs()
    shown = json.dumps(inspected(stacks.near, "postgres"))
    name = container(stacks.near, "postgres")
    first = docker("exec", name, "cat", "/etc/clerk-hasura/superuser-password")
    password = outputs["databaseUrl"].split(":")[2].split("@")[0]
    assert len(first) > 20 and len(password) > 20
    for secret in (first, password, outputs["adminSecret"]):
        assert secret not in shown
    port = derived_port(stacks.near.stack, "postgresPort")
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(f"postgresql://postgres:{first}@127.0.0.1:{port}/postgres")


def test_postgres_is_tuned_to_its_size_and_its_roles_are_apart(stacks: Stacks) -> None:
    with psycopg.connect(stacks.near.outputs()["databaseUrl"], autocommit=True) as connection:

        def show(name: str) -> object:
            row = connection.execute(f"show {name}").fetchone()
            return row[0] if row else None

        assert (show("shared_buffers"), show("work_mem"), show("data_checksums")) == ("75MB", "1MB", "on")
        row = connection.execute(
            "select current_user, session_user, r.rolsuper, pg_get_userbyid(d.datdba), o.rolcanlogin"
            " from pg_roles r, pg_database d, pg_roles o"
            " where r.rolname = session_user and d.datname = current_database() and o.oid = d.datdba"
        ).fetchone()
        assert row == ("hasura", "hasura_e3b0c442", False, "hasura_owner", False)
        for database in ("app", "hasura_metadata"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"drop database {database}")


def test_a_limit_that_was_lifted_is_the_only_drift_and_comes_back(stacks: Stacks) -> None:
    near = stacks.near
    docker("container", "update", "--pids-limit", "-1", container(near, "hasura"))
    near.pulumi("refresh", "--yes").ok()
    drift = near.pulumi("preview", "--diff").ok()
    assert "hasura-pids-limit" in drift and "1 to update" in drift, drift
    near.up().ok()
    assert inspected(near, "hasura")["HostConfig"]["PidsLimit"] == 300
    near.pulumi("preview", "--expect-no-changes").ok()


@pytest.mark.parametrize(
    "moment",
    [
        # The superuser's password is another by then, and the state may or may not know it.
        ":SuperuserPassword superuser updating",
        # The old engine is gone. The new one may exist already, without the state knowing of it.
        ":Container hasura creating",
    ],
)
def test_a_rotation_that_is_killed_goes_on(stacks: Stacks, moment: str) -> None:
    near = stacks.near
    before = near.outputs()
    word = f"after-{moment.rsplit(maxsplit=1)[-1]}"
    near.pulumi("config", "set", "--plaintext", "secretsRotation", word).ok()
    killed_at(near, moment)
    near.pulumi("cancel", "--yes").ok()
    near.up().ok()
    near.pulumi("preview", "--expect-no-changes").ok()
    after = near.outputs()
    assert before["adminSecret"] != after["adminSecret"]
    assert before["databaseUrl"] != after["databaseUrl"]
    assert rows(near) == ROWS
    old = {"x-hasura-admin-secret": before["adminSecret"]}
    answer = httpx.post(after["graphqlUrl"], json={"query": "{ __typename }"}, headers=old).json()
    assert answer["errors"][0]["extensions"]["code"] == "access-denied"
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(before["databaseUrl"])
    with psycopg.connect(after["databaseUrl"]) as connection:
        logins = connection.execute(
            "select count(*) from pg_roles where rolcanlogin and rolname like 'hasura%'"
        ).fetchone()
    assert logins == (1,)


def killed_at(project: ProjectCopy, moment: str) -> None:
    """Runs `pulumi up` and kills it when it says that it has come to a moment."""
    command = ("pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--color=never")
    process = subprocess.Popen(
        [*command, "--stack", project.stack],
        cwd=project.folder,
        env=project.environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if moment in line:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL, "".join(said)


def test_the_other_stack_has_noticed_nothing_and_outlives_the_first(stacks: Stacks) -> None:
    started = inspected(stacks.far, "hasura")["State"]["StartedAt"]
    there = stacks.far.left()
    stacks.near.pulumi("destroy", "--yes").ok()
    assert stacks.near.left() == []
    assert stacks.far.left() == there
    assert inspected(stacks.far, "hasura")["State"]["StartedAt"] == started
    assert rows(stacks.far) == 0
    stacks.far.pulumi("destroy", "--yes").ok()
    assert stacks.far.left() == []
