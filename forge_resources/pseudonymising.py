"""From raw to clean inside PostgreSQL: consent decides which rows, the identifier class how a column changes.

Only tokens are made outside, one per distinct value of what has consent, in chunks: memory stays the same for
any number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from forge_core import events
from forge_core.events import Column, Identifier
from forge_core.privacy.pseudonyms import Pseudonymiser
from forge_resources import visits
from forge_resources.consent import allowed
from forge_resources.postgres import Database

if TYPE_CHECKING:
    from psycopg import Connection

CELL_DIGITS = 2  # a hundredth of a degree: about a kilometre north to south
CHUNK = 20_000  # values that are in memory at a time
KNOWN = 100_000  # tokens that are kept: the same people write and are written to
WORK_MEMORY = "128MB"  # for one hash or sort; more goes to disk

# An item that is made of coordinates would tell what the coarsened columns do not: ``point:41.42162,2.16848``.
_DEGREES = r"-?[0-9]{1,3}(?:\.[0-9]{1,20})?"
_COARSE_ITEM = f"""case when r.item ~ '^[a-z]{{1,20}}:{_DEGREES},{_DEGREES}$' then
  split_part(r.item, ':', 1) || ':' || round(split_part(split_part(r.item, ':', 2), ',', 1)::numeric, {CELL_DIGITS})
  || ',' || round(split_part(r.item, ',', 2)::numeric, {CELL_DIGITS}) else r.item end"""


def rebuild_clean(database: Database, pseudonyms: Pseudonymiser, kind: str) -> int:
    """Replace ``clean.<kind>`` in one transaction by what consent lets through; returns the rows derived."""
    with database.transaction() as connection:
        connection.execute(f"set local work_mem = '{WORK_MEMORY}'")
        # raw may be so fresh that nothing is known of it; a loop over it for each row would take for ever
        connection.execute("set local enable_nestloop = off")
        _consented(connection, pseudonyms, kind)
        joins, values = "", {}
        for column in events.columns(kind):
            replace = pseudonyms.for_class(column.identifier)
            if replace is not None and column.name != "subject":
                _tokens(connection, kind, column, replace)
                joins += f" left join tokens_{column.name} on tokens_{column.name}.plain = r.{column.name}"
            values[column.name] = _value(kind, column, replace is not None)
        connection.execute(f"drop table if exists clean.{kind}")
        connection.execute(events.create_table(kind, "clean"))
        # an index that is built at the end costs a fraction of one that is kept up row by row
        connection.execute(f"alter table clean.{kind} drop constraint {kind}_pkey")
        connection.execute(
            f"insert into clean.{kind} ({', '.join(values)}) select {', '.join(values.values())}"
            f" from raw.{kind} r join consented on consented.subject = r.subject and consented.source = r.source"
            # in the order in which features are made of them: by index then, without sorting it again for each
            f"{joins} order by consented.token, r.source, r.time, r.sequence"
        )
        derived = visits.derive(connection, CELL_DIGITS) if kind == "place" else 0
        connection.execute(f"alter table clean.{kind} add constraint {kind}_pkey primary key (event_id)")
        connection.execute(f"create index {kind}_life on clean.{kind} (subject, source, time, sequence)")
        connection.execute(f"analyze clean.{kind}")
    return derived


def _consented(connection: Connection, pseudonyms: Pseudonymiser, kind: str) -> None:
    """The temporary table ``consented``: pairs of subject and source that may be used, with the token."""
    connection.execute("create temp table consented (subject text, source text, token text) on commit drop")
    pairs = connection.execute(f"select distinct subject, source from raw.{kind}").fetchall()
    _copy(connection, "consented", ((s, source, pseudonyms.person(s)) for s, source in pairs))
    connection.execute(f"delete from consented pair where not ({allowed('pair.token', 'pair.source')})")
    connection.execute("analyze consented")


def _tokens(connection: Connection, kind: str, column: Column, replace: Callable[[str], str]) -> None:
    """The temporary table ``tokens_<column>`` from each plain value, or list of values, to its tokens."""
    token = lru_cache(KNOWN)(replace)
    table, type_ = f"tokens_{column.name}", events.TYPES[column.type]
    # no primary key: a value may be longer than an index takes, and a hash needs none
    connection.execute(f"create temp table {table} (plain {type_}, token {type_}) on commit drop")
    with connection.cursor(f"plain_{column.name}", binary=True) as cursor:
        cursor.execute(
            f"select distinct r.{column.name} from raw.{kind} r join consented using (subject, source)"
            f" where r.{column.name} is not null"
        )
        while found := cursor.fetchmany(CHUNK):
            if column.type == "texts":
                rows: Iterator[Any] = ((v, [token(one) for one in v if one is not None]) for (v,) in found)
            else:
                rows = ((v, token(v)) for (v,) in found)
            _copy(connection, table, rows)
    connection.execute(f"analyze {table}")


def _copy(connection: Connection, table: str, rows: Iterator[Sequence[Any]]) -> None:
    with connection.cursor().copy(f"copy {table} from stdin") as copy:
        for row in rows:
            copy.write_row(row)


def _value(kind: str, column: Column, keyed: bool) -> str:
    """SQL of a column of clean over a row ``r`` of raw."""
    if column.name == "item" and kind == "place":
        return _COARSE_ITEM
    if column.name == "subject":
        return "consented.token"
    if keyed:
        return f"tokens_{column.name}.token"
    if column.identifier is Identifier.PLACE:
        return f"round(r.{column.name}::numeric, {CELL_DIGITS})::float8"
    return f"r.{column.name}"
