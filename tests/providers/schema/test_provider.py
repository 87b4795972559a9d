"""The two dynamic providers: called as Pulumi calls them, against a real engine."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.output import Unknown
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from components.hasura.client import HasuraClient
from components.provider_error import UNSEEN
from components.schema import inputs as resource_inputs
from components.schema.directories import read_schema
from components.schema.inputs import MigrationSettings
from components.schema.maintenance import roll_back
from components.schema.plan import NOTHING as NO_PLAN
from components.schema.problems import SchemaError
from components.schema.provider import MetadataProvider, MigrationsProvider
from components.schema.remarks import NOTHING, heard
from components.schema.seeds import checksums, read_seeds
from components.schema.steps import Settings
from tests.providers.schema.conftest import ADMIN_SECRET, ROOT, Engine, Project

TABLES = "databases/default/tables/tables.yaml"
USERS_SQL = "create table users (id text primary key, name text);\n"
USERS = """\
- table:
    schema: public
    name: users
  select_permissions:
    - role: user
      permission:
        columns: [id, name]
        filter: {id: {_eq: X-Hasura-User-Id}}
"""
NOBODY = "http://127.0.0.1:1"
NO_ANSWER = f"{NOBODY} does not answer: [Errno 111] Connection refused"


def migration_inputs(
    endpoint: object, secret: object = ADMIN_SECRET, **settings: object
) -> dict[str, object]:
    how: MigrationSettings = {"stack": "test", **settings}  # type: ignore[typeddict-item]
    return resource_inputs.migration_inputs(
        read_schema(), endpoint=endpoint, admin_secret=secret, settings=how
    )


def metadata_inputs(endpoint: object, secret: object = ADMIN_SECRET) -> dict[str, object]:
    return resource_inputs.metadata_inputs(read_schema(), endpoint=endpoint, admin_secret=secret)


def reasons(
    provider: MigrationsProvider | MetadataProvider, news: dict, olds: dict | None = None
) -> list[str]:
    return [failure.reason for failure in provider.check(olds or {}, news).failures]


class TestMigrations:
    def test_create_then_read_gives_the_inputs_back(self, engine: Engine, project: Project) -> None:
        project.migration("0001_users", USERS_SQL)
        provider, inputs = MigrationsProvider(), migration_inputs(engine.endpoint)
        checked = provider.check({}, dict(inputs))
        assert checked.failures == []
        assert checked.inputs == {**inputs, "plan": "default: apply 0001_users"}
        created = provider.create({**checked.inputs, "__provider": "x"})
        assert created.outs == inputs
        read = provider.read("migrations", {**inputs, "__provider": "x"})
        assert (read.id, read.outs, read.inputs) == ("migrations", inputs, inputs)

    def test_thousands_are_not_told_one_by_one(
        self, engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for number in range(130):
            project.migration(f"{number}_m", f"select {number};")
        MigrationsProvider().create(migration_inputs(engine.endpoint))
        told = capsys.readouterr().err.splitlines()
        assert len(told) == 101
        assert told[-1] == "... and 30 more, the last: applied default/129_m"

    def test_nothing_there_is_absence(self, engine: Engine, project: Project) -> None:
        project.migration("1_users", USERS_SQL)
        read = MigrationsProvider().read("migrations", migration_inputs(engine.endpoint))
        assert (read.id, read.outs) == ("", {})

    def test_what_was_taken_back_by_hand_is_a_change_without_a_refresh(
        self, engine: Engine, project: Project
    ) -> None:
        project.migration("1_users", USERS_SQL, "drop table users;")
        provider, inputs = MigrationsProvider(), migration_inputs(engine.endpoint)
        provider.create(dict(inputs))
        checked = provider.check(inputs, dict(inputs)).inputs
        assert provider.diff("migrations", inputs, checked).changes is False
        with engine.client() as client:
            roll_back(client, "default", 1, Settings())
        checked = provider.check(inputs, dict(inputs)).inputs
        assert checked["plan"] == "default: apply 1_users"
        assert provider.diff("migrations", inputs, checked).changes is True
        outputs = provider.update("migrations", inputs, checked).outs
        assert outputs == inputs
        assert engine.rows("select to_regclass('users')::text") == [("users",)]

    def test_another_way_of_applying_is_no_change(self, engine: Engine, project: Project) -> None:
        project.migration("1_users", USERS_SQL)
        provider, inputs = MigrationsProvider(), migration_inputs(engine.endpoint)
        provider.create(dict(inputs))
        news = migration_inputs(engine.endpoint, lock_timeout=9, rehearse=True)
        assert provider.diff("migrations", inputs, provider.check(inputs, news).inputs).changes is False
        assert provider.diff("migrations", inputs, {**news, "admin_secret": Unknown()}).changes is True

    def test_update_applies_what_is_new_and_delete_keeps_all(self, engine: Engine, project: Project) -> None:
        project.migration("1_users", USERS_SQL)
        provider, first = MigrationsProvider(), migration_inputs(engine.endpoint)
        provider.create(first)
        project.migration("2_b", "create table b ();")
        second = migration_inputs(engine.endpoint)
        assert provider.update("migrations", first, second).outs == second
        provider.delete("migrations", second)
        assert engine.rows("select count(*) from migration_ledger.migration") == [(2,)]
        assert engine.rows("select to_regclass('b')::text") == [("b",)]

    def test_read_tells_what_is_lost_and_update_repairs(self, engine: Engine, project: Project) -> None:
        project.migration("1_users", USERS_SQL)
        provider, inputs = MigrationsProvider(), migration_inputs(engine.endpoint)
        provider.create(inputs)
        with engine.client() as client:
            client.set_catalog_state({})
        read = provider.read("migrations", dict(inputs))
        assert read.inputs is not None
        assert read.inputs["catalog_state"] == "default lacks 1"
        assert read.inputs["migrations"] == inputs["migrations"]
        provider.update("migrations", read.inputs, inputs)
        read = provider.read("migrations", dict(inputs))
        assert read.inputs == inputs

    def test_read_counts_what_the_hasura_cli_applied(self, engine: Engine, project: Project) -> None:
        project.migration("1_users", USERS_SQL)
        first = migration_inputs(engine.endpoint)
        provider = MigrationsProvider()
        provider.create(first)
        project.migration("2_b", "create table b ();")
        engine.rows("create table b ()")
        with engine.client() as client:
            client.set_catalog_state({"migrations": {"default": {"1": False, "2": False, "3": False}}})
        read = provider.read("migrations", dict(first))
        assert read.inputs is not None
        assert read.inputs["migrations"] == {
            "default": {
                **migration_inputs(engine.endpoint)["migrations"]["default"],  # type: ignore[index]
                "3_": "applied by the Hasura CLI",
            }
        }

    def test_previews_and_refreshes_ask_and_never_tell(
        self, engine: Engine, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project.migration("1_users", USERS_SQL, "drop table users;")
        provider, olds = MigrationsProvider(), migration_inputs(engine.endpoint)
        provider.create(olds)
        project.migration("2_b", "drop table users; create table b ();")
        sent: set[str] = set()

        class Watching(httpx.HTTPTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                body = json.loads(request.read())
                sent.add(body["type"] + (" read_only" if body["args"].get("read_only") else ""))
                return super().handle_request(request)

        monkeypatch.setattr(
            "components.schema.provider._client",
            lambda props, **_: HasuraClient(str(props["endpoint"]), ADMIN_SECRET, transport=Watching()),
        )
        news = migration_inputs(engine.endpoint, rollback="down", lint="warn", backup="dumps")
        assert reasons(provider, news, olds) == []
        provider.read("migrations", dict(olds))
        metadata = metadata_inputs(engine.endpoint)
        assert reasons(MetadataProvider(), metadata) == []
        MetadataProvider().read("metadata", dict(metadata))
        asked = {"run_sql read_only", "get_catalog_state", "export_metadata", "get_inconsistent_metadata"}
        assert sent == asked
        assert not (project.root / "dumps").exists()

    def test_history_is_refused_in_preview(self, engine: Engine, project: Project) -> None:
        project.migration("1_users", USERS_SQL)
        provider, olds = MigrationsProvider(), migration_inputs(engine.endpoint)
        provider.create(olds)
        project.migration("1_users", USERS_SQL + "-- edited")
        news = migration_inputs(engine.endpoint)
        assert "1_users/up.sql: was changed after it ran" in reasons(provider, news, olds)[0]
        with pytest.raises(SchemaError, match="was changed after it ran"):
            provider.update("migrations", olds, news)

    def test_bad_sql_is_refused_in_preview(self, engine: Engine, project: Project) -> None:
        project.migration("1_users", "begin;")
        expected = "migrations/default/1_users/up.sql:1: transaction control (BEGIN)"
        for endpoint in (engine.endpoint, NOBODY, Unknown()):
            assert expected in reasons(MigrationsProvider(), migration_inputs(endpoint))[0]

    @pytest.mark.parametrize("endpoint", [NOBODY, Unknown()])
    def test_silent_before_the_engine_is_there(self, project: Project, endpoint: object) -> None:
        project.migration("1_users", USERS_SQL)
        assert reasons(MigrationsProvider(), migration_inputs(endpoint)) == []
        assert reasons(MigrationsProvider(), migration_inputs(NOBODY, secret=Unknown())) == []

    def test_old_secret_holds_while_it_changes(self, engine: Engine, project: Project) -> None:
        project.migration("1_users", USERS_SQL)
        provider, olds = MigrationsProvider(), migration_inputs(engine.endpoint)
        provider.create(olds)
        project.migration("1_users", USERS_SQL + "-- edited")
        for secret in (Unknown(), "another"):
            news = migration_inputs(engine.endpoint, secret)
            assert "was changed after it ran" in reasons(provider, news, olds)[0]

    def test_a_source_whose_folder_is_gone(self, engine: Engine, project: Project) -> None:
        """Git keeps no empty folders: an older commit may not have it."""
        project.migration("1_users", USERS_SQL, "drop table users;")
        provider, olds = MigrationsProvider(), migration_inputs(engine.endpoint)
        provider.create(olds)
        shutil.rmtree(project.root / "migrations" / "default")
        news = migration_inputs(engine.endpoint)
        assert "migrations/default/1_users: ran (" in reasons(provider, news, olds)[0]
        with pytest.raises(SchemaError, match="migrations/default/1_users: ran"):
            provider.update("migrations", olds, news)
        back = migration_inputs(engine.endpoint, rollback="down")
        assert provider.check(olds, dict(back)).inputs["plan"] == "default: roll back 1_users"
        outs = provider.update("migrations", olds, back).outs
        assert engine.rows("select to_regclass('users')") == [(None,)]
        assert provider.check(outs, dict(back)).inputs["plan"] == NO_PLAN

    def test_a_source_that_is_given_up_as_a_whole(self, engine: Engine, project: Project) -> None:
        """Gone from the metadata as well: its database is left as it is."""
        project.migration("1_users", USERS_SQL)
        provider, olds = MigrationsProvider(), migration_inputs(engine.endpoint)
        provider.create(olds)
        shutil.rmtree(project.root / "migrations" / "default")
        project.metadata("databases/databases.yaml", "[]\n")
        (project.root / "hasura_metadata/databases/default/tables/tables.yaml").unlink()
        news = migration_inputs(engine.endpoint)
        assert reasons(provider, news, olds) == []
        provider.update("migrations", olds, news)
        assert engine.rows("select to_regclass('users')::text") == [("users",)]

    def test_files_that_change_meanwhile(self, engine: Engine, project: Project) -> None:
        project.migration("1_users", USERS_SQL)
        inputs = migration_inputs(engine.endpoint)
        project.migration("1_users", "select 1;")
        assert "changed while Pulumi was at work" in reasons(MigrationsProvider(), inputs)[0]
        with pytest.raises(SchemaError, match="changed while Pulumi was at work"):
            MigrationsProvider().create(inputs)
        assert engine.rows("select to_regclass('users')") == [(None,)]

    def test_read_without_an_engine_keeps_what_is_known_and_looks_in_the_next_update(
        self, engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project.migration("1_users", USERS_SQL)
        provider, inputs = MigrationsProvider(), migration_inputs(engine.endpoint)
        provider.create(inputs)
        with engine.client() as client:
            client.set_catalog_state({})
        read = provider.read("migrations", migration_inputs(NOBODY))
        assert (read.id, read.outs) == ("migrations", read.inputs)
        assert read.inputs == {**migration_inputs(NOBODY), UNSEEN: NO_ANSWER}
        assert f"not refreshed: migrations: {NO_ANSWER}" in capsys.readouterr().err
        olds = {**inputs, UNSEEN: "whatever"}
        assert provider.diff("migrations", olds, inputs).changes
        outs = provider.update("migrations", olds, inputs).outs
        assert outs == inputs and not provider.diff("migrations", outs, inputs).changes
        with engine.client() as client:
            assert client.get_catalog_state()["migrations"] == {"default": {"1": False}}
        assert provider.read("migrations", olds).inputs == inputs

    def test_rehearsal_in_preview(
        self, engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project.migration("1_users", USERS_SQL)
        inputs = migration_inputs(engine.endpoint, rehearse=True)
        assert reasons(MigrationsProvider(), inputs) == []
        assert "default: rehearsed, would succeed: 1_users" in capsys.readouterr().err
        project.migration("2_bad", "select 1;\nselect * from nowhere;")
        inputs = migration_inputs(engine.endpoint, rehearse=True)
        assert '2_bad/up.sql:2: would fail: relation "nowhere"' in reasons(MigrationsProvider(), inputs)[0]
        assert engine.rows("select to_regclass('users')") == [(None,)]
        assert reasons(MigrationsProvider(), {**inputs, "settings": {}}) == []

    def test_lint_of_what_is_pending(
        self, engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project.migration("1_users", USERS_SQL + "create index users_name on users (name);")
        MigrationsProvider().create(migration_inputs(engine.endpoint))
        project.migration("2_more", "select 1;\nalter table users drop column name;")
        news = migration_inputs(engine.endpoint, lint="warn")
        assert reasons(MigrationsProvider(), news) == []
        told = capsys.readouterr().err
        assert "warning: migrations/default/2_more/up.sql:2: " in told
        assert "(ban-drop-column)" in told
        assert "1_users" not in told.replace("applied default/1_users", "")
        news = migration_inputs(engine.endpoint, lint="error")
        assert "(ban-drop-column)" in reasons(MigrationsProvider(), news)[0]
        assert reasons(MigrationsProvider(), migration_inputs(engine.endpoint, lint="off")) == []
        assert "warning" not in capsys.readouterr().err

    def test_lint_without_the_linter_is_no_clean_bill(
        self, engine: Engine, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project.migration("1_users", USERS_SQL)
        monkeypatch.setattr("components.schema.lint.program", lambda: None)
        news = migration_inputs(engine.endpoint, lint="error")
        assert "squawk is not installed" in reasons(MigrationsProvider(), news)[0]

    def test_a_dump_that_is_due_and_an_engine_that_is_away_are_told_in_preview(
        self, engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project.migration("1_users", USERS_SQL)
        inputs = migration_inputs(engine.endpoint, backup="dumps")
        MigrationsProvider().create(inputs)
        project.migration("2_drop", "drop table users;")
        news = migration_inputs(engine.endpoint, backup="dumps")
        assert reasons(MigrationsProvider(), news) == []
        due = "a dump of default is due before migrations/default/2_drop/up.sql:1: drop table users"
        assert due in capsys.readouterr().err
        assert (
            reasons(MigrationsProvider(), {**news, "endpoint": NOBODY}, {**inputs, "endpoint": NOBODY}) == []
        )
        assert "the history of migrations was not checked" in capsys.readouterr().err
        assert reasons(MigrationsProvider(), {**news, "endpoint": NOBODY}) == []
        assert "not checked" not in capsys.readouterr().err, "there is no history before the first deployment"

    def test_roll_back_is_shown_in_preview(
        self, engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project.migration("1_users", USERS_SQL)
        folders = [project.migration(f"{n}_t", f"create table t{n} ();", f"drop table t{n};") for n in (2, 3)]
        olds = migration_inputs(engine.endpoint)
        MigrationsProvider().create(olds)
        for folder in folders:
            shutil.rmtree(folder)
        news = migration_inputs(engine.endpoint, rollback="down")
        assert reasons(MigrationsProvider(), news, olds) == []
        told = [remark for line in capsys.readouterr().err.splitlines() if (remark := heard(line))]
        assert [(r.kind, r.source, r.keys, r.sql) for r in told] == [
            ("roll back", "default", ("3_t",), "drop table t3;"),
            ("roll back", "default", ("2_t",), "drop table t2;"),
        ]

    def test_what_would_run_and_be_taken_over_is_told(
        self, engine: Engine, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project.migration("1_users", USERS_SQL)
        news = migration_inputs(engine.endpoint)
        assert reasons(MigrationsProvider(), news) == []
        [remark] = [found for line in capsys.readouterr().err.splitlines() if (found := heard(line))]
        assert (remark.kind, remark.source, remark.keys) == ("run", "default", ("1_users",))
        taken = migration_inputs(engine.endpoint, baseline={"default": 1})
        assert reasons(MigrationsProvider(), taken) == []
        [remark] = [found for line in capsys.readouterr().err.splitlines() if (found := heard(line))]
        assert (remark.kind, remark.keys) == ("baseline", ("1_users",))
        MigrationsProvider().create(news)
        capsys.readouterr()
        assert reasons(MigrationsProvider(), news) == []
        assert [heard(line) for line in capsys.readouterr().err.splitlines()] == [NOTHING]
        assert reasons(MigrationsProvider(), news, news) == []
        assert capsys.readouterr().err == ""

    def test_seeds(self, engine: Engine, project: Project) -> None:
        project.migration("1_users", USERS_SQL)
        provider = MigrationsProvider()

        def inputs() -> dict[str, object]:
            found = checksums(read_seeds(Path("seeds"), shown_as="seeds"))
            return {**migration_inputs(engine.endpoint), "seeds_directory": "seeds", "seeds": found}

        folder = project.root / "seeds" / "default"
        folder.mkdir(parents=True)
        (folder / "a.sql").write_text("insert into users values ('a', 'A');")
        (folder / "b.sql").write_text(
            "insert into users values ('b', (select name from users where id = 'a'));"
        )
        first = inputs()
        provider.create(first)
        assert engine.rows("select id, name from users order by 1") == [("a", "A"), ("b", "A")]
        assert provider.read("migrations", dict(first)).inputs == first
        provider.update("migrations", first, first)
        (folder / "a.sql").write_text("update users set name = 'B' where id = 'a';")
        second = inputs()
        provider.update("migrations", first, second)
        assert engine.rows("select id, name from users order by 1") == [("a", "B"), ("b", "A")]
        (folder / "c.sql").write_text("select 1;")
        provider.update("migrations", second, inputs())
        (folder / "c.sql").unlink()
        provider.update("migrations", second, second)
        assert provider.read("migrations", dict(second)).inputs == second, "a seed less is no drift for ever"
        (folder / "b.sql").write_text("select 1;\nselect 1/0;")
        with pytest.raises(SchemaError, match=r"seeds/default/b.sql:2: division by zero"):
            provider.update("migrations", second, inputs())
        (folder / "b.sql").write_text("commit;")
        assert "seeds/default/b.sql:1: transaction control" in reasons(provider, inputs())[0]


class TestMetadata:
    @pytest.fixture(autouse=True)
    def _users(self, engine: Engine, project: Project) -> None:
        engine.rows(USERS_SQL)
        project.metadata(TABLES, USERS)

    def test_create_then_read_gives_the_inputs_back(self, engine: Engine) -> None:
        provider, inputs = MetadataProvider(), metadata_inputs(engine.endpoint)
        assert reasons(provider, inputs) == []
        assert provider.create({**inputs, "__provider": "x"}).outs == inputs
        read = provider.read("metadata", {**inputs, "__provider": "x"})
        assert (read.id, read.outs, read.inputs) == ("metadata", inputs, inputs)

    def test_same_again_changes_nothing(self, engine: Engine) -> None:
        provider, inputs = MetadataProvider(), metadata_inputs(engine.endpoint)
        provider.create(inputs)
        with engine.client() as client:
            before = client.export_metadata()[1]
            provider.update("metadata", inputs, inputs)
            assert client.export_metadata()[1] == before

    def test_drift_is_found_and_repaired(self, engine: Engine) -> None:
        provider, inputs = MetadataProvider(), metadata_inputs(engine.endpoint)
        provider.create(inputs)
        _change_by_hand(engine, role="anonymous")
        read = provider.read("metadata", dict(inputs))
        assert read.inputs is not None
        found = read.inputs["metadata"]["sources"]["default"]["tables"]["public.users"]["select_permissions"]
        assert set(found) == {"user", "anonymous"}
        provider.update("metadata", read.inputs, inputs)
        read = provider.read("metadata", dict(inputs))
        assert read.inputs == inputs

    def test_what_the_preview_did_not_show_is_not_overwritten(self, engine: Engine, project: Project) -> None:
        provider, olds = MetadataProvider(), metadata_inputs(engine.endpoint)
        provider.create(olds)
        _change_by_hand(engine, role="anonymous")
        project.metadata(TABLES, USERS.replace("[id, name]", "[id]"))
        with pytest.raises(SchemaError) as caught:
            provider.update("metadata", olds, metadata_inputs(engine.endpoint))
        text = str(caught.value)
        assert "role `anonymous` on `users`: may now read" in text
        assert "pulumi up --refresh" in text
        with engine.client() as client:
            assert "anonymous" in str(client.export_metadata()[1])

    def test_what_a_refresh_could_not_see_is_told_and_brought_in_line(
        self, engine: Engine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With its twin: what it did see is not overwritten, should somebody change it afterwards."""
        provider, inputs = MetadataProvider(), metadata_inputs(engine.endpoint)
        provider.create(inputs)
        read = provider.read("metadata", metadata_inputs(NOBODY))
        assert read.inputs == read.outs == {**metadata_inputs(NOBODY), UNSEEN: NO_ANSWER}
        assert f"not refreshed: metadata: {NO_ANSWER}" in capsys.readouterr().err
        _change_by_hand(engine, role="visitor")
        with pytest.raises(SchemaError, match="somebody changed what the preview did not show"):
            provider.update("metadata", inputs, inputs)
        olds = {**inputs, UNSEEN: "whatever"}
        assert not provider.check(olds, dict(inputs)).failures
        told = capsys.readouterr().err
        assert f"{engine.endpoint} has metadata that the refresh could not see, which is replaced: " in told
        assert "visitor" in told
        assert provider.update("metadata", olds, inputs).outs == inputs
        assert "visitor" in capsys.readouterr().err
        assert provider.read("metadata", olds).inputs == inputs

    def test_an_engine_on_its_first_day_has_nothing_to_lose(self, engine: Engine) -> None:
        provider, inputs = MetadataProvider(), metadata_inputs(engine.endpoint)
        provider.create(inputs)
        engine.reset()
        engine.rows(USERS_SQL)
        provider.update("metadata", inputs, inputs)
        assert provider.read("metadata", dict(inputs)).inputs == inputs

    def test_what_an_engine_holds_already_is_told_before_it_is_replaced(
        self, engine: Engine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        provider, inputs = MetadataProvider(), metadata_inputs(engine.endpoint)
        assert reasons(provider, inputs) == [] and capsys.readouterr().err == ""
        provider.create(dict(inputs))
        capsys.readouterr()
        assert reasons(provider, inputs) == []
        assert (
            f"{engine.endpoint} has all of it already, so the API stays what it is" in capsys.readouterr().err
        )
        _change_by_hand(engine, role="auditor")
        assert reasons(provider, inputs) == []
        assert "has metadata of its own, which is replaced: " in (told := capsys.readouterr().err)
        assert "`auditor`" in told and ADMIN_SECRET not in told
        assert reasons(provider, inputs, olds=inputs) == [] and capsys.readouterr().err == ""

    def test_another_engine_is_not_the_one_that_was_seen(self, engine: Engine, project: Project) -> None:
        provider, inputs = MetadataProvider(), metadata_inputs(engine.endpoint)
        provider.create(inputs)
        _change_by_hand(engine, role="anonymous")
        provider.update("metadata", {**inputs, "endpoint": NOBODY}, inputs)
        assert provider.read("metadata", dict(inputs)).inputs == inputs

    def test_somebody_writes_between_read_and_replace(
        self, engine: Engine, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider, olds = MetadataProvider(), metadata_inputs(engine.endpoint)
        provider.create(olds)
        project.metadata(TABLES, USERS.replace("[id, name]", "[id]"))
        news = metadata_inputs(engine.endpoint)
        replace, tries = HasuraClient.replace_metadata, []

        def racing(self: HasuraClient, *args: object, **kwargs: object) -> object:
            tries.append(args)
            if len(tries) == 1:
                with engine.client() as other:
                    other.reload_metadata()
            return replace(self, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(HasuraClient, "replace_metadata", racing)
        provider.update("metadata", olds, news)
        monkeypatch.undo()
        assert len(tries) == 2
        assert provider.read("metadata", dict(news)).inputs == news

    def test_somebody_changes_something_else_in_between(
        self, engine: Engine, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider, olds = MetadataProvider(), metadata_inputs(engine.endpoint)
        provider.create(olds)
        project.metadata(TABLES, USERS.replace("[id, name]", "[id]"))
        replace, tries = HasuraClient.replace_metadata, []

        def racing(self: HasuraClient, *args: object, **kwargs: object) -> object:
            tries.append(args)
            if len(tries) == 1:
                monkeypatch.undo()
                _change_by_hand(engine, role="anonymous")
            return replace(self, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(HasuraClient, "replace_metadata", racing)
        with pytest.raises(SchemaError, match="role `anonymous` on `users`: may now read"):
            provider.update("metadata", olds, metadata_inputs(engine.endpoint))
        with engine.client() as client:
            assert "anonymous" in str(client.export_metadata()[1])

    def test_inconsistent_is_refused_with_file_and_line(self, engine: Engine, project: Project) -> None:
        provider, olds = MetadataProvider(), metadata_inputs(engine.endpoint)
        provider.create(olds)
        project.metadata(
            TABLES,
            '- "!include public_users.yaml"\n- table:\n    schema: public\n    name: ghosts\n',
        )
        project.metadata(
            "databases/default/tables/public_users.yaml",
            "table:\n  schema: public\n  name: users\nselect_permissions:\n  - role: user\n    permission:\n"
            "      columns: [id]\n      filter: {}\n  - role: other\n    permission:\n      columns: "
            "[id, nope]\n"
            "      filter: {}\n",
        )
        with pytest.raises(SchemaError) as caught:
            provider.update("metadata", olds, metadata_inputs(engine.endpoint))
        lines = str(caught.value).splitlines()
        assert lines[0] == "metadata does not fit the databases, so the old one stays in force:"
        folder = "hasura_metadata/databases/default/tables"
        assert lines[1].startswith(
            f"  {folder}/public_users.yaml:9: select_permission other in table users in source default: "
        )
        assert 'column "nope" does not exist' in lines[1]
        assert lines[2].startswith(f"  {folder}/tables.yaml:2: table ghosts in source default: no such table")
        assert len(lines) == 3
        assert provider.read("metadata", dict(olds)).inputs == olds

    def test_what_the_engine_cannot_read_is_refused_with_file_and_line(
        self, engine: Engine, project: Project
    ) -> None:
        provider, olds = MetadataProvider(), metadata_inputs(engine.endpoint)
        provider.create(olds)
        project.metadata(TABLES, "- table: a\n" + USERS.replace("{id: {_eq: X-Hasura-User-Id}}", "none"))
        with pytest.raises(SchemaError) as caught:
            provider.update("metadata", olds, metadata_inputs(engine.endpoint))
        lines = str(caught.value).splitlines()
        assert lines[0] == "the engine cannot read the metadata, so the old one stays in force:"
        assert lines[1].startswith("  hasura_metadata/databases/default/tables/tables.yaml:9: ")
        assert "String" in lines[1]
        assert provider.read("metadata", dict(olds)).inputs == olds

    def test_what_no_list_holds_is_not_lost_on_the_way(self, engine: Engine, project: Project) -> None:
        """A text where an object should stand reaches the engine, which refuses it."""
        project.metadata("actions.yaml", "actions: [go]\ncustom_types: {}\n")
        with pytest.raises(SchemaError, match=r"hasura_metadata/actions.yaml:1: .*expected"):
            MetadataProvider().create(metadata_inputs(engine.endpoint))

    def test_a_database_changed_beneath_it(self, engine: Engine) -> None:
        provider, inputs = MetadataProvider(), metadata_inputs(engine.endpoint)
        provider.create(inputs)
        engine.rows("alter table users drop column name")
        with pytest.raises(SchemaError, match=r'tables.yaml:5: .*column "name" does not exist'):
            provider.update("metadata", inputs, inputs)
        read = provider.read("metadata", dict(inputs))
        assert read.inputs is not None
        assert 'column "name" does not exist' in read.inputs["consistency"]

    def test_dropped_table_stays_in_the_database(self, engine: Engine, project: Project) -> None:
        provider, olds = MetadataProvider(), metadata_inputs(engine.endpoint)
        provider.create(olds)
        project.metadata(TABLES, "[]\n")
        provider.update("metadata", olds, metadata_inputs(engine.endpoint))
        with engine.client() as client:
            assert "users" not in str(client.export_metadata()[1]["sources"])
        assert engine.rows("select to_regclass('users')::text") == [("users",)]

    def test_delete_calls_nobody(self, project: Project) -> None:
        MetadataProvider().delete("metadata", metadata_inputs(NOBODY))

    def test_replica_that_does_not_follow(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("components.schema.provider.CONSISTENT_WITHIN", 0.5)
        inputs = {**metadata_inputs(engine.endpoint), "replicas": [NOBODY]}
        with pytest.raises(SchemaError, match=f"{NOBODY} is not consistent"):
            MetadataProvider().create(inputs)


def _change_by_hand(engine: Engine, *, role: str) -> None:
    with engine.client() as client:
        version, metadata = client.export_metadata()
        table = metadata["sources"][0]["tables"][0]  # type: ignore[index,call-overload]
        table["select_permissions"].append({"role": role, "permission": {"columns": ["id"], "filter": {}}})  # type: ignore[index,call-overload,union-attr]
        client.replace_metadata(metadata, version)


class TestServer:
    """Through Pulumi's own dynamic provider server."""

    @pytest.fixture
    def stub(self, project: Project) -> Iterator[tuple[provider_pb2_grpc.ResourceProviderStub, Path]]:
        log = project.root / "stderr"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-u", "-m", "pulumi.dynamic"],
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=project.root,
                env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            )
            assert process.stdout is not None
            port = int(process.stdout.readline())
            channel = grpc.insecure_channel(f"127.0.0.1:{port}")
            yield provider_pb2_grpc.ResourceProviderStub(channel), log
            channel.close()
            process.terminate()
            process.wait()

    @pytest.mark.parametrize("provider", [MigrationsProvider(), MetadataProvider()])
    def test_provider_is_stored_as_a_reference(self, provider: object) -> None:
        text = serialize_provider(provider)  # type: ignore[arg-type]
        assert len(base64.b64decode(text)) < 120
        assert b"components.schema.provider" in base64.b64decode(text)

    def test_error_without_traceback(
        self, stub: tuple[provider_pb2_grpc.ResourceProviderStub, Path], engine: Engine, project: Project
    ) -> None:
        project.migration("1_bad", "select 1/0;")
        server, log = stub
        inputs = {**migration_inputs(engine.endpoint), "__provider": serialize_provider(MigrationsProvider())}
        properties = asyncio.run(rpc.serialize_properties(inputs, {}))
        with pytest.raises(grpc.RpcError) as caught:
            server.Create(provider_pb2.CreateRequest(urn="urn:x", properties=properties))
        assert caught.value.details() == (  # type: ignore[attr-defined]
            "migrations failed:\n"
            "  migrations/default/1_bad/up.sql:1: division by zero (SQLSTATE 22012)\n"
            "      statement: select 1/0\n"
            "  Done before it: nothing.\n"
            "  Nothing else was run."
        )
        assert "Traceback" not in log.read_text()

    def test_numbers_and_trees_survive_the_wire(
        self, stub: tuple[provider_pb2_grpc.ResourceProviderStub, Path], engine: Engine, project: Project
    ) -> None:
        engine.rows(USERS_SQL)
        project.metadata(TABLES, USERS + "        limit: 10\n        allow_aggregations: true\n")
        server, _ = stub
        inputs = {**metadata_inputs(engine.endpoint), "__provider": serialize_provider(MetadataProvider())}
        properties = asyncio.run(rpc.serialize_properties(inputs, {}))
        checked = server.Check(provider_pb2.CheckRequest(urn="urn:x", news=properties))
        assert [failure.reason for failure in checked.failures] == []
        created = server.Create(provider_pb2.CreateRequest(urn="urn:x", properties=checked.inputs))
        read = server.Read(
            provider_pb2.ReadRequest(urn="urn:x", id=created.id, properties=created.properties)
        )
        assert rpc.deserialize_properties(read.inputs) == rpc.deserialize_properties(properties)
