"""Waiting for real containers: one that becomes healthy, one that crashes, one that never does."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.container_health import (
    FURTHER_TRIES,
    ContainerHealthProvider,
    ContainerState,
    inspect,
    look,
    verdict,
    wait_until_healthy,
)
from components.docker_command import Docker
from components.provider_error import ProviderError
from local.images import resolve
from tests.local_engine.engines import until

Run = Callable[..., str]
HOURLY = ("--health-interval=1h", "--health-start-period=1h")


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts a container that runs a line of Python. Gives its name."""
    names: list[str] = []

    def start(code: str, *options: str) -> str:
        name = f"container-health-{uuid.uuid4().hex[:8]}"
        names.append(name)
        image = resolve("", "stand-ins").image
        subprocess.run(
            ["docker", "run", "--detach", "--name", name, *options, image, "python", "-uc", code],
            check=True,
            capture_output=True,
        )
        return name

    yield start
    for name in names:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (ContainerState(status="running", health="healthy", exit_code=0, restarts=0), "healthy"),
        (ContainerState(status="running", health="", exit_code=0, restarts=0), "healthy"),
        (ContainerState(status="running", health="starting", exit_code=0, restarts=0), "wait"),
        (ContainerState(status="running", health="unhealthy", exit_code=0, restarts=0), "wait"),
        (ContainerState(status="created", health="", exit_code=0, restarts=0), "wait"),
        (ContainerState(status="exited", health="unhealthy", exit_code=1, restarts=0), "crashed"),
        (ContainerState(status="restarting", health="", exit_code=1, restarts=1), "wait"),
        (ContainerState(status="running", health="starting", exit_code=0, restarts=1), "wait"),
        (ContainerState(status="running", health="", exit_code=0, restarts=1), "wait"),
        (ContainerState(status="running", health="healthy", exit_code=0, restarts=5), "healthy"),
        (ContainerState(status="restarting", health="", exit_code=1, restarts=4), "crashed"),
        (ContainerState(status="running", health="starting", exit_code=0, restarts=4), "crashed"),
    ],
)
def test_verdict(state: ContainerState, expected: str) -> None:
    assert verdict(state) == expected


@pytest.mark.docker
def test_a_healthy_container_is_waited_for(run: Run) -> None:
    name = run(
        "import time, pathlib; time.sleep(1); pathlib.Path('/tmp/up').touch(); time.sleep(60)",
        "--health-cmd=test -e /tmp/up",
        "--health-interval=1s",
    )
    wait_until_healthy(Docker(), name, seconds=30)
    healthy = ContainerState(status="running", health="healthy", exit_code=0, restarts=0)
    assert look(Docker(), name) == healthy
    until(lambda: inspect(Docker(), name) == healthy, "Docker has seen it too")


@pytest.mark.docker
@pytest.mark.parametrize("test", [["--health-cmd=test -e /tmp/up"], []], ids=["a check", "none"])
def test_nobody_waits_for_dockers_first_check(run: Run, test: list[str]) -> None:
    name = run("import pathlib, time; pathlib.Path('/tmp/up').touch(); time.sleep(600)", *test, *HOURLY)
    wait_until_healthy(Docker(), name, seconds=3600)
    state = inspect(Docker(), name)
    assert state is not None
    assert state.health == ("starting" if test else "")


@pytest.mark.docker
def test_a_refresh_before_dockers_first_check_sees_no_drift(run: Run) -> None:
    name = run("import time; time.sleep(600)", "--health-cmd=test -e /tmp/up", *HOURLY)
    props: dict[str, object] = {"container": name, "container_id": "1", "seconds": 60.0, "health": "healthy"}
    assert ContainerHealthProvider().read(name, dict(props)).outs == props | {"health": "starting"}
    subprocess.run(["docker", "exec", name, "touch", "/tmp/up"], check=True, capture_output=True)
    assert ContainerHealthProvider().read(name, dict(props)).outs == props


@pytest.mark.docker
@pytest.mark.parametrize("restart", ["no", "always"])
def test_a_crashed_container_is_told_at_once_with_its_log(run: Run, restart: str) -> None:
    name = run(
        "print('no JWKS at http://x'); raise SystemExit(3)", f"--restart={restart}", "--health-cmd=false"
    )
    with pytest.raises(ProviderError) as caught:
        wait_until_healthy(Docker(), name, seconds=3600)  # the time-out is not what ends it
    assert name in str(caught.value)
    assert "no JWKS at http://x" in str(caught.value)


@pytest.mark.docker
def test_a_container_that_fails_once_has_a_second_try(run: Run) -> None:
    name = run(
        "import pathlib, time; once = pathlib.Path('/tmp/once'); there = once.exists(); once.touch();"
        " there or exit(1); pathlib.Path('/tmp/up').touch(); time.sleep(60)",
        "--restart=unless-stopped",
        "--health-cmd=test -e /tmp/up",
        "--health-interval=1s",
    )
    wait_until_healthy(Docker(), name, seconds=30)
    state = look(Docker(), name)
    assert state is not None
    assert (state.health, state.restarts) == ("healthy", 1)


@pytest.mark.docker
def test_a_container_that_crashed_while_something_was_away_is_started_afresh(
    run: Run, tmp_path: Path
) -> None:
    """As an engine does that is restarted while its Clerk is stopped; its twin is a new one that crashes as often."""
    name = run(
        "import pathlib, time; pathlib.Path('/there').exists() or exit('not there'); time.sleep(60)",
        "--restart=unless-stopped",
        "--health-cmd=test -e /there",
        "--health-interval=1s",
    )

    def restarts() -> int:
        state = inspect(Docker(), name)
        return state.restarts if state else 0

    until(lambda: restarts() > FURTHER_TRIES, "it has crashed again and again")
    provider = ContainerHealthProvider()
    news: dict[str, object] = {"container": name, "container_id": "1", "seconds": 60.0, "health": "healthy"}
    with pytest.raises(ProviderError, match="not there"):
        provider.update(name, news | {"container_id": "of the one before"}, dict(news))
    (tmp_path / "there").touch()
    subprocess.run(["docker", "cp", tmp_path / "there", f"{name}:/there"], check=True, capture_output=True)
    assert provider.update(name, news | {"health": "starting"}, dict(news)).outs == news
    assert restarts() == 0


@pytest.mark.docker
def test_a_container_that_stays_unhealthy_is_told_with_its_log(run: Run) -> None:
    name = run("print('thinking'); import time; time.sleep(60)", "--health-cmd=false", "--health-interval=1s")
    with pytest.raises(ProviderError, match="not healthy") as caught:
        wait_until_healthy(Docker(), name, seconds=1)
    assert "thinking" in str(caught.value)


@pytest.mark.docker
def test_refresh_finds_a_container_that_is_gone(run: Run) -> None:
    name = run("import time; time.sleep(60)")
    provider = ContainerHealthProvider()
    props = {"container": name, "container_id": "1", "seconds": 5.0, "health": "healthy", "__provider": "x"}
    kept = {key: value for key, value in props.items() if key != "__provider"}
    assert provider.create(dict(props)).outs == kept
    assert provider.read(name, dict(props)).outs == kept | {"health": "running"}
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)
    assert provider.read(name, dict(props)).outs == kept | {"health": "gone"}
    assert provider.diff(name, kept | {"health": "gone"}, kept).changes
    assert not provider.diff(name, kept, kept | {"seconds": 9.0}).changes
