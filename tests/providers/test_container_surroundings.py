"""What a container needs beside the Docker provider: files in a volume, a limit to processes, a free name."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from components import volume_files
from components.docker_command import Docker, DockerError
from components.orphan import make_way, make_way_for_network, whose
from components.pids_limit import PidsLimitProvider, pids_limit
from components.provider_error import ProviderError
from components.volume_files import VolumeFilesProvider, found_digests, write_files
from local.images import resolve
from tests.images.containers import container, docker, volume

pytestmark = pytest.mark.docker

DOCKER = Docker()


@pytest.fixture(scope="module")
def image() -> str:
    return resolve("", "stand-ins").image


@pytest.fixture
def network() -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:10]}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name)


def props(name: str, image: str, content: str) -> dict[str, object]:
    files = {"secret.txt": content}
    return {
        "volume": name,
        "image": image,
        "owner": "10001",
        "files": files,
        "digests": volume_files.digests(files),
    }


def test_a_file_is_there_for_its_owner_and_nobody_else(image: str) -> None:
    content = "first line\n$(id) 'canary' \"ü\"\n"
    with volume() as name:
        write_files(DOCKER, name, {"secret.txt": content}, image=image, owner="10001")
        options = ("--read-only", "--cap-drop=ALL", f"--volume={name}:/etc/x:ro")
        with container(image, "--user=10001", *options, command=("sleep", "60")) as owner:
            assert owner.run("sh", "-c", "cat /etc/x/secret.txt; echo end") == f"{content}end"
            assert owner.run("stat", "-c", "%u %a", "/etc/x/secret.txt") == "10001 400"
            assert owner.run("ls", "/etc/x") == "secret.txt"
        with container(image, "--user=10002", *options, command=("sleep", "60")) as other:
            assert other.run("cat", "/etc/x/secret.txt", check=False) == ""


def test_files_are_written_anew_and_drift_is_seen(image: str) -> None:
    provider = VolumeFilesProvider()
    with volume() as name:
        outs = provider.create(props(name, image, "one") | {"__provider": "x"}).outs or {}
        assert outs == props(name, image, "one")
        assert provider.read("id", dict(outs)).outs == outs
        assert not provider.diff("id", outs, props(name, image, "one")).changes
        gone = {**outs, "image": "clerk-hasura.local/absent:1"}
        assert provider.read("id", dict(gone)).outs == gone
        news = props(name, image, "two")
        assert provider.diff("id", outs, news).changes
        outs = provider.update("id", outs, dict(news)).outs or {}
        assert found_digests(DOCKER, name, ["secret.txt", "absent"], image=image) == outs["digests"]
        docker("run", "--rm", f"--volume={name}:/x", image, "true")
        docker("run", "--rm", "--user=0", f"--volume={name}:/x", image, "rm", "-f", "/x/secret.txt")
        seen = provider.read("id", dict(outs)).outs or {}
        assert seen["digests"] == {}
        assert provider.diff("id", seen, news).changes


def test_a_volume_that_cannot_be_written_is_named_without_the_content() -> None:
    with pytest.raises(ProviderError, match=r"the file secret\.txt of the volume x:") as caught:
        write_files(DOCKER, "x", {"secret.txt": "canary"}, image="clerk-hasura.local/absent:1", owner="1")
    assert "canary" not in str(caught.value)


def test_the_limit_of_processes_holds_and_drift_is_seen(image: str) -> None:
    provider = PidsLimitProvider()
    with container(image, command=("sleep", "60")) as started:
        inputs: dict[str, object] = {"container": started.name, "container_id": started.name, "pids": 50.0}
        outs = provider.create(inputs | {"__provider": "x"}).outs or {}
        assert outs == inputs
        assert pids_limit(DOCKER, started.name) == 50
        many = "import subprocess; [subprocess.Popen(['sleep', '5']) for _ in range(60)]"
        forking = subprocess.run(
            ["docker", "exec", started.name, "python3", "-c", many],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Resource temporarily unavailable" in forking.stderr
        docker("container", "update", "--pids-limit", "60", started.name)
        seen = provider.read("id", dict(outs)).outs or {}
        assert seen == {**inputs, "pids": 60.0}
        assert provider.diff("id", seen, inputs).changes
        provider.update("id", seen, inputs | {"pids": 0.0})
        assert pids_limit(DOCKER, started.name) == 0
    assert provider.read("id", dict(inputs)).outs == inputs
    with pytest.raises(ProviderError, match="takes no limit of 50 pids"):
        provider.create(dict(inputs))


def test_a_container_that_is_left_over_makes_way(image: str, network: str) -> None:
    network_id = json.loads(docker("network", "inspect", network))[0]["Id"]
    options = (f"--network={network}", "--stop-timeout=1")
    with container(image, *options, command=("sleep", "60")) as left:
        assert whose(DOCKER, left.name, network_id) == "ours"
        make_way(DOCKER, left.name, network_id)
        assert whose(DOCKER, left.name, network_id) == "nobody"
        make_way(DOCKER, left.name, network_id)


def test_somebody_elses_container_is_never_touched(image: str, network: str) -> None:
    with container(image, f"--network={network}", command=("sleep", "60")) as other:
        with pytest.raises(DockerError, match=f"docker rm -f {other.name}"):
            make_way(DOCKER, other.name, "0" * 64)
        assert other.state("Running") == "true"


def test_a_network_that_is_left_over_makes_way_and_one_in_use_does_not(image: str) -> None:
    name = f"test-{uuid.uuid4().hex[:10]}"
    make_way_for_network(DOCKER, name)
    docker("network", "create", name)
    docker("network", "create", f"{name}-other")
    try:
        with container(image, f"--network={name}", command=("true",)) as other:
            with pytest.raises(DockerError, match=f"there is a network {name} already"):
                make_way_for_network(DOCKER, name)
            docker("wait", other.name)
            with pytest.raises(DockerError, match="another copy"):
                make_way_for_network(DOCKER, name)
        make_way_for_network(DOCKER, name)
        left = docker("network", "ls", "--format", "{{.Name}}").splitlines()
        assert name not in left and f"{name}-other" in left
    finally:
        docker("network", "rm", name, f"{name}-other", check=False)
