"""`python -m local.toolchain pin`: fetches the vendor's checksums and writes them into pins.json."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from local.toolchain import vendor
from local.toolchain.errors import ChecksumError, SourceUnavailableError
from local.toolchain.pins import Pins, with_checksums
from local.toolchain.progress import Progress


def pin(settings: Pins, where: vendor.Mirrors, progress: Progress) -> Pins:
    """Give the pins with the checksums of every platform.

    The CLI's come from the vendor's list. The plugins' archives are fetched and summed, since their releases
    name their lists in no common way. Raises SourceUnavailableError where the vendor cannot be reached, and
    ChecksumError where one differs from a pin.
    """
    version = settings.pulumi.version
    listed = vendor.published_checksums(where, version)
    archives = {platform: vendor.cli_archive(version, platform) for platform in settings.pulumi.sha256}
    absent = [archive for archive in archives.values() if archive not in listed]
    if absent:
        raise SourceUnavailableError(f"The vendor's list of checksums does not name {', '.join(absent)}.")
    try:
        found_cli = {platform: listed[name] for platform, name in archives.items()}
        pulumi = with_checksums(settings.pulumi, found_cli)
        plugins = {}
        with tempfile.TemporaryDirectory() as scratch:
            for name, release in settings.plugins.items():
                found = {}
                for platform in release.sha256:
                    with progress.step(f"{name} {release.version} for {platform}"):
                        found[platform] = vendor.plugin_checksum(
                            where, name, release.version, platform, scratch=Path(scratch), progress=progress
                        )
                plugins[name] = with_checksums(release, found)
    except ValueError as error:
        raise ChecksumError(str(error)) from None
    return replace(settings, pulumi=pulumi, plugins=plugins)
