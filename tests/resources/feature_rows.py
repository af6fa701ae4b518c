"""Feature tables with rows of our own, for tests of the feature store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from forge_core.features import TABLES, FeatureTable
from forge_resources.postgres import Database
from forge_resources.stores import Stores

BY_NAME = {table.name: table for table in TABLES}
ADA, BOB = "p_" + "a" * 20, "p_" + "b" * 20


def on(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def ready() -> Stores:
    stores = Stores()
    stores.database.ensure()
    return stores


def make(database: Database, table: FeatureTable, rows: Iterable[dict[str, Any]]) -> None:
    """The table as it is declared, with these rows; columns that a row does not name are null."""
    with database.transaction() as connection:
        connection.execute(table.create(table.address))
    add(database, table, rows)


def add(database: Database, table: FeatureTable, rows: Iterable[dict[str, Any]]) -> None:
    with database.transaction() as connection:
        for row in rows:
            marks = ", ".join(["%s"] * len(row))
            connection.execute(
                f"insert into {table.address} ({', '.join(row)}) values ({marks})", list(row.values())
            )


def day(subject: str, day: int, events: int | None, **more: Any) -> dict[str, Any]:
    """A row of features.activity_daily, known when its day is over."""
    row = {"subject": subject, "source": "s", "day": on(day), "known_at": on(day + 1), "events": events}
    return row | more


def values(rows: Sequence[dict[str, Any]], name: str) -> list[Any]:
    return [row[name] for row in rows]
