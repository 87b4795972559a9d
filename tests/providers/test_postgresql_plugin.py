"""The stand-in for the vendor's PostgreSQL plugin, by the protocol that Pulumi's engine speaks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path

import grpc
import psycopg
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from local import images
from local.toolchain.pulumi_resource_postgresql.kinds import KINDS
from local.toolchain.pulumi_resource_postgresql.values import Bag, Properties, Unknown, decode, encode
from tests.images.containers import Container, container, wait_for

pytestmark = pytest.mark.docker
ROOT = Path(__file__).resolve().parents[2]
SUPERUSER_PASSWORD = "superuser-test-only"
TOKENS = {token.rpartition(":")[2]: token for token in KINDS}


class Engine(engine_pb2_grpc.EngineServicer):
    """The part of Pulumi's engine that a plugin calls."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, str]] = []

    def Log(self, request, _context):
        self.messages.append((request.severity, request.message))
        return Empty()


@dataclass
class Plugin:
    """A running plugin, seen as the engine sees it."""

    process: subprocess.Popen[str]
    stub: provider_pb2_grpc.ResourceProviderStub
    engine: Engine

    def urn(self, kind: str, name: str = "it") -> str:
        return f"urn:pulumi:dev::p::clerk-hasura:postgres:PostgresContainer${TOKENS[kind]}::{name}"

    def check(self, kind: str, inputs: Properties, olds: Properties | None = None, **options):
        return self.stub.Check(
            provider_pb2.CheckRequest(
                urn=self.urn(kind), olds=bag(olds or {}), news=bag(inputs), randomSeed=b"seed", **options
            )
        )

    def create(self, kind: str, inputs: Properties, *, preview: bool = False, secret: tuple[str, ...] = ()):
        news = encode(Bag(properties=inputs, secret=frozenset(secret)))
        return self.stub.Create(
            provider_pb2.CreateRequest(urn=self.urn(kind), properties=news, preview=preview)
        )

    def diff(self, kind: str, state: Properties, inputs: Properties, old_inputs: Properties, ignore=()):
        return self.stub.Diff(
            provider_pb2.DiffRequest(
                urn=self.urn(kind),
                id="it",
                olds=bag(state),
                news=bag(inputs),
                old_inputs=bag(old_inputs),
                ignoreChanges=list(ignore),
            )
        )

    def update(self, kind: str, state: Properties, inputs: Properties, *, preview: bool = False):
        return self.stub.Update(
            provider_pb2.UpdateRequest(
                urn=self.urn(kind), id="it", olds=bag(state), news=bag(inputs), preview=preview
            )
        )

    def read(self, kind: str, resource_id: str, state: Properties, inputs: Properties):
        return self.stub.Read(
            provider_pb2.ReadRequest(
                urn=self.urn(kind), id=resource_id, properties=bag(state), inputs=bag(inputs)
            )
        )

    def delete(self, kind: str, state: Properties) -> None:
        self.stub.Delete(provider_pb2.DeleteRequest(urn=self.urn(kind), id="it", properties=bag(state)))

    def configure(self, settings: Properties) -> None:
        self.stub.Configure(provider_pb2.ConfigureRequest(args=bag(settings), acceptSecrets=True))


def bag(properties: Properties):
    return encode(Bag(properties=properties, secret=frozenset({"password"} & properties.keys())))


@dataclass(frozen=True)
class Database:
    """The PostgreSQL server of these tests."""

    container: Container

    @property
    def port(self) -> int:
        return self.container.port(5432)

    def rows(self, query: str, database: str = "postgres", user: str = "postgres", password: str = ""):
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=database,
            user=user,
            password=password or SUPERUSER_PASSWORD,
            autocommit=True,
        ) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def settings(self, **changes: str) -> Properties:
        # As the SDK sends them: everything but strings as JSON in a string.
        return {
            "host": "127.0.0.1",
            "port": str(self.port),
            "username": "postgres",
            "password": SUPERUSER_PASSWORD,
            "sslmode": "disable",
            "superuser": "true",
            "connectTimeout": "15",
            **changes,
        }


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    image = images.build("postgres", progress=print)
    with container(
        image, "--publish", "127.0.0.1::5432", "--env", f"POSTGRES_PASSWORD={SUPERUSER_PASSWORD}"
    ) as running:
        wait_for(running.accepts_tcp, "PostgreSQL answers over TCP")
        yield Database(running)


@pytest.fixture(scope="module")
def engine() -> Iterator[tuple[Engine, str]]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    servicer = Engine()
    engine_pb2_grpc.add_EngineServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"127.0.0.1:{port}"
    server.stop(None)


def start(engine: tuple[Engine, str]) -> Plugin:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "local.toolchain.pulumi_resource_postgresql", engine[1]],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
    )
    port = int(process.stdout.readline())
    stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
    return Plugin(process=process, stub=stub, engine=engine[0])


def end(plugin: Plugin) -> None:
    plugin.process.terminate()
    plugin.process.wait(timeout=30)


@pytest.fixture(scope="module")
def plugin(engine: tuple[Engine, str], database: Database) -> Iterator[Plugin]:
    started = start(engine)
    started.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=engine[1]))
    started.configure(database.settings())
    yield started
    end(started)


def test_the_plugin_says_what_it_is_and_that_it_stands_in(plugin: Plugin) -> None:
    assert plugin.stub.GetPluginInfo(Empty()).version == "3.18.2"
    warnings = [text for severity, text in plugin.engine.messages if severity == engine_pb2.WARNING]
    assert any("STAND-IN PLUGIN" in text for text in warnings)


def test_a_role_lives_from_creation_to_deletion(plugin: Plugin, database: Database) -> None:
    inputs: Properties = {"name": "life", "login": True, "password": "first-pw"}
    created = plugin.create("Role", inputs)
    state = decode(created.properties)
    assert created.id == "life"
    assert state.secret >= {"password"}
    assert state.properties["connectionLimit"] == -1
    assert database.rows("select 1", user="life", password="first-pw") == [(1,)]

    assert (
        plugin.diff("Role", state.properties, inputs, inputs).changes == provider_pb2.DiffResponse.DIFF_NONE
    )

    changed: Properties = {**inputs, "password": "second-pw", "connectionLimit": 7}
    diff = plugin.diff("Role", state.properties, changed, inputs)
    assert set(diff.diffs) == {"password", "connectionLimit"} == set(diff.detailedDiff)
    assert not diff.replaces
    state = decode(plugin.update("Role", state.properties, changed).properties)
    assert state.properties["password"] == "second-pw"
    assert state.properties["connectionLimit"] == 7
    assert database.rows("select 1", user="life", password="second-pw") == [(1,)]
    with pytest.raises(psycopg.OperationalError):
        database.rows("select 1", user="life", password="first-pw")

    plugin.delete("Role", state.properties)
    assert database.rows("select 1 from pg_roles where rolname = 'life'") == []
    assert plugin.read("Role", "life", state.properties, changed).id == ""
    plugin.delete("Role", state.properties)


def test_every_property_of_a_role_is_set_read_and_taken_back(plugin: Plugin, database: Database) -> None:
    database.rows('create role "Group One"')
    database.rows("create role group2")
    inputs: Properties = {
        "name": "every 'quoted\" role",
        "login": True,
        "superuser": True,
        "createDatabase": True,
        "createRole": True,
        "inherit": False,
        "replication": True,
        "bypassRowLevelSecurity": True,
        "connectionLimit": 3,
        "validUntil": "2031-05-06 07:08:09+00",
        "roles": ["group2", "Group One"],
        "searchPaths": ["a b", "public"],
        "statementTimeout": 1234,
        "idleInTransactionSessionTimeout": 4321,
        "assumeRole": "group2",
    }
    state = decode(plugin.create("Role", inputs).properties).properties
    assert plugin.diff("Role", state, inputs, inputs).changes == provider_pb2.DiffResponse.DIFF_NONE
    read = plugin.read("Role", str(inputs["name"]), state, inputs)
    assert decode(read.properties).properties == state
    assert decode(read.inputs).properties == inputs
    assert state["roles"] == ["Group One", "group2"]
    assert state["searchPaths"] == ["a b", "public"]

    bare: Properties = {"name": inputs["name"]}
    diff = plugin.diff("Role", state, bare, inputs)
    assert set(diff.diffs) == inputs.keys() - {"name"}
    state = decode(plugin.update("Role", state, bare).properties).properties
    assert plugin.diff("Role", state, bare, bare).changes == provider_pb2.DiffResponse.DIFF_NONE
    row = database.rows(
        "select rolsuper, rolcanlogin, rolinherit, rolconnlimit, rolconfig, rolvaliduntil::text from pg_roles"
        " where rolname = 'every ''quoted\" role'"
    )
    assert row == [(False, False, True, -1, None, "infinity")]
    plugin.delete("Role", state)


def test_drift_of_a_role_is_read_shown_and_repaired(plugin: Plugin, database: Database) -> None:
    inputs: Properties = {"name": "drifting", "login": True, "password": "drift-pw"}
    state = decode(plugin.create("Role", inputs).properties).properties
    database.rows("alter role drifting nologin createdb")
    read = plugin.read("Role", "drifting", state, inputs)
    state = decode(read.properties)
    assert state.properties["login"] is False
    assert state.properties["password"] == "drift-pw"
    assert state.secret >= {"password"}
    assert decode(read.inputs).properties == {**inputs, "login": False}
    diff = plugin.diff("Role", state.properties, inputs, inputs)
    assert set(diff.diffs) == {"login", "createDatabase"}
    assert not diff.detailedDiff["login"].inputDiff
    plugin.update("Role", state.properties, inputs)
    assert database.rows("select rolcanlogin, rolcreatedb from pg_roles where rolname = 'drifting'") == [
        (True, False)
    ]
    plugin.delete("Role", state.properties)


def test_renames_are_updates(plugin: Plugin, database: Database) -> None:
    role = decode(plugin.create("Role", {"name": "old_role"}).properties).properties
    diff = plugin.diff("Role", role, {"name": "new_role"}, {"name": "old_role"})
    assert (list(diff.diffs), list(diff.replaces)) == (["name"], [])
    role = decode(plugin.update("Role", role, {"name": "new_role"}).properties).properties
    # Pulumi keeps the id of the first name; the state's own name decides.
    assert decode(plugin.read("Role", "old_role", role, {"name": "new_role"}).properties).properties == role
    made = decode(plugin.create("Database", {"name": "old_db", "owner": "new_role"}).properties).properties
    made = decode(plugin.update("Database", made, {"name": "new_db"}).properties).properties
    assert (made["name"], made["owner"]) == ("new_db", "new_role")
    assert database.rows("select datname from pg_database where datname like '%\\_db'") == [("new_db",)]
    plugin.delete("Database", made)
    plugin.delete("Role", role)


def test_a_database_with_its_schema_and_extension(plugin: Plugin, database: Database) -> None:
    owner = decode(plugin.create("Role", {"name": "db_owner"}).properties).properties
    inputs: Properties = {"name": "shop", "owner": "db_owner"}
    created = plugin.create("Database", inputs)
    shop = decode(created.properties).properties
    assert created.id == "shop"
    assert {key: shop[key] for key in ("encoding", "template", "allowConnections", "isTemplate")} == {
        "encoding": "UTF8",
        "template": "template0",
        "allowConnections": True,
        "isTemplate": False,
    }
    assert plugin.diff("Database", shop, inputs, inputs).changes == provider_pb2.DiffResponse.DIFF_NONE
    recoded = plugin.diff("Database", shop, {**inputs, "encoding": "SQL_ASCII"}, inputs)
    assert (list(recoded.replaces), recoded.deleteBeforeReplace) == (["encoding"], True)

    created = plugin.create("Schema", {"name": "stock", "database": "shop", "owner": "db_owner"})
    stock = decode(created.properties).properties
    assert (created.id, stock["owner"], stock["ifNotExists"]) == ("shop.stock", "db_owner", True)

    wanted: Properties = {"name": "pgcrypto", "database": "shop"}
    created = plugin.create("Extension", wanted)
    crypto = decode(created.properties).properties
    assert (created.id, crypto["schema"]) == ("shop.pgcrypto", "public")
    assert crypto["version"]
    assert plugin.diff("Extension", crypto, wanted, wanted).changes == provider_pb2.DiffResponse.DIFF_NONE
    moved: Properties = {**wanted, "schema": "stock"}
    crypto = decode(plugin.update("Extension", crypto, moved).properties).properties
    assert crypto["schema"] == "stock"
    replaced = plugin.diff("Extension", crypto, {**moved, "name": "citext"}, moved)
    assert list(replaced.replaces) == ["name"]

    plugin.delete("Extension", crypto)
    assert plugin.read("Extension", "shop.pgcrypto", crypto, moved).id == ""
    plugin.delete("Schema", stock)
    assert plugin.read("Schema", "shop.stock", stock, {}).id == ""
    database.rows("alter database shop connection limit 5")
    read = decode(plugin.read("Database", "shop", shop, inputs).properties).properties
    assert read["connectionLimit"] == 5
    assert list(plugin.diff("Database", read, inputs, inputs).diffs) == ["connectionLimit"]
    plugin.update("Database", read, inputs)
    with psycopg.connect(
        host="127.0.0.1", port=database.port, dbname="shop", user="postgres", password=SUPERUSER_PASSWORD
    ):
        # A connected engine does not keep its database from being destroyed.
        plugin.delete("Database", shop)
    assert plugin.read("Database", "shop", shop, inputs).id == ""
    assert plugin.read("Extension", "shop.pgcrypto", crypto, moved).id == ""
    plugin.delete("Role", owner)


def test_grants_follow_the_program_and_show_drift(plugin: Plugin, database: Database) -> None:
    database.rows('create role reader; create table t1 (a int, b int); create table "T 2" (a int)')
    inputs: Properties = {
        "database": "postgres",
        "schema": "public",
        "role": "reader",
        "objectType": "table",
        "privileges": ["SELECT", "INSERT"],
    }
    created = plugin.create("Grant", inputs)
    state = decode(created.properties).properties
    assert created.id == "reader_postgres_public_table"
    has = (
        "select has_table_privilege('reader', '{}', 'select'), has_table_privilege('reader', '{}', 'insert')"
    )
    assert database.rows(has.format('public."T 2"', "t1")) == [(True, True)]
    assert plugin.diff("Grant", state, inputs, inputs).changes == provider_pb2.DiffResponse.DIFF_NONE

    fewer: Properties = {**inputs, "privileges": ["SELECT"]}
    state = decode(plugin.update("Grant", state, fewer).properties).properties
    assert database.rows(has.format("t1", "t1")) == [(True, False)]

    database.rows("grant delete on t1 to reader")
    drifted = decode(plugin.read("Grant", created.id, state, fewer).properties).properties
    diff = plugin.diff("Grant", drifted, fewer, fewer)
    assert list(diff.diffs) == ["privileges"]
    state = decode(plugin.update("Grant", drifted, fewer).properties).properties
    assert database.rows("select has_table_privilege('reader', 't1', 'delete')") == [(False,)]

    elsewhere = plugin.diff("Grant", state, {**fewer, "role": "postgres"}, fewer)
    assert (list(elsewhere.replaces), elsewhere.deleteBeforeReplace) == (["role"], True)
    plugin.delete("Grant", state)
    assert database.rows(has.format("t1", "t1")) == [(False, False)]
    for other in (
        {"objectType": "database", "privileges": ["CONNECT", "CREATE"], "schema": ""},
        {"objectType": "schema", "privileges": ["USAGE"]},
        {"objectType": "column", "privileges": ["SELECT"], "objects": ["t1"], "columns": ["b"]},
        {"objectType": "table", "privileges": ["ALL"], "objects": ["T 2"]},
        {"objectType": "function", "privileges": ["EXECUTE"]},
    ):
        wanted = {name: value for name, value in {**inputs, **other}.items() if value != ""}
        made = decode(plugin.create("Grant", wanted).properties).properties
        unchanged = plugin.diff("Grant", made, wanted, wanted)
        assert unchanged.changes == provider_pb2.DiffResponse.DIFF_NONE, (other, made)
        plugin.delete("Grant", made)
    assert plugin.create("Grant", {**inputs, "privileges": []}).id == created.id
    database.rows('drop role reader; drop table t1; drop table "T 2"')
    assert plugin.read("Grant", created.id, state, fewer).id == ""


def test_a_grant_on_a_missing_object_names_it(plugin: Plugin, database: Database) -> None:
    inputs: Properties = {
        "database": "postgres",
        "schema": "public",
        "role": "postgres",
        "objectType": "table",
        "objects": ["missing_table"],
        "privileges": ["SELECT"],
    }
    with pytest.raises(grpc.RpcError) as raised:
        plugin.create("Grant", inputs)
    assert "missing_table" in raised.value.details()
    with pytest.raises(grpc.RpcError) as raised:
        plugin.create("Grant", {**inputs, "objects": [], "privileges": ["SELECT; drop role postgres"]})
    assert "is no privilege on a table" in raised.value.details()


def test_objects_made_by_others_can_be_imported(plugin: Plugin, database: Database) -> None:
    database.rows("create role imported login connection limit 4")
    database.rows("create database importable owner imported")
    read = plugin.read("Role", "imported", {}, {})
    assert read.id == "imported"
    assert decode(read.inputs).properties == {"name": "imported", "login": True, "connectionLimit": 4}
    made = plugin.read("Database", "importable", {}, {})
    assert decode(made.properties).properties["owner"] == "imported"
    extension = plugin.read("Extension", "importable.plpgsql", {}, {})
    assert decode(extension.properties).properties["database"] == "importable"
    schema = plugin.read("Schema", "importable.public", {}, {})
    assert decode(schema.properties).properties["owner"] == "pg_database_owner"
    with pytest.raises(grpc.RpcError) as raised:
        plugin.read("Extension", "plpgsql", {}, {})
    assert "<database>.<extension>" in raised.value.details()
    assert plugin.read("Role", "nobody", {}, {}).id == ""
    database.rows("drop database importable")
    database.rows("drop role imported")


def test_a_preview_touches_nothing_and_tells_what_is_unknown(plugin: Plugin, database: Database) -> None:
    preview = plugin.create("Database", {"name": "later", "owner": Unknown.UNKNOWN}, preview=True)
    properties = decode(preview.properties).properties
    assert preview.id == ""
    assert (properties["name"], properties["connectionLimit"]) == ("later", -1)
    assert properties["owner"] is Unknown.UNKNOWN
    assert properties["encoding"] is Unknown.UNKNOWN
    assert database.rows("select 1 from pg_database where datname = 'later'") == []
    state: Properties = {"name": "later", "owner": "postgres", "encoding": "UTF8"}
    updated = plugin.update("Database", state, {"name": "later", "owner": Unknown.UNKNOWN}, preview=True)
    assert decode(updated.properties).properties["encoding"] == "UTF8"
    diff = plugin.diff("Database", state, {"name": "later", "owner": Unknown.UNKNOWN}, {"name": "later"})
    assert list(diff.diffs) == ["owner"]


def test_secrets_stay_secrets(plugin: Plugin, database: Database) -> None:
    created = plugin.create("Role", {"name": "hidden", "assumeRole": "postgres"}, secret=("assumeRole",))
    assert decode(created.properties).secret == {"assumeRole"}
    checked = plugin.check("Role", {"name": "hidden", "password": "pw"})
    assert decode(checked.inputs).secret == {"password"}
    plugin.delete("Role", decode(created.properties).properties)


def test_a_write_only_password_is_set_by_its_version_and_never_kept(
    plugin: Plugin, database: Database
) -> None:
    inputs: Properties = {"name": "wo", "login": True, "passwordWo": "wo-one", "passwordWoVersion": "1"}
    state = decode(plugin.create("Role", inputs).properties).properties
    assert "passwordWo" not in state
    assert database.rows("select 1", user="wo", password="wo-one") == [(1,)]
    same_version: Properties = {**inputs, "passwordWo": "wo-two"}
    assert plugin.diff("Role", state, same_version, inputs).changes == provider_pb2.DiffResponse.DIFF_NONE
    next_version: Properties = {**same_version, "passwordWoVersion": "2"}
    assert list(plugin.diff("Role", state, next_version, inputs).diffs) == ["passwordWoVersion"]
    state = decode(plugin.update("Role", state, next_version).properties).properties
    assert database.rows("select 1", user="wo", password="wo-two") == [(1,)]
    plugin.delete("Role", state)


def test_the_server_never_sees_a_password_in_a_statement(plugin: Plugin, database: Database) -> None:
    database.rows("alter system set log_statement = 'all'")
    database.rows("select pg_reload_conf()")
    wait_for(lambda: database.rows("show log_statement") == [("all",)], "statements are logged")
    state = decode(
        plugin.create("Role", {"name": "quiet", "password": "never-in-a-log"}).properties
    ).properties
    plugin.delete("Role", state)
    database.rows("alter system reset log_statement")
    database.rows("select pg_reload_conf()")
    logged = database.container.logs()
    assert 'alter role "quiet" with' in logged
    assert "never-in-a-log" not in logged


def test_ignored_changes_are_no_difference(plugin: Plugin) -> None:
    state: Properties = {"name": "x", "connectionLimit": 1, "roles": ["a"]}
    inputs: Properties = {"name": "x", "connectionLimit": 2, "roles": ["b"]}
    diff = plugin.diff("Role", state, inputs, state, ignore=("connectionLimit", "roles[0]"))
    assert diff.changes == provider_pb2.DiffResponse.DIFF_NONE


def test_names_are_generated_once(plugin: Plugin) -> None:
    first = decode(plugin.check("Role", {}).inputs).properties["name"]
    assert str(first).startswith("it-")
    assert len(str(first)) == len("it-") + 7
    assert decode(plugin.check("Role", {}).inputs).properties["name"] == first
    kept = plugin.check("Role", {}, olds={"name": "it-0000000"})
    assert decode(kept.inputs).properties["name"] == "it-0000000"
    options = provider_pb2.CheckRequest.AutonamingOptions
    proposed = plugin.check("Role", {}, autonaming=options(proposed_name="dev-it", mode=options.ENFORCE))
    assert decode(proposed.inputs).properties["name"] == "dev-it"
    refused = plugin.check("Role", {}, autonaming=options(mode=options.DISABLE))
    assert [failure.property for failure in refused.failures] == ["name"]


@pytest.mark.parametrize(
    ("kind", "inputs", "failing"),
    [
        (
            "Role",
            {"name": "a", "connectionLimit": -2, "colour": "red", "encrypted": "1"},
            "colour connectionLimit encrypted",
        ),
        ("Role", {"name": "a", "login": "yes", "roles": [1]}, "login roles"),
        ("Role", {"name": "a", "password": "p", "passwordWo": "q"}, "passwordWo"),
        ("Schema", {"name": "a", "policies": [{"role": "x"}]}, "policies"),
        ("Grant", {}, "database objectType privileges role"),
        ("Grant", {"database": "d", "role": "r", "objectType": "house", "privileges": []}, "objectType"),
        ("Grant", {"database": "d", "role": "r", "objectType": "table", "privileges": []}, "schema"),
        (
            "Grant",
            {"database": "d", "schema": "s", "role": "r", "objectType": "schema", "privileges": [],
             "objects": ["x"]},
            "objects",
        ),
        (
            "Grant",
            {"database": "d", "schema": "s", "role": "r", "objectType": "column", "privileges": []},
            "columns objects",
        ),
    ],
)  # fmt: skip
def test_wrong_inputs_are_all_named(plugin: Plugin, kind: str, inputs: Properties, failing: str) -> None:
    checked = plugin.check(kind, inputs)
    assert sorted(failure.property for failure in checked.failures) == failing.split()


def test_unknown_configuration_and_resources_point_to_the_vendor(plugin: Plugin, database: Database) -> None:
    checked = plugin.stub.CheckConfig(
        provider_pb2.CheckRequest(
            news=bag(
                {**database.settings(), "awsRdsIamAuth": "true", "scheme": "awspostgres", "port": "five"}
            )
        )
    )
    assert {failure.property for failure in checked.failures} == {"awsRdsIamAuth", "scheme", "port"}
    assert not plugin.stub.CheckConfig(provider_pb2.CheckRequest(news=bag(database.settings()))).failures
    with pytest.raises(grpc.RpcError) as raised:
        plugin.stub.Check(
            provider_pb2.CheckRequest(urn="urn:pulumi:dev::p::postgresql:index/function:Function::f")
        )
    assert "pulumi plugin install" in raised.value.details()
    with pytest.raises(grpc.RpcError) as raised:
        plugin.stub.Invoke(provider_pb2.InvokeRequest(tok="postgresql:index/getSchemas:getSchemas"))
    assert "getSchemas" in raised.value.details()


def test_refusals_name_the_object_and_never_a_secret(
    plugin: Plugin, engine: tuple[Engine, str], database: Database
) -> None:
    state = decode(plugin.create("Role", {"name": "twice"}).properties).properties
    with pytest.raises(grpc.RpcError) as raised:
        plugin.create("Role", {"name": "twice", "password": "secret-of-twice"})
    assert (
        raised.value.details() == 'cannot create the role twice: role "twice" already exists (SQLSTATE 42710)'
    )
    with pytest.raises(grpc.RpcError) as raised:
        plugin.create(
            "Role", {"name": "x", "password": "p-leak", "validUntil": "p-leak"}, secret=("password",)
        )
    assert "p-leak" not in raised.value.details()
    plugin.delete("Role", state)
    other = start(engine)
    try:
        other.configure(database.settings(password="wrong-but-secret"))
        with pytest.raises(grpc.RpcError) as raised:
            other.create("Role", {"name": "x"})
        assert f"127.0.0.1:{database.port}" in raised.value.details()
        assert "wrong-but-secret" not in raised.value.details()
        other.configure(database.settings(port="1"))
        with pytest.raises(grpc.RpcError) as raised:
            other.create("Role", {"name": "x"})
        assert "cannot connect to PostgreSQL at 127.0.0.1:1," in raised.value.details()
    finally:
        end(other)


def test_a_user_who_is_no_superuser_becomes_a_member_for_the_time_of_the_work(
    engine: tuple[Engine, str], database: Database
) -> None:
    database.rows("create role operator login createdb createrole password 'operator-pw'")
    other = start(engine)
    try:
        other.configure(
            database.settings(
                username="operator", password="operator-pw", superuser="false", database="postgres"
            )
        )
        owner = decode(other.create("Role", {"name": "limited_owner"}).properties).properties
        inputs: Properties = {"name": "limited", "owner": "limited_owner"}
        made = decode(other.create("Database", inputs).properties).properties
        assert made["owner"] == "limited_owner"
        other.delete("Database", made)
        other.delete("Role", owner)
    finally:
        end(other)
    assert database.rows("select 1 from pg_roles where rolname = 'limited_owner'") == []
    database.rows("drop role operator")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_plugin_ends_quietly_on_a_signal(engine: tuple[Engine, str], number: signal.Signals) -> None:
    started = start(engine)
    started.process.send_signal(number)
    assert started.process.wait(timeout=30) == 0


def test_the_plugin_ends_when_the_engine_is_gone() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    started = start((Engine(), f"127.0.0.1:{port}"))
    assert started.process.poll() is None
    server.stop(None)
    assert started.process.wait(timeout=60) == 0


def test_the_schema_names_every_resource(plugin: Plugin) -> None:
    schema = json.loads(plugin.stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)
    assert set(schema["resources"]) == set(KINDS)
    assert schema["resources"][TOKENS["Role"]]["properties"]["password"]["secret"] is True


def test_the_properties_are_those_of_the_sdk() -> None:
    import pulumi_postgresql as sdk

    for name, token in TOKENS.items():
        arguments = set(getattr(sdk, f"{name}Args").__init__.__annotations__) - {"return"}
        camel = {
            "".join([word.split("_")[0], *(p.title() for p in word.split("_")[1:])]) for word in arguments
        }
        known = KINDS[token]
        assert camel == known.properties.keys() | known.refused.keys(), name
