"""The superuser's password, changed on a real server, also after deaths in between."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from pulumi.runtime import rpc

from components.postgres.server import Server, Unreachable, WrongPassword
from components.postgres.superuser import PROPS, SuperuserPasswordProvider, set_password
from components.provider_error import ProviderError
from tests.images.containers import docker
from tests.local_engine.engines import Postgres

pytestmark = pytest.mark.docker

FILE = "/tmp/superuser-password"


@pytest.fixture
def props(running: Postgres) -> Iterator[dict[str, object]]:
    """Inputs of the resource for this server, which has its first password again."""
    docker("exec", running.name, "sh", "-c", f"printf %s '{running.password}' > {FILE} && chmod 444 {FILE}")
    yield {
        "host": "127.0.0.1",
        "port": float(running.port),
        "container": running.name,
        "container_id": "1",
        "initial_file": FILE,
        "initial": running.password,
        "password": "canary-one",
        "__provider": "x",
    }
    local = f"alter role postgres password '{running.password}'"
    docker("exec", "--user=postgres", running.name, "psql", "-U", "postgres", "-c", local)


def test_the_first_password_opens_nothing_afterwards(props: dict[str, object], server: Server) -> None:
    made = SuperuserPasswordProvider().create(dict(props))
    assert set(made.outs or {}) == set(PROPS)
    assert server.takes("canary-one")
    assert not server.takes(str(props["initial"]))


def test_a_change_and_its_repetition(props: dict[str, object], server: Server) -> None:
    provider = SuperuserPasswordProvider()
    olds = provider.create(dict(props)).outs or {}
    news = props | {"password": "canary-two"}
    assert provider.diff("id", olds, news).changes
    for _ in range(2):  # the second time as after a death before the state was written
        outs = provider.update("id", olds, dict(news)).outs or {}
        assert server.takes("canary-two")
        assert not server.takes("canary-one")
    assert not provider.diff("id", outs, news).changes


def test_a_volume_that_is_new_has_the_first_password_again(props: dict[str, object], server: Server) -> None:
    provider = SuperuserPasswordProvider()
    olds = {**props, "password": "canary-of-a-lost-volume", "container_id": "0"}
    assert provider.diff("id", olds, props).changes
    provider.update("id", olds, dict(props))
    assert server.takes("canary-one")


def test_a_preview_with_an_unknown_password_shows_a_change(props: dict[str, object]) -> None:
    assert SuperuserPasswordProvider().diff("id", props, props | {"password": rpc.UNKNOWN}).changes
    assert not SuperuserPasswordProvider().diff("id", props, dict(props)).changes


def test_a_password_of_somebody_else_comes_with_what_puts_it_right(
    props: dict[str, object], running: Postgres, server: Server
) -> None:
    set_password(server, "somebody-else's", [running.password])
    with pytest.raises(ProviderError) as caught:
        SuperuserPasswordProvider().create(dict(props))
    said = str(caught.value)
    assert "somebody else has set it" in said
    assert running.password not in said and "canary" not in said
    command = said.splitlines()[-1].strip().replace("docker exec ", "docker exec --user=postgres ")
    assert (
        "ALTER ROLE"
        in subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    )
    SuperuserPasswordProvider().create(dict(props))
    assert server.takes("canary-one")


def test_a_refresh_sees_a_changed_password(props: dict[str, object], server: Server) -> None:
    provider = SuperuserPasswordProvider()
    outs = provider.create(dict(props)).outs or {}
    assert provider.read("id", dict(outs)).outs == outs
    set_password(server, "somebody-else's", ["canary-one"])
    seen = provider.read("id", dict(outs)).outs or {}
    assert seen == {**outs, "password": ""}
    assert provider.diff("id", seen, props).changes


def test_a_refresh_without_a_server_changes_nothing(
    props: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    gone = {**{key: props[key] for key in PROPS}, "port": 1.0}
    assert SuperuserPasswordProvider().read("id", dict(gone)).outs == gone
    assert "gives no session" in capsys.readouterr().err


def test_the_server_logs_no_password(props: dict[str, object], running: Postgres, server: Server) -> None:
    with server.session([running.password]) as connection:
        connection.execute("alter role postgres set log_statement = 'all'")
    try:
        set_password(server, "canary-in-the-log", [running.password])
        with server.session(["canary-in-the-log"]) as connection:
            connection.execute("select 'seen'")
    finally:
        with server.session(["canary-in-the-log", running.password]) as connection:
            connection.execute("alter role postgres reset log_statement")
    logged = subprocess.run(["docker", "logs", running.name], capture_output=True, text=True, check=True)
    assert "select 'seen'" in logged.stderr, "statements are logged"
    assert 'alter role "postgres" password \'SCRAM-SHA-256$' in logged.stderr
    assert "canary" not in logged.stderr + logged.stdout


def test_no_error_holds_a_password(server: Server) -> None:
    with pytest.raises(WrongPassword) as refused:
        set_password(server, "canary-new", ["canary-old", ""])
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1 gives no session.*set postgresAddress") as gone:
        set_password(Server(host="127.0.0.1", port=1), "canary-new", ["canary-old"])
    assert "canary" not in f"{refused.value!r} {gone.value!r}"
