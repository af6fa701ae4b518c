"""What holds for every table of ours: its columns as the UI shows them, and the rules no row may break."""

from collections.abc import Mapping
from typing import Any

from dagster import AssetCheckResult, AssetCheckSpec, TableColumn, TableColumnConstraints, TableSchema

from forge_assets.outcome import key
from forge_core import events, keys
from forge_resources.postgres import Database

STRUCTURE = "structure"


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


def structure_spec(asset: str, about: str) -> AssetCheckSpec:
    """The blocking check that ``structure`` answers."""
    return AssetCheckSpec(STRUCTURE, asset=key(asset), blocking=True, description=about)


def structure(
    database: Database, asset: str, rules: Mapping[str, str], also: Mapping[str, int] | None = None
) -> AssetCheckResult:
    """Counts the rows of an asset's table that break a rule; any one blocks what comes after.

    ``rules`` are SQL conditions that no row may meet, by name; ``also`` are counts of rows that broke others.
    """
    counted = ", ".join(f"count(*) filter (where {condition})" for condition in rules.values())
    found = database.rows(f"select {counted} from {keys.table(asset)}")[0]
    counts = {**dict(zip(rules, found, strict=True)), **(also or {})}
    broken = [rule for rule, count in counts.items() if count]
    return AssetCheckResult(
        asset_key=key(asset),
        check_name=STRUCTURE,
        passed=not broken,
        description=f"Broken: {', '.join(broken)}." if broken else f"{len(counts)} rules hold.",
        metadata=counts,
    )
