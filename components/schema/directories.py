"""Read migrations and metadata together, so that all of their problems are told at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.hasura.json_types import JsonObject
from components.schema.metadata_directory import MetadataDirectory, read_metadata
from components.schema.migrations import MigrationSet, read_migrations
from components.schema.problems import Problem, SchemaError
from components.schema.seeds import Seeds, read_seeds


@dataclass(frozen=True, kw_only=True)
class Schema:
    """What the two folders (paths relative to the project) hold."""

    migrations_directory: str
    metadata_directory: str
    migrations: MigrationSet
    metadata: MetadataDirectory
    seeds_directory: str = ""
    seeds: Seeds = field(default_factory=dict)

    def configurations(self) -> dict[str, JsonObject]:
        """Kind and configuration of those sources that may have migrations."""
        return {
            source: configuration
            for source, configuration in sorted(self.metadata.configurations().items())
            if configuration["kind"] == "postgres"
        }


def read_schema(
    migrations_directory: str = "migrations",
    metadata_directory: str = "hasura_metadata",
    seeds_directory: str = "",
    *,
    root: Path = Path(),
) -> Schema:
    """Read the folders, given relative to `root`, the project; "" stands for no seeds.

    Raises `SchemaError` with the problems of all, and of what one says about the other.
    """
    problems: list[Problem] = []
    migrations = MigrationSet(sources={})
    metadata = MetadataDirectory(tree={}, places={})
    try:
        migrations = read_migrations(root / migrations_directory, shown_as=migrations_directory)
    except SchemaError as error:
        problems += error.problems
    try:
        metadata = read_metadata(root / metadata_directory, shown_as=metadata_directory)
    except SchemaError as error:
        problems += error.problems
    else:
        problems += _unknown_sources(
            sorted(migrations.sources), migrations_directory, metadata, metadata_directory
        )
    seeds: Seeds = {}
    if seeds_directory:
        try:
            seeds = read_seeds(root / seeds_directory, shown_as=seeds_directory)
        except SchemaError as error:
            problems += error.problems
        else:
            if metadata.tree:
                problems += _unknown_sources(sorted(seeds), seeds_directory, metadata, metadata_directory)
    if problems:
        raise SchemaError(problems)
    return Schema(
        migrations_directory=migrations_directory,
        metadata_directory=metadata_directory,
        migrations=migrations,
        metadata=metadata,
        seeds_directory=seeds_directory,
        seeds=seeds,
    )


def _unknown_sources(
    sources: Sequence[str], directory: str, metadata: MetadataDirectory, metadata_directory: str
) -> list[Problem]:
    known = metadata.configurations()
    found = []
    for source in sources:
        if source not in known:
            found.append(
                Problem(
                    path=f"{directory}/{source}",
                    message=f"there is no source named {source}",
                    remedy=(
                        f"Add it to {metadata_directory}/databases/databases.yaml, or correct the "
                        f"folder's name."
                    ),
                )
            )
        elif known[source].get("kind") != "postgres":
            found.append(
                Problem(
                    path=f"{directory}/{source}",
                    message=(
                        f"the source is of kind {known[source].get('kind')}: only Postgres has "
                        "migrations and seeds here"
                    ),
                )
            )
    return found
