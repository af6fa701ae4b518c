"""Column schemas for the UI, made from the contract of events and from tables as they are."""

from typing import Any

from dagster import TableColumn, TableColumnConstraints, TableSchema

from forge_core import events
from forge_resources.postgres import Database


def column_schema(kind: str) -> TableSchema:
    """The schema of a raw or clean table, with each column's identifier class."""
    return TableSchema(
        [
            TableColumn(
                c.name,
                c.type,
                description=c.about,
                constraints=TableColumnConstraints(nullable=not c.required),
                tags={"identifier": c.identifier.value},
            )
            for c in events.columns(kind)
        ]
    )


def table_metadata(database: Database, address: str) -> dict[str, Any]:
    """Row count, name and columns of a table of ours."""
    schema, _, name = address.partition(".")
    found = database.rows(
        "select column_name, format_type(a.atttypid, a.atttypmod) from information_schema.columns"
        " join pg_attribute a on a.attrelid = to_regclass(%s) and a.attname = column_name"
        " where table_schema = %s and table_name = %s order by ordinal_position",
        (address, schema, name),
    )
    return {
        "dagster/table_name": address,
        "dagster/row_count": database.count(address),
        "dagster/column_schema": TableSchema([TableColumn(c, t) for c, t in found]),
    }
