"""The PostgreSQL image that is built from Debian's packages keeps the vendor image's interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local import images
from tests.images.containers import Container, container, docker, volume, wait_for

pytestmark = pytest.mark.docker
PASSWORD = "the-test's $password"
WITH_PASSWORD = ("--env", f"POSTGRES_PASSWORD={PASSWORD}")
PUBLISHED = ("--publish", "127.0.0.1::5432")
DATA = "/var/lib/postgresql/data"


@pytest.fixture(scope="module")
def image() -> str:
    return images.build("postgres", progress=print)


def ready(server: Container) -> Container:
    def answers() -> bool:
        assert server.state("Running") == "true", server.logs()
        return server.accepts_tcp()

    wait_for(answers, "PostgreSQL answers over TCP")
    return server


def query(server: Container, text: str, **login: str) -> list[tuple[object, ...]]:
    settings = {"user": "postgres", "password": PASSWORD, "dbname": "postgres"} | login
    with psycopg.connect(host="127.0.0.1", port=server.port(5432), autocommit=True, **settings) as connection:
        cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def server(image: str) -> Iterator[Container]:
    environment = (
        "--env", "POSTGRES_USER=boss", "--env", "POSTGRES_DB=my shop",
        "--env", "POSTGRES_INITDB_ARGS=--data-checksums --locale='C.UTF-8'",
    )  # fmt: skip
    with container(
        image, *PUBLISHED, *WITH_PASSWORD, *environment, command=("postgres", "-c", "max_connections=33")
    ) as started:
        yield ready(started)


def test_user_database_arguments_and_extensions(server: Container) -> None:
    login = {"user": "boss", "dbname": "my shop"}
    assert query(server, "select current_user, current_setting('max_connections')", **login) == [
        ("boss", "33")
    ]
    assert query(server, "select rolsuper from pg_roles where rolname = 'boss'", **login) == [(True,)]
    settings = (
        "select current_setting('data_checksums'), datcollate from pg_database where datname = 'my shop'"
    )
    assert query(server, settings, **login) == [("on", "C.UTF-8")]
    for extension in ("pgcrypto", "citext", "pg_trgm", "pg_stat_statements"):
        query(server, f"create extension {extension}", **login)
    assert query(server, "select length(gen_salt('bf'))", **login) == [(29,)]


def test_a_wrong_password_is_refused_over_tcp(server: Container) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        query(server, "select 1", user="boss", password="wrong")


def test_the_server_runs_as_postgres_with_the_vendors_ids_and_no_password_in_its_environment(
    server: Container,
) -> None:
    status = server.run("cat", "/proc/1/status")
    assert "Uid:\t999\t999\t999\t999" in status
    assert server.run("cat", "/proc/1/comm") == "postgres"
    environment = docker("exec", "--user=postgres", server.name, "cat", "/proc/1/environ")
    assert "PGDATA=" in environment
    assert PASSWORD not in environment
    assert PASSWORD not in server.logs()


def test_data_survives_a_restart_and_a_new_container(image: str) -> None:
    with volume() as data:
        mounted = ("--volume", f"{data}:{DATA}")
        with container(image, *PUBLISHED, *WITH_PASSWORD, *mounted) as first:
            query(ready(first), "create table kept as select 42 as answer")
            docker("restart", first.name)
            assert query(ready(first), "select answer from kept") == [(42,)]
        # Without a password in its environment: a database that exists needs none.
        with container(image, *PUBLISHED, *mounted) as second:
            assert query(ready(second), "select answer from kept") == [(42,)]
            assert "initialisation is skipped" in second.logs()


@pytest.mark.parametrize("signal", ["TERM", "INT"])
def test_a_signal_stops_it_cleanly(image: str, signal: str) -> None:
    with container(image, *WITH_PASSWORD) as started:
        ready(started)
        docker("kill", f"--signal={signal}", started.name)
        wait_for(lambda: started.state("Running") == "false", "the server has stopped")
        assert started.state("ExitCode") == "0"
        assert "database system is shut down" in started.logs().splitlines()[-1]


def test_docker_stop_ends_open_sessions_and_leaves_a_clean_database(image: str) -> None:
    with container(image, *PUBLISHED, *WITH_PASSWORD) as started:
        ready(started)
        open_session = psycopg.connect(
            host="127.0.0.1", port=started.port(5432), user="postgres", password=PASSWORD
        )
        open_session.execute("select 1")
        docker("stop", "--time=60", started.name)
        with pytest.raises(psycopg.OperationalError):
            open_session.execute("select 1")
        assert started.state("ExitCode") == "0"
        docker("start", started.name)
        ready(started)
        assert "was not properly shut down" not in started.logs()


def test_the_password_may_come_from_a_file_that_only_root_can_read(image: str, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    with container(
        image, *PUBLISHED, "--volume", f"{secret}:/run/secrets/password:ro",
        "--env", "POSTGRES_PASSWORD_FILE=/run/secrets/password",
    ) as started:  # fmt: skip
        assert query(ready(started), "select 1") == [(1,)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "POSTGRES_PASSWORD is not set"),
        (
            (*WITH_PASSWORD, "--env", "POSTGRES_PASSWORD_FILE=/x"),
            "both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set",
        ),
        (("--env", "POSTGRES_PASSWORD_FILE=/missing"), "/missing, which cannot be read"),
    ],
)
def test_a_start_that_cannot_work_says_why(image: str, options: tuple[str, ...], reason: str) -> None:
    with container(image, *options) as started:
        wait_for(lambda: started.state("Running") == "false", "the container has ended")
        assert started.state("ExitCode") == "1"
        assert reason in started.logs()


def test_files_run_in_order_before_anybody_can_connect(image: str, tmp_path: Path) -> None:
    waiting = "echo first; until [ -e /tmp/go ]; do sleep 0.1; done\n"
    files = {
        "1.sh": waiting,
        "2.sql": "create table t as select current_database()::text as d;",
        "3.txt": "x",
    }
    folder = tmp_path / "init"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    with container(
        image, *PUBLISHED, *WITH_PASSWORD, "--env", "POSTGRES_DB=shop",
        "--volume", f"{folder}:/docker-entrypoint-initdb.d:ro",
    ) as started:  # fmt: skip
        wait_for(lambda: "first" in started.logs(), "the first file runs")
        # The server is up for the files and reachable by its socket only.
        assert "accepting" in started.run("pg_isready", "--host=/var/run/postgresql")
        assert not started.accepts_tcp()
        with pytest.raises(psycopg.OperationalError):
            query(started, "select 1")
        started.run("touch", "/tmp/go")
        assert query(ready(started), "select d from t", dbname="shop") == [("shop",)]
        assert "ignores /docker-entrypoint-initdb.d/3.txt" in started.logs()


def test_an_initialisation_that_is_killed_leaves_no_half_made_database(image: str, tmp_path: Path) -> None:
    folder = tmp_path / "init"
    folder.mkdir()
    (folder / "1.sh").write_text("echo in the middle; until [ -e /tmp/go ]; do sleep 0.1; done\n")
    with volume() as data:
        options = (*PUBLISHED, *WITH_PASSWORD, "--volume", f"{data}:{DATA}", "--env", "POSTGRES_DB=shop")
        with container(image, *options, "--volume", f"{folder}:/docker-entrypoint-initdb.d:ro") as first:
            wait_for(lambda: "in the middle" in first.logs(), "the initialisation is under way")
            docker("kill", "--signal=KILL", first.name)
        with container(image, *options) as second:
            assert query(ready(second), "select current_database()", dbname="shop") == [("shop",)]
            assert "initialisation is complete" in second.logs()


def test_an_initialisation_is_finished_that_was_killed_while_it_moved_into_place(image: str) -> None:
    with volume() as data:
        options = (*PUBLISHED, *WITH_PASSWORD, "--volume", f"{data}:{DATA}")
        with container(image, *options) as first:
            query(ready(first), "create table kept as select 1 as one")
            docker("stop", first.name)
        # As it looks when the container dies between two moves.
        half = (
            f"cd {DATA} && mkdir initialising.tmp && mv base global PG_VERSION initialising.tmp/"
            " && touch initialising.tmp/complete && chown -R postgres: initialising.tmp"
        )
        docker("run", "--rm", "--volume", f"{data}:{DATA}", image, "sh", "-c", half)
        with container(image, *options) as second:
            assert query(ready(second), "select one from kept") == [(1,)]


def test_somebody_elses_files_are_not_touched(image: str) -> None:
    with volume() as data:
        docker("run", "--rm", "--volume", f"{data}:{DATA}", image, "sh", "-c", f"echo mine > {DATA}/letter")
        with container(image, *WITH_PASSWORD, "--volume", f"{data}:{DATA}") as started:
            wait_for(lambda: started.state("Running") == "false", "the container has ended")
            assert "is not empty and holds no database (found letter)" in started.logs()
        assert docker("run", "--rm", "--volume", f"{data}:{DATA}", image, "cat", f"{DATA}/letter") == "mine"


def test_other_commands_and_plain_options_work(image: str) -> None:
    assert docker("run", "--rm", image, "postgres", "--version").startswith("postgres (PostgreSQL) 17.")
    with container(image, *PUBLISHED, *WITH_PASSWORD, command=("-c", "work_mem=7MB")) as started:
        assert query(ready(started), "show work_mem") == [("7MB",)]
