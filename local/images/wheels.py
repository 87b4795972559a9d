"""The stand-ins' Python packages, downloaded by the machine that builds.

Inside `docker build` there are neither the machine's certificates nor its package index, so pip often
cannot work there. The machine's own pip already does.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from local.images.docker_cli import OUTPUT_LINES, Progress
from local.images.errors import ImageError

_GLIBC_TAGS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")


def download_options(architecture: str, python_version: str) -> list[str]:
    """Give pip's options for wheels of the image's platform, whatever this machine's own is.

    `architecture` as `uname -m` in the image says it (Docker says arm64 for aarch64 on some systems).
    """
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(architecture, architecture)
    options = ["--only-binary=:all:", "--no-deps", "--require-hashes", "--implementation=cp"]
    options += [f"--python-version={python_version}"]
    options += [f"--abi={abi}" for abi in (f"cp{python_version.replace('.', '')}", "abi3", "none")]
    return options + [f"--platform={glibc}_{machine}" for glibc in _GLIBC_TAGS]


def download(
    requirements: bytes,
    *,
    architecture: str,
    python_version: str,
    python: str,
    cache: Path,
    progress: Progress,
) -> Path:
    """Download what the requirements pin and give the folder; a second time it is taken from the cache.

    `python` is an interpreter with pip. Raises ImageError with pip's last lines.
    """
    options = download_options(architecture, python_version)
    key = hashlib.sha256(requirements + repr(options).encode()).hexdigest()[:16]
    folder = cache / "wheels" / key
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    progress("downloads the stand-ins' Python packages")
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        pinned = Path(temporary) / "requirements.txt"
        pinned.write_bytes(requirements)
        partial = Path(temporary) / "wheels"
        command = [
            python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
            *options, "--dest", str(partial), "--requirement", str(pinned),
        ]  # fmt: skip
        result = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            lines = (result.stdout + result.stderr).strip().splitlines()[-OUTPUT_LINES:]
            raise ImageError(
                "the stand-ins' Python packages could not be downloaded. pip says:\n"
                + "\n".join(f"  {line}" for line in lines)
                + f"\nCheck that `{python} -m pip download starlette` works on this machine."
            )
        try:
            partial.rename(folder)
        except OSError:
            # Another run was faster; its files have the same hashes.
            shutil.rmtree(partial)
    return folder
