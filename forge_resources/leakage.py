"""Does a feature table know the future? Rows are built again from a past that ends, and compared.

A row that was known at a moment must come out the same when nothing after that moment is there. Whatever looks
ahead (a total over all time, a window that reaches forward, a ``known_at`` that is too early) comes out
different, whatever its SQL looks like. It is asked of a sample of subjects or items, at several moments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forge_core import events
from forge_core.features import BY_ASSET, FeatureTable, Unit
from forge_core.keys import table as address_of
from forge_resources.postgres import Database

if TYPE_CHECKING:
    from psycopg import Connection

FEW, MANY = (0.3, 0.6, 0.9), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # quantiles of ``known_at``
SMALL = 10_000  # rows that may be built again that often
ROWS = 100_000  # of the table are looked at, or those of one subject
SPAN = "3 months"  # before a moment are read where rows rest on two months at most


@dataclass(frozen=True)
class Leakage:
    """How many rows were built again, and how many of them differ from those that are stored."""

    compared: int
    leaking: int
    moments: int


def leakage(database: Database, table: FeatureTable) -> Leakage:
    """Compare a sample of ``table`` with what its past alone gives. Needs ``point_in_time``."""
    with database.transaction() as connection:
        connection.execute("set local work_mem = '192MB'")
        connection.execute("set local enable_nestloop = off")
        key = "item" if table.unit is Unit.ITEM else "subject"
        _sample(connection, table, key)
        (rows,) = connection.execute(
            f"select count(*) from {table.address} join sampled using ({key})"
        ).fetchone() or (0,)
        moments = [
            moment
            for (moment,) in connection.execute(
                f"select distinct unnest(percentile_disc(%s::float8[]) within group (order by known_at))"
                f" from {table.address} join sampled using ({key}) where known_at is not null",
                (list(MANY if rows <= SMALL else FEW),),
            )
            if moment is not None
        ]
        compared = leaking = 0
        for moment in moments:
            rows, differing = _compare(connection, table, key, f"timestamptz '{moment.isoformat()}'")
            compared, leaking = compared + rows, leaking + differing
    return Leakage(compared, leaking, len(moments))


def _sample(connection: Connection, table: FeatureTable, key: str) -> None:
    """The temporary table ``sampled``: the smallest first, so that many are asked; one at least."""
    connection.execute(
        f"create temp table sampled on commit drop as select {key} from ("
        f" select {key}, rows, sum(rows) over (order by rows, {key}) as until"
        f" from (select {key}, count(*) as rows from {table.address} group by 1) n) n"
        f" where until <= {ROWS} or until = rows"
    )
    connection.execute("analyze sampled")


def _compare(connection: Connection, table: FeatureTable, key: str, moment: str) -> tuple[int, int]:
    """Rows known at ``moment``, and how many of them are other ones when nothing later is there."""
    names = ", ".join(column.name for column in table.columns)
    bounded = table.unit is Unit.MONTH
    then = f"o.known_at <= {moment}"
    if bounded:
        then += f" and o.{table.when} >= date_trunc('month', {moment}) - interval '1 month'"
    query = table.query(_past(table, key, moment, bounded))
    stored = f"select {names} from {table.address} o where {then} and o.{key} in (select {key} from sampled)"
    again = f"select {names} from ({query}) o where {then}"
    connection.execute(f"create temp table stored as {stored}")
    connection.execute(f"create temp table again as {again}")
    # a row that is kept up to date, as that of an item, may be known anew since: it is not stored as it was
    kept = (
        "select 0" if table.when is None else "select count(*) from (table again except all table stored) b"
    )
    (rows, differing) = connection.execute(
        "select (select count(*) from stored),"
        f" greatest((select count(*) from (table stored except all table again) a), ({kept}))"
    ).fetchone() or (0, 0)
    connection.execute("drop table stored, again")
    return int(rows), int(differing)


def _past(table: FeatureTable, key: str, moment: str, bounded: bool) -> Mapping[str, str]:
    """The inputs as they were at ``moment``: events of unknown time are always there."""
    relations = {}
    for name, asset in table.inputs.items():
        known = "known_at" if asset in BY_ASSET else "time"
        past = f"(i.{known} <= {moment} or i.{known} is null)"
        if bounded:
            past += f" and i.{known} >= date_trunc('month', {moment}) - interval '{SPAN}'"
        relations[name] = (
            f"(select {_columns(asset, moment)} from {address_of(asset)} i"
            f" where {past} and i.{key} in (select {key} from sampled))"
        )
    return relations


def _columns(asset: str, moment: str) -> str:
    """What goes on at ``moment`` ends later, and nobody knows when."""
    if asset in BY_ASSET:
        return "i.*"
    names = [column.name for column in events.columns(asset.partition("/")[2])]
    return ", ".join(
        f"least(i.end_time, {moment} + interval '1 microsecond') as end_time" if n == "end_time" else f"i.{n}"
        for n in names
    )
