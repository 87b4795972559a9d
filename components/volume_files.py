"""Files for a container whose root file system is read-only, in a volume of their own.

Docker, and with it the provider's `uploads`, puts no file into such a container. Here a container of a second, from
the same image and without network, takes each file from its standard input, so that no content stands in a
container's configuration or in a command line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    UpdateResult,
)

from components.docker_command import Docker, DockerError
from components.docker_provider import DockerProvider
from components.provider_error import ProviderError, telling_plainly, warn

_told_plainly = telling_plainly(ProviderError, DockerError)
_PROPS = ("volume", "image", "owner", "files", "digests")
_FOLDER = "/files"
_SECONDS = 60


def digests(files: Mapping[str, str]) -> dict[str, str]:
    """Name to SHA-256 of each file's content."""
    return {name: hashlib.sha256(content.encode()).hexdigest() for name, content in files.items()}


def write_files(docker: Docker, volume: str, files: Mapping[str, str], *, image: str, owner: str) -> None:
    """Lays files into a volume, each readable by its ``owner`` (a number of a user) and nobody else.

    :raises DockerError: when Docker does not answer.
    :raises ProviderError: when the files could not be laid there.
    """
    for name, content in files.items():
        script = f'umask 377 && cat > "$1.new" && chown {owner} "$1.new" && mv -f "$1.new" "$1"'
        _sh(docker, volume, script, name, image=image, content=content)


def found_digests(docker: Docker, volume: str, names: list[str], *, image: str) -> dict[str, str]:
    """Name to SHA-256 of those of the files that are there.

    :raises DockerError: when Docker does not answer.
    :raises ProviderError: when the volume could not be looked at.
    """
    found = {}
    for name in names:
        said = _sh(docker, volume, 'test ! -e "$1" || sha256sum < "$1"', name, image=image, content="")
        if said.strip():
            found[name] = said.split()[0]
    return found


def _sh(docker: Docker, volume: str, script: str, name: str, *, image: str, content: str) -> str:
    answer = docker.run(
        *("run", "--rm", "--interactive", "--pull", "never", "--network", "none", "--read-only"),
        *("--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "DAC_OVERRIDE"),
        *("--security-opt", "no-new-privileges:true", "--user", "0:0", "--workdir", "/"),
        *("--volume", f"{volume}:{_FOLDER}", "--entrypoint", "/bin/sh", image),
        *("-c", script, "sh", f"{_FOLDER}/{name}"),
        content=content,
        seconds=_SECONDS,
    )
    if answer.returncode != 0:
        raise ProviderError(f"the file {name} of the volume {volume}: {answer.stderr.strip()}")
    return answer.stdout


class VolumeFilesProvider(DockerProvider):
    """Inputs: ``volume`` (its name), ``image``, ``owner``, ``files`` (name to content), ``digests``. Outputs are
    the inputs. The state refers to this class by its import path.
    """

    @_told_plainly
    def create(self, props: dict[str, object]) -> CreateResult:
        """Writes the files."""
        return CreateResult(id_=str(props["volume"]), outs=self._write(props))

    @_told_plainly
    def update(self, _id: str, _olds: dict[str, object], news: dict[str, object]) -> UpdateResult:
        """Writes the files anew."""
        return UpdateResult(outs=self._write(news))

    def diff(self, _id: str, olds: dict[str, object], news: dict[str, object]) -> DiffResult:
        """Anything that differs; also the image, so that a refresh looks by one that is there."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in _PROPS))

    @_told_plainly
    def read(self, id_: str, props: dict[str, object]) -> ReadResult:
        """What is there now."""
        found = {key: props[key] for key in _PROPS}
        volume, image = str(props["volume"]), str(props["image"])
        try:
            found["digests"] = found_digests(
                self._docker, volume, sorted(_texts(props["files"])), image=image
            )
        except ProviderError as error:
            # The image may be gone together with its container; the next update has one again.
            warn(f"{error}. The files are taken to be as they were.")
        return ReadResult(id_, found, found)

    def delete(self, _id: str, _props: dict[str, object]) -> None:
        """Nothing: the files go with their volume."""

    def _write(self, props: dict[str, object]) -> dict[str, object]:
        volume, image, owner = (str(props[key]) for key in ("volume", "image", "owner"))
        write_files(self._docker, volume, _texts(props["files"]), image=image, owner=owner)
        return {key: props[key] for key in _PROPS}


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}


class VolumeFiles(Resource, module="docker", name="VolumeFiles"):
    """Files that lie in a volume."""

    def __init__(
        self,
        resource_name: str,
        *,
        volume: pulumi.Input[str],
        image: pulumi.Input[str],
        owner: str,
        files: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """``image`` is one with a shell; ``owner`` the number of the user who may read; the contents may be
        Pulumi secrets."""
        contents: pulumi.Output[dict[str, str]] = pulumi.Output.all(**files)
        super().__init__(
            VolumeFilesProvider(),
            resource_name,
            {
                "volume": volume,
                "image": image,
                "owner": owner,
                "files": contents,
                "digests": contents.apply(digests),
            },
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["files"])),
        )
