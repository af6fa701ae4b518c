"""What the UI shows of a feature table: its columns, rows per day, what its features are like; sums over people."""

from datetime import date
from typing import Any

from dagster import (
    MetadataValue,
    TableColumn,
    TableColumnConstraints,
    TableMetadataValue,
    TableRecord,
    TableSchema,
)

from forge_assets import pictures
from forge_assets.outcome import shown
from forge_core import keys
from forge_core.events import TYPES
from forge_core.features import FeatureTable
from forge_resources.features import Build
from forge_resources.stores import Stores

LOOKED_AT = 200_000  # rows are enough for a mean and quantiles
FEWEST = 20  # rows below which quantiles would tell of single ones


def schema(table: FeatureTable) -> TableSchema:
    """The columns with what they mean, their identifier class, and whether models are served them."""
    return TableSchema(
        [
            TableColumn(
                column.name,
                TYPES[column.type],
                description=column.about,
                constraints=TableColumnConstraints(nullable=not column.required),
                tags={
                    "identifier": column.identifier.value,
                    **({"feature": "served"} if column.served else {}),
                },
            )
            for column in table.columns
        ]
    )


def showing(stores: Stores, table: FeatureTable, made: Build) -> dict[str, Any]:
    """Metadata of a materialization."""
    metadata: dict[str, Any] = {
        "dagster/row_count": made.rows,
        "dagster/table_name": table.address,
        "dagster/column_schema": schema(table),
        "sensitivity": table.sensitivity,
        "units": made.units,
        "units_built_again": made.rebuilt,
    }
    if table.name == "items" and made.rows:
        counts = [
            n for (n,) in stores.database.rows("select interactions from features.items order by 1 desc")
        ]
        metadata["long_tail"] = shown(stores, pictures.long_tail(counts))
    if table.when and (days := _days(stores, table)):
        metadata["rows_per_day"] = shown(stores, pictures.heat_strip(days, "rows"))
    if table.served and made.rows >= FEWEST:
        metadata["features"] = _features(stores, table)
    if table.asset == keys.CHUNKS and made.rows:
        metadata["languages"] = _languages(stores)
    return metadata


def _days(stores: Stores, table: FeatureTable) -> dict[date, int]:
    return dict(
        stores.database.rows(
            f"select {table.when}::date as day, count(*) from {table.address}"
            f" where {table.when} is not null and isfinite({table.when}) group by 1 order by 1"
        )
    )


def _features(stores: Stores, table: FeatureTable) -> TableMetadataValue:
    """One line per served column: how often it is unknown, its mean and quantiles."""
    measures = ", ".join(
        f"count({c.name}), avg({c.name})::float8,"
        f" percentile_disc(array[0.05, 0.5, 0.95]) within group (order by {c.name})"
        for c in table.served
    )
    found = list(
        stores.database.rows(
            f"select count(*), {measures} from (select * from {table.address} limit {LOOKED_AT}) t"
        )[0]
    )
    rows = found.pop(0)
    records = []
    for place, column in enumerate(table.served):
        known, mean, quantiles = found[3 * place : 3 * place + 3]
        values = [mean, *(quantiles or [None] * 3)] if known >= FEWEST else [None] * 4
        words = ["–" if value is None else f"{value:.4g}" for value in values]
        records.append(
            TableRecord(
                {
                    "feature": column.name,
                    "unknown": f"{1 - known / rows:.0%}",
                    **dict(zip(("mean", "5 %", "median", "95 %"), words, strict=True)),
                    "what": column.about,
                }
            )
        )
    return MetadataValue.table(records)


def _languages(stores: Stores) -> TableMetadataValue:
    found = stores.database.rows(
        "select coalesce(language, 'too short to tell'), count(*) from features.chunks"
        " group by 1 order by 2 desc limit 15"
    )
    return MetadataValue.table([TableRecord({"language": one, "passages": count}) for one, count in found])
