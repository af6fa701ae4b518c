"""The SQL that says which row of a feature table counts: at most one for an entity and a moment.

Several rows of an entity can be known from the same moment (logins of one second). The training join and the online
store must choose the same one, so the choice is made here, by ``when`` and the key, and used by both.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from forge_core.features import Column, FeatureTable


def registered(tables: Sequence[FeatureTable]) -> dict[str, FeatureTable]:
    """The tables that the feature store knows, by name: those with an entity and something to serve."""
    return {table.name: table for table in tables if table.entity and table.served}


def _later(table: FeatureTable) -> str:
    """The order among rows of one entity and moment, the one that counts first."""
    columns = dict.fromkeys([*([table.when] if table.when else []), *table.key])
    return ", ".join(f"{c} desc" for c in columns if c not in table.entity)


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns)


def history(table: FeatureTable) -> str:
    """All rows that can be joined: entity, ``known_at`` and what is served, one row per entity and moment."""
    entity = ", ".join(table.entity)
    order = ", ".join(part for part in (entity, "known_at", _later(table)) if part)
    return (
        f"select distinct on ({entity}, known_at) {entity}, known_at, {_names(table.served)}"
        f" from {table.address} where known_at is not null order by {order}"
    )


def newest(table: FeatureTable, at: datetime, seed: int = 0) -> str:
    """The newest row of each entity that was known at ``at``, with a digest of it.

    Columns: the entity, ``known_at``, ``digest`` (int64, under ``seed``), and what is served.
    """
    entity, moment = ", ".join(table.entity), f"timestamptz '{at.isoformat()}'"
    order = ", ".join(part for part in (entity, _later(table)) if part)
    served = _names(table.served)
    return (
        f"select distinct on ({entity}) {entity}, known_at,"
        f" hash_record_extended(row(known_at, {served}), {seed}) as digest, {served} from {table.address}"
        f" join (select {entity}, max(known_at) as known_at from {table.address} where known_at <= {moment}"
        f" group by {entity}) newest using ({entity}, known_at) order by {order}"
    )


def of_entities(table: FeatureTable) -> str:
    """The newest row known by now of given entities: one array of text per column of the entity."""
    entity = ", ".join(table.entity)
    arrays = ", ".join("%s::text[]" for _ in table.entity)
    order = ", ".join(part for part in (entity, "known_at desc", _later(table)) if part)
    return (
        f"select distinct on ({entity}) {entity}, known_at, {_names(table.served)} from {table.address}"
        f" join (select distinct * from unnest({arrays}) as asked({entity})) asked using ({entity})"
        f" where known_at <= now() order by {order}"
    )


def sample(table: FeatureTable, at: datetime, size: int) -> str:
    """``size`` entities that have a row known at ``at``, drawn by a hash, with when their newest row was known."""
    entity = ", ".join(table.entity)
    return (
        f"select {entity}, max(known_at) as known_at from {table.address}"
        f" where known_at <= timestamptz '{at.isoformat()}' group by {entity}"
        f" order by hash_record_extended(row({entity}), 0) limit {int(size)}"
    )
