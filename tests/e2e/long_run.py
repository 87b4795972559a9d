"""A long life of a stack in random steps: changes by hand, edits of the program's files, deployments that are killed.

What happens is drawn from a seed. After every `up` that was not killed the command has ended with 0; a check holds the
stack against what the files say, and against the rows and migrations that must be there once.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import yaml
from project_copy import PARTS, ProjectCopy, Run

from components.clerk.answers import JwtTemplateRecord, TemplateContent
from components.clerk.client import ClerkClient
from components.clerk.keys import LOCAL_SECRET_KEY
from components.hasura.client import HasuraClient
from tests.images.containers import docker

TABLE = "hasura_metadata/databases/default/tables/public_users.yaml"
FIRST_VERSION = 1_950_000_000_000
KILLED_WITHIN = 6.0
"""Seconds after its start within which an update is killed."""
CHECK_EVERY = 10
POSTGRES = "--target=**:Container::postgres"
HEALTHY = "--target=**:ContainerHealth::postgres-healthy"
LEDGER = "migration_ledger.migration"


class Away(Exception):
    """What a step would change is not there at the moment: another step is drawn."""


@dataclass
class LongRun:
    """The machine. `log` holds every step in words; the last is the one at which it stopped."""

    project: ProjectCopy
    chance: random.Random
    tell: Callable[[str], None]
    log: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    migrations: list[int] = field(default_factory=list)
    rows: set[str] = field(default_factory=set)
    email: bool = False
    killed: bool = False
    outputs: dict[str, str] = field(default_factory=dict)

    def run(self, steps: int) -> None:
        """So many steps, then the desired state."""
        self.outputs = self.project.outputs()
        made = f"create table ran (version bigint not null);\ninsert into ran (version) values ({FIRST_VERSION});\n"
        self.write(FIRST_VERSION, made)
        weighted = [(step, weight) for step, weight in STEPS]
        done = 0
        while done < steps:
            [(step, _)] = self.chance.choices(weighted, [weight for _, weight in weighted])
            try:
                step(self)
            except Away:
                continue
            done += 1
            name = step.__name__.replace("_", " ")
            self.counts[name] = self.counts.get(name, 0) + 1
            self.log.append(name)
            self.tell(f"{done} of {steps}: {name}")
            if done % CHECK_EVERY == 0:
                self.check()
        self.check()

    # Commands

    def up(self) -> None:
        if self.killed:
            self.project.pulumi("cancel", "--yes").ok()
        if not self.runs("postgres"):
            # As docs/runbooks/containers.md has it: a refresh of everything would ask a Postgres that is not there.
            for arguments in (("refresh", POSTGRES), ("up", "--skip-preview", POSTGRES, HEALTHY)):
                said = self.pulumi(*arguments, "--yes")
                assert said.code == 0, self.told(said)
        said = self.pulumi("up", "--yes", "--skip-preview", "--refresh")
        assert said.code == 0, self.told(said)
        self.killed = False

    def killed_up(self) -> None:
        """Killed -9 at a random moment, with everything that it has started, as an out-of-memory killer does."""
        if self.killed:
            self.project.pulumi("cancel", "--yes").ok()
        process = subprocess.Popen(
            [
                "pulumi",
                "up",
                "--yes",
                "--skip-preview",
                "--refresh",
                "--non-interactive",
                "--stack",
                self.project.stack,
            ],
            cwd=self.project.folder,
            env=self.project.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # The moment is what is random here: this is no wait for a condition.
        time.sleep(self.chance.uniform(0.5, KILLED_WITHIN))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.killed = True

    def refresh(self) -> None:
        if self.killed or not self.runs("postgres"):
            raise Away
        said = self.pulumi("refresh", "--yes")
        assert said.code == 0, self.told(said)

    def preview(self) -> None:
        said = self.pulumi("preview")
        # What was stopped or taken away by hand may be missed by a preview, in words.
        assert "Traceback" not in said.text, self.told(said)

    def check(self) -> None:
        """The desired state: nothing left to do, a proof that holds, each migration once, every row still there."""
        self.up()
        said = self.pulumi("preview", "--refresh", "--expect-no-changes")
        assert said.code == 0, self.told(said)
        proven = self.project.run("make", "prove")
        assert proven.code == 0, self.told(proven)
        assert self.sql(
            f"select version::bigint from {LEDGER} where version >= {FIRST_VERSION} order by 1"
        ) == [(version,) for version in self.migrations]
        assert self.sql("select version, count(*)::int from ran group by 1 order by 1") == [
            (version, 1) for version in self.migrations
        ]
        found = {str(name) for (name,) in self.sql("select id from users where id like 'row%'")}
        assert found == self.rows

    # Edits of the program's files

    def new_migration(self) -> None:
        version = FIRST_VERSION + len(self.migrations)
        slow = self.chance.choice(("", "select pg_sleep(0.5);\n"))
        # What it makes is evidence that it ran, should the catalog state lose it.
        self.write(
            version, f"create table step_{version} ();\n{slow}insert into ran (version) values ({version});\n"
        )

    def write(self, version: int, text: str) -> None:
        folder = self.project.folder / "migrations" / "default" / f"{version}_step"
        folder.mkdir()
        (folder / "up.sql").write_text(text)
        self.migrations.append(version)

    def permission_edited(self) -> None:
        path = self.project.folder / TABLE
        table = yaml.safe_load(path.read_text())
        [permission] = table["select_permissions"]
        columns = permission["permission"]["columns"]
        permission["permission"]["columns"] = (
            ["id", "name"] if "last_seen" in columns else ["id", "last_seen", "name"]
        )
        path.write_text(yaml.safe_dump(table, sort_keys=False))

    def claim_edited(self) -> None:
        self.email = not self.email
        path = "jwtTemplateClaims.email"
        if self.email:
            self.project.pulumi(
                "config", "set", "--path", path, "{{user.primary_email_address || 'none'}}"
            ).ok()
        else:
            self.project.pulumi("config", "rm", "--path", path).ok()

    def lifetime_edited(self) -> None:
        self.project.pulumi("config", "set", "jwtTemplateLifetime", str(self.chance.randint(60, 600))).ok()

    # Changes by hand

    def row_inserted(self) -> None:
        name = f"row{len(self.rows)}"
        self.sql(f"insert into users (id, name) values ('{name}', '{name}')")
        self.rows.add(name)

    def permission_widened(self) -> None:
        def change(metadata: dict[str, Any]) -> None:
            for table in metadata["sources"][0]["tables"]:
                for permission in table.get("select_permissions", ()):
                    permission["permission"]["filter"] = {}

        self.metadata_changed(change)

    def table_untracked(self) -> None:
        self.metadata_changed(lambda metadata: metadata["sources"][0].update(tables=[]))

    def catalog_state_emptied(self) -> None:
        with self.hasura() as hasura:
            hasura.set_catalog_state({})

    def template_edited(self) -> None:
        with self.clerk() as clerk:
            template = self.template(clerk)
            claims = {**template.claims, "extra": "by hand"}
            clerk.update_jwt_template(template.id, _content(template, claims=claims, lifetime=3600))

    def template_renamed(self) -> None:
        with self.clerk() as clerk:
            template = self.template(clerk)
            clerk.update_jwt_template(template.id, _content(template, name=f"renamed{len(self.log)}"))

    def template_deleted(self) -> None:
        with self.clerk() as clerk:
            clerk.delete_jwt_template(self.template(clerk).id)

    def container_stopped(self) -> None:
        docker("stop", self.container(self.chance.choice(PARTS)))

    def container_killed(self) -> None:
        docker("kill", self.container(self.chance.choice(PARTS)))

    def container_removed(self) -> None:
        docker("rm", "--force", self.container(self.chance.choice(PARTS)))

    def engine_restarted(self) -> None:
        docker("restart", self.container("hasura"))

    # Shared

    def pulumi(self, *arguments: str) -> Run:
        return self.project.pulumi(*arguments)

    def told(self, said: Run) -> str:
        return f"after {', '.join(self.log[-30:])}:\n{said.text[-6000:]}"

    def runs(self, part: str) -> bool:
        return docker("inspect", "--format={{.State.Running}}", self.name(part), check=False) == "true"

    def name(self, part: str) -> str:
        return f"clerk-hasura-{self.project.stack}-{part}"

    def container(self, part: str) -> str:
        """Its name, if it runs."""
        if not self.runs(part):
            raise Away
        return self.name(part)

    def sql(self, query: str) -> list[tuple[object, ...]]:
        self.container("postgres")
        try:
            with psycopg.connect(
                self.outputs["databaseUrl"], autocommit=True, connect_timeout=5
            ) as connection:
                cursor = connection.execute(query)  # type: ignore[call-overload]
                return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError:
            raise Away from None

    def hasura(self) -> HasuraClient:
        self.container("postgres")
        self.container("hasura")
        client = HasuraClient(self.outputs["hasuraUrl"], self.outputs["adminSecret"])
        if not client.healthy():
            client.close()
            raise Away
        return client

    def metadata_changed(self, change: Callable[[dict[str, Any]], object]) -> None:
        with self.hasura() as hasura:
            version, metadata = hasura.export_metadata()
            changed = json.loads(json.dumps(metadata))
            change(changed)
            hasura.replace_metadata(changed, version)

    def clerk(self) -> ClerkClient:
        self.container("clerk")
        return ClerkClient(self.outputs["clerkApiUrl"], LOCAL_SECRET_KEY)

    def template(self, clerk: ClerkClient) -> JwtTemplateRecord:
        found = clerk.jwt_templates()
        if not found:
            raise Away
        return self.chance.choice(sorted(found, key=lambda each: each.id))


def _content(template: JwtTemplateRecord, **change: Any) -> TemplateContent:
    kept = {"name": template.name, "claims": template.claims, "lifetime": template.lifetime}
    return TemplateContent(**(kept | {"allowed_clock_skew": template.allowed_clock_skew} | change))


STEPS: tuple[tuple[Callable[[LongRun], None], int], ...] = (
    (LongRun.up, 6),
    (LongRun.killed_up, 5),
    (LongRun.refresh, 2),
    (LongRun.preview, 1),
    (LongRun.new_migration, 6),
    (LongRun.permission_edited, 3),
    (LongRun.claim_edited, 2),
    (LongRun.lifetime_edited, 2),
    (LongRun.row_inserted, 3),
    (LongRun.permission_widened, 3),
    (LongRun.table_untracked, 2),
    (LongRun.catalog_state_emptied, 2),
    (LongRun.template_edited, 2),
    (LongRun.template_renamed, 2),
    (LongRun.template_deleted, 2),
    (LongRun.container_stopped, 3),
    (LongRun.container_killed, 3),
    (LongRun.container_removed, 3),
    (LongRun.engine_restarted, 2),
)
"""Every step, with how often it is drawn beside the others."""
