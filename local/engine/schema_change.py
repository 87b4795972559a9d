"""What SQL that changed the database does to the metadata of tracked tables. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from local.engine.json_types import JsonObject
from local.engine.metadata_tree import table_key
from local.engine.tables import DatabaseTable, TableName


def after_change(
    metadata: JsonObject,
    source_name: str,
    before: Mapping[TableName, DatabaseTable],
    after: Mapping[TableName, DatabaseTable],
    *,
    cascade: bool,
) -> JsonObject:
    """The metadata once the tables of a source have become `after`."""
    result = copy.deepcopy(metadata)
    oids = {table.oid for table in after.values()}
    sources = result["sources"]
    for source in sources if isinstance(sources, list) else []:
        if isinstance(source, dict) and source["name"] == source_name and isinstance(source["tables"], list):
            source["tables"] = [
                table
                for table in source["tables"]
                if isinstance(table, dict)
                and not (
                    (known := before.get(table_key(table["table"]))) is not None and known.oid not in oids
                )
            ]
    return result
