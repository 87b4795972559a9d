"""Sources that prepare statements, which a connection pooler in transaction mode does not bear. Pure."""

from __future__ import annotations

from components.schema.metadata_directory import MetadataDirectory

DATABASE_VARIABLE = "HASURA_GRAPHQL_DATABASE_URL"
"""The variable by which a source names the stack's own database; other sources are nobody's but the metadata's."""


def prepared_statements(metadata: MetadataDirectory) -> list[str]:
    """Where the metadata lets the stack's database be used with prepared statements: ``file:line`` of each."""
    found = []
    sources = metadata.tree.get("sources")
    for index, source in enumerate(sources if isinstance(sources, list) else []):
        configuration = source.get("configuration") if isinstance(source, dict) else None
        info = configuration.get("connection_info") if isinstance(configuration, dict) else None
        if not isinstance(info, dict) or info.get("use_prepared_statements") is not True:
            continue
        if info.get("database_url") == {"from_env": DATABASE_VARIABLE}:
            path = ("sources", index, "configuration", "connection_info", "use_prepared_statements")
            found.append(str(metadata.place(path)))
    return found
