"""Feature tables in PostgreSQL, built from their declarations: only the units whose events changed are built again.

A unit (a subject, a subject's month, an item) is known by a digest of the events in it, which stands beside the
table in ``features.<name>__units``. A build compares digests, deletes the rows of changed units and inserts them
anew, all in one transaction; the work is done by set operations where the rows are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forge_core.events import TYPES
from forge_core.features import BY_ASSET, FeatureTable, Unit
from forge_core.keys import table as address_of
from forge_resources.postgres import Database

if TYPE_CHECKING:
    from psycopg import Connection

WORK_MEMORY = "192MB"  # for one hash or sort; more goes to disk
INDEX_MEMORY = "384MB"  # for sorting what an index is made of
FETCH = 2_000  # source rows of a transformation that are in memory at a time

Transform = Callable[[Iterable[Sequence[Any]]], Iterator[Sequence[Any]]]

_KEYS = {
    Unit.SUBJECT: ("subject",),
    Unit.MONTH: ("subject", "month"),
    Unit.EVENT: ("subject", "month"),
    Unit.ITEM: ("item",),
    Unit.ALL: (),
}
_NO_MONTH = "timestamptz '-infinity'"  # of events of unknown time
_SAME_UNIT = "d.subject = u.subject and d.month = u.month and d.item = u.item"
_NOTHING = {"subject": "''::text", "month": _NO_MONTH, "item": "''::text"}


@dataclass(frozen=True)
class Build:
    """What a build did: rows there are now, units there are now, units built again or removed by it."""

    rows: int
    units: int
    rebuilt: int
    full: bool


def build(
    database: Database, table: FeatureTable, inputs_version: str = "", transform: Transform | None = None
) -> Build:
    """Bring ``features.<name>`` up to its inputs.

    ``inputs_version`` names the code that made the inputs: under another one all is built again.
    ``transform`` makes rows of the table from rows of its SELECT, where that is no set operation.
    """
    stamp = _stamp(table, inputs_version)
    with database.transaction() as connection:
        connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (table.address,))
        connection.execute(f"set local work_mem = '{WORK_MEMORY}'")
        # inputs may be so fresh that nothing is known of them; a loop over them for each row would take for ever
        connection.execute("set local enable_nestloop = off")
        full = _prepare(connection, table, stamp)
        _current_units(connection, table)
        rebuilt = _dirty_units(connection, table)
        if rebuilt:
            _renew(connection, table, full, transform)
        if full:
            _finish(connection, table, stamp)
        if rebuilt or full:
            connection.execute(f"analyze {table.address}")
        (rows,) = connection.execute(f"select count(*) from {table.address}").fetchone() or (0,)
        (units,) = connection.execute("select count(*) from current_units").fetchone() or (0,)
    return Build(rows, units, rebuilt, full)


def _stamp(table: FeatureTable, inputs_version: str) -> str:
    made_of = (table.create(table.address), table.select, table.version, table.unit.value, inputs_version)
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16]


def _units_of(table: FeatureTable) -> str:
    return f"{table.address}__units"


def _prepare(connection: Connection, table: FeatureTable, stamp: str) -> bool:
    """Make empty tables where the declaration or what stands behind the inputs changed; returns whether it did."""
    (found,) = connection.execute(
        "select obj_description(to_regclass(%s), 'pg_class')", (table.address,)
    ).fetchone() or (None,)
    units = _units_of(table)
    (there,) = connection.execute("select to_regclass(%s) is not null", (units,)).fetchone() or (False,)
    if found == stamp and there:
        return False
    connection.execute(f"drop table if exists {table.address}")
    connection.execute(f"drop table if exists {units}")
    connection.execute(table.create(table.address))
    connection.execute(
        f"create table {units} (subject text not null, month timestamptz not null, item text not null,"
        " digest numeric not null)"
    )
    return True


def _of_input(key: str, asset: str) -> str:
    """SQL of a unit's key over a row ``i`` of an input."""
    when = BY_ASSET[asset].when if asset in BY_ASSET else "time"
    return f"coalesce(date_trunc('month', i.{when}), {_NO_MONTH})" if key == "month" else f"i.{key}"


def _of_output(key: str, table: FeatureTable) -> str:
    """SQL of a unit's key over a row ``o`` of the table."""
    return f"coalesce(date_trunc('month', o.{table.when}), {_NO_MONTH})" if key == "month" else f"o.{key}"


def _current_units(connection: Connection, table: FeatureTable) -> None:
    """The temporary table ``current_units``: each unit with the digest of what is in it."""
    keys = _KEYS[table.unit]
    parts = []
    for number, asset in enumerate(table.inputs.values()):
        columns = [
            f"{_of_input(k, asset) if k in keys else nothing} as {k}" for k, nothing in _NOTHING.items()
        ]
        # what stands behind an event's id does not change; a row of a feature table has no id
        digest = (
            f"hash_record_extended(i, {number})"
            if asset in BY_ASSET
            else f"uuid_hash_extended(i.event_id, {number})"
        )
        parts.append(
            f"select {', '.join(columns)}, sum({digest}) as digest from {address_of(asset)} i group by 1, 2, 3"
        )
    connection.execute(
        "create temp table current_units on commit drop as"
        " select subject, month, item, sum(digest) as digest"
        f" from ({' union all '.join(parts)}) u group by 1, 2, 3"
    )


def _dirty_units(connection: Connection, table: FeatureTable) -> int:
    """The temporary tables ``dirty``, units to be built again, and ``reads``, those whose events that takes."""
    connection.execute(
        "create temp table dirty on commit drop as select subject, month, item"
        f" from current_units c full join {_units_of(table)} u using (subject, month, item)"
        " where c.digest is distinct from u.digest"
    )
    around = "(values ('-1 month'::interval), ('0 months'), ('1 month')) near(by)"
    if table.unit is Unit.MONTH:
        connection.execute(
            "insert into dirty select distinct subject, month + by, item"
            f" from dirty, {around} where isfinite(month) except select * from dirty"
        )
        connection.execute(
            "create temp table reads on commit drop as select distinct subject, month + by as month, item"
            f" from dirty, {around} where isfinite(month) union select * from dirty"
        )
    else:
        connection.execute("create temp table reads on commit drop as select * from dirty")
    connection.execute("analyze dirty")
    connection.execute("analyze reads")
    # beside those that hold something there are neighbours that hold nothing
    (count,) = connection.execute(
        f"select count(*) from dirty d where exists (select from {_units_of(table)} u where {_SAME_UNIT})"
        f" or exists (select from current_units u where {_SAME_UNIT})"
    ).fetchone() or (0,)
    return int(count)


def _relation(asset: str, unit: Unit) -> str:
    """The events of the units in ``reads``."""
    match = " and ".join(f"r.{k} = {_of_input(k, asset)}" for k in _KEYS[unit]) or "true"
    return f"(select i.* from {address_of(asset)} i where exists (select from reads r where {match}))"


def _renew(connection: Connection, table: FeatureTable, full: bool, transform: Transform | None) -> None:
    """Replace the rows of dirty units, and note the units' digests."""
    # events come by index in the order of subject and time: sorting the little that is left beats a hash that spills
    connection.execute("set local enable_hashagg = off")
    if full:
        _fill(connection, table, transform)
    else:
        _replace(connection, table, transform)
    connection.execute("set local enable_hashagg = on")
    units = _units_of(table)
    connection.execute(f"delete from {units} u using dirty d where {_SAME_UNIT}")
    connection.execute(
        f"insert into {units} select u.* from current_units u where exists (select from dirty d where {_SAME_UNIT})"
    )


def _fill(connection: Connection, table: FeatureTable, transform: Transform | None) -> None:
    """All rows of an empty table."""
    query = table.query({name: address_of(asset) for name, asset in table.inputs.items()})
    if transform is not None:
        _transformed(connection, table, query, transform)
        return
    # a table that a SELECT makes is filled by all cores, one that an INSERT fills by a single one
    typed = ", ".join(f"{c.name}::{TYPES[c.type]} as {c.name}" for c in table.columns)
    connection.execute(f"drop table {table.address}")
    connection.execute(f"create table {table.address} as select {typed} from ({query}) made")
    for column in table.derived:
        connection.execute(f"alter table {table.address} add column {column}")


def _replace(connection: Connection, table: FeatureTable, transform: Transform | None) -> None:
    """The rows of dirty units, from the events of the units in ``reads``."""
    keys, names = _KEYS[table.unit], ", ".join(column.name for column in table.columns)
    within = " and ".join(f"d.{k} = {_of_output(k, table)}" for k in keys) or "true"
    connection.execute(f"delete from {table.address} o using dirty d where {within}")
    query = table.query({name: _relation(asset, table.unit) for name, asset in table.inputs.items()})
    if transform is not None:
        _transformed(connection, table, query, transform)
        return
    if table.unit is Unit.MONTH:  # what was read around them was built before
        query = f"select o.* from ({query}) o where exists (select from dirty d where {within})"
    connection.execute(f"insert into {table.address} ({names}) select {names} from ({query}) made")


def _transformed(connection: Connection, table: FeatureTable, query: str, transform: Transform) -> None:
    names = ", ".join(column.name for column in table.columns)
    with connection.cursor("source_rows") as source:
        source.execute(query)
        while rows := source.fetchmany(FETCH):
            with connection.cursor().copy(f"copy {table.address} ({names}) from stdin") as copy:
                for row in transform(rows):
                    copy.write_row(row)


def _finish(connection: Connection, table: FeatureTable, stamp: str) -> None:
    """The index by which rows are asked for, and the words of the declaration."""
    connection.execute(f"set local maintenance_work_mem = '{INDEX_MEMORY}'")
    names = {column.name for column in table.columns}
    if "subject" in names:
        then = [name for name in ("source", "known_at") if name in names]
        connection.execute(f"create index on {table.address} ({', '.join(['subject', *then])})")
    else:  # an item may be longer than a tree's page takes
        connection.execute(f"create index on {table.address} using hash (item)")
    for index in table.indexes:
        connection.execute(f"create index on {table.address} {index}")
    for column in table.columns:
        about = column.about.replace("'", "''")
        connection.execute(f"comment on column {table.address}.{column.name} is '{about}'")
    connection.execute(f"comment on table {table.address} is '{stamp}'")
