"""PostgreSQL, the truth of a home: connections, Arrow in and out, tables rebuilt in one transaction.

Bulk data travels as Arrow through ADBC (binary COPY both ways); everything else through psycopg.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from forge_core import events
from forge_core.errors import ForgeError

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

SCHEMAS = (
    "forge",
    "governance",
    "staging",
    "raw",
    "clean",
    "features",
    "embeddings",
    "insights",
    "reference",
)

_INTERNAL = """
create table if not exists forge.home (only_row boolean primary key default true check (only_row),
    population text not null, since timestamptz not null default now());
create table if not exists forge.exports (partition text primary key, sha256 text not null, source text not null,
    subject text not null, file text not null, bytes bigint not null, registered_at timestamptz not null default now(),
    status text not null default 'registered', code text, reason text, published_at timestamptz, name text);
create table if not exists forge.sets (partition text primary key, name text not null, part int not null, total int);
create table if not exists forge.publications (partition text, kind text, rows bigint not null,
    new_rows bigint not null, digest text not null,
    published_at timestamptz not null default now(), primary key (partition, kind));
create table if not exists forge.members (partition text, member text, reader text, status text not null,
    rows bigint not null default 0, quarantined bigint not null default 0, reasons jsonb not null default '{}',
    reason text not null default '', passed_over jsonb not null default '{}', mended jsonb not null default '{}',
    primary key (partition, member));
create unlogged table if not exists staging.parts (partition text, member text, part int, fingerprint text not null,
    reports jsonb not null, primary key (partition, member, part));
create table if not exists reference.event_labels (event_id uuid primary key, kind text not null, export text not null,
    label text not null);
create table if not exists forge.versions (asset text primary key, state text not null, data_version text not null,
    code_version text not null, inputs jsonb not null, note text, run_id text,
    built_at timestamptz not null default now());
create table if not exists forge.spaces (space text primary key, model text not null, dimensions int not null,
    rows bigint not null, indexed text not null, ef_search int not null, rerank int not null, recall float8,
    version text not null, generation bigint not null default 0, changes bigint not null default 0,
    built_at timestamptz not null default now());
create or replace function forge.space_changed() returns trigger language plpgsql as $$
declare added bigint := 0;
begin
    if tg_op = 'INSERT' then select count(*) into added from come; end if;
    if tg_op = 'DELETE' then select -count(*) into added from gone; end if;
    update forge.spaces set rows = case tg_op when 'TRUNCATE' then 0 else rows + added end, changes = changes + 1,
        generation = generation + (tg_op in ('UPDATE', 'TRUNCATE'))::int, version = md5(version || tg_op || changes)
        where space = tg_table_name and (added <> 0 or tg_op in ('UPDATE', 'TRUNCATE'));
    return null;
end $$;
create table if not exists governance.consent (purpose text, subject text default '*', source text default '*',
    state text not null, granted_by text not null, at timestamptz not null default now(), expires timestamptz,
    primary key (purpose, subject, source));
create table if not exists governance.feedback (about text, item text, verdict text not null,
    time timestamptz not null default now(), subject text not null, source text not null, export text not null,
    primary key (about, item, time));
"""

# columns of forge.* that 0.1 did not have
_ADDED = (
    ("exports", "name", "text"),
    ("members", "reason", "text not null default ''"),
    ("members", "passed_over", "jsonb not null default '{}'"),
    ("members", "mended", "jsonb not null default '{}'"),
)


_EXPORT_INDEX = "create index if not exists {kind}_export on raw.{kind} (export)"


class Database:
    """One PostgreSQL database. Nothing connects before the first use."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        """A connection whose work is committed at the end, or not at all."""
        import psycopg

        try:
            connection = psycopg.connect(self.url, options="-c timezone=UTC")
        except psycopg.OperationalError:
            raise unreachable() from None
        try:
            with connection:
                yield connection
        except psycopg.Error as error:
            raise failed(type(error).__name__, error.sqlstate) from None

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a lock of this name over several transactions; it ends with this process at the latest."""
        with self.transaction() as connection:
            connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (name,))
            connection.commit()  # the lock is the session's: no transaction stays open for its sake
            yield

    @contextmanager
    def arrow(self) -> Iterator[Any]:
        """An ADBC cursor in one transaction: ``execute``, ``adbc_ingest``, ``fetch_arrow_table``."""
        import adbc_driver_manager as driver
        import adbc_driver_postgresql.dbapi as adbc

        try:
            with adbc.connect(self.url) as connection:
                with connection.cursor() as cursor:
                    cursor.execute("set timezone = 'UTC'")
                    yield cursor
                connection.commit()
        except driver.Error as error:
            raise failed(type(error).__name__, getattr(error, "sqlstate", None)) from None

    def ensure(self) -> None:
        """Create schemas and tables that are not there yet; safe to call at any time."""
        with self.transaction() as connection:
            connection.execute("select pg_advisory_xact_lock(4711)")  # two first starts at once
            for schema in SCHEMAS:
                connection.execute(f"create schema if not exists {schema}")
            connection.execute(_INTERNAL)
            for kind in events.KINDS:
                for layer in ("raw", "clean"):
                    connection.execute(events.create_table(kind, layer))
                connection.execute(_EXPORT_INDEX.format(kind=kind))
            self._add_columns(connection)

    @staticmethod
    @contextmanager
    def without_indexes(connection: psycopg.Connection, kind: str) -> Iterator[None]:
        """Nobody else uses ``raw.<kind>``, which has to be empty; its indexes are made of all rows at the end.

        A table that is emptied and filled in one transaction is not logged either (``wal_level = minimal``).
        """
        connection.execute(f"truncate raw.{kind}")
        connection.execute(f"alter table raw.{kind} drop constraint {kind}_pkey")
        connection.execute(f"drop index raw.{kind}_export")
        yield
        connection.execute(f"alter table raw.{kind} add primary key (event_id)")
        connection.execute(_EXPORT_INDEX.format(kind=kind))

    @staticmethod
    def _add_columns(connection: psycopg.Connection) -> None:
        """Give tables that an older version made the columns they lack: altering locks, so only those."""
        there = set(
            connection.execute(
                "select table_schema, table_name, column_name from information_schema.columns"
                " where table_schema in ('raw', 'clean', 'forge')"
            )
        )
        for table, name, declaration in _ADDED:
            if ("forge", table, name) not in there:
                connection.execute(f"alter table forge.{table} add column {name} {declaration}")
        for kind, declared in events.KINDS.items():
            for layer in ("raw", "clean"):
                for column in declared.columns:
                    if (layer, kind, column.name) not in there:
                        connection.execute(
                            f"alter table {layer}.{kind} add column {column.name} {events.TYPES[column.type]}"
                        )

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple]:
        """All rows of a small query."""
        with self.transaction() as connection:
            return connection.execute(query, parameters).fetchall()

    def value(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """The first column of the first row, or None."""
        found = self.rows(query, parameters)
        return found[0][0] if found else None

    def read(self, query: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """The result of a query as Arrow; ``query`` is SQL of our own, never built from input, which is ``$1``…"""
        with self.arrow() as cursor:
            cursor.execute(query, parameters or None)
            return cursor.fetch_arrow_table()

    def table(self, address: str) -> pa.Table:
        """A whole table as Arrow."""
        return self.read(f"select * from {address}")

    def exists(self, address: str) -> bool:
        return self.value("select to_regclass(%s) is not null", (address,))

    def write(self, address: str, rows: pa.Table) -> None:
        """Replace a table by ``rows`` in one transaction."""
        schema, _, name = address.partition(".")
        with self.arrow() as cursor:
            cursor.execute(f"create schema if not exists {schema}")
            cursor.adbc_ingest(name, rows, mode="replace", db_schema_name=schema)

    def rebuild(self, address: str, select: str, before: Iterable[str] = ()) -> None:
        """Replace a table by the result of ``select`` in one transaction; ``before`` runs first in it."""
        name = address.partition(".")[2]
        with self.transaction() as connection:
            for statement in before:
                connection.execute(statement)
            connection.execute(f"create table {address}__new as {select}")
            connection.execute(f"drop table if exists {address}")
            connection.execute(f"alter table {address}__new rename to {name}")

    def columns(self, address: str) -> list[str]:
        """The names of a table's columns, in order; none where there is no such table."""
        query = (
            "select column_name from information_schema.columns where table_schema = %s and table_name = %s"
            " order by ordinal_position"
        )
        return [name for (name,) in self.rows(query, tuple(address.split(".")))]

    def content_version(self, address: str, columns: Sequence[str] = ()) -> str:
        """A hash of a table's content, whatever the order of its rows: the asset's data version.

        ``columns``: of these alone.
        """
        row = f"row({', '.join(columns)})" if columns else "t"
        found = self.rows(
            f"select count(*), coalesce(sum(hash_record_extended({row}, 0)), 0),"
            f" coalesce(sum(hash_record_extended({row}, 1)), 0) from {address} t"
        )
        return hashlib.sha256(repr(found).encode()).hexdigest()[:16]

    def count(self, address: str, where: str = "true") -> int:
        return self.value(f"select count(*) from {address} where {where}")

    def find(self, subject: str | None = None, source: str | None = None) -> dict[str, int]:
        """Rows per table that carry the subject (plain in raw, pseudonym elsewhere) or the source."""
        found = {}
        for address, columns in self._personal_tables().items():
            wanted = {"subject": subject, "source": source}
            asked = {c: v for c, v in wanted.items() if v is not None}
            if set(asked) <= columns:
                where = " and ".join(f"{c} = %s" for c in asked)
                count = self.value(f"select count(*) from {address} where {where}", tuple(asked.values()))
                if count:
                    found[address] = count
        return found

    def erase(self, subject: str | None = None, source: str | None = None) -> dict[str, int]:
        """Delete what :meth:`find` finds, in one transaction; returns the rows deleted per table."""
        if subject is None and source is None:
            raise ValueError("erase needs a subject or a source")
        found = self.find(subject, source)
        asked = {c: v for c, v in {"subject": subject, "source": source}.items() if v is not None}
        where = " and ".join(f"{c} = %s" for c in asked)
        with self.transaction() as connection:
            for address in found:
                connection.execute(f"delete from {address} where {where}", tuple(asked.values()))
        return found

    def _personal_tables(self) -> dict[str, set[str]]:
        """Tables with a subject or source column outside Forge's own bookkeeping."""
        rows = self.rows(
            "select table_schema || '.' || table_name, column_name from information_schema.columns"
            " where (table_schema not in ('pg_catalog', 'information_schema', 'forge', 'governance')"
            " or table_schema = 'governance' and table_name = 'feedback')"
            " and column_name in ('subject', 'source') order by 1"
        )
        tables: dict[str, set[str]] = {}
        for address, column in rows:
            tables.setdefault(address, set()).add(column)
        return tables


def unreachable() -> ForgeError:
    return ForgeError(
        "FORGE-DATABASE-DOWN",
        "The database does not answer.",
        "The stack is not running or POSTGRES_URL points elsewhere.",
        "Start it with `forge up`, or look at `forge doctor`.",
    )


def failed(kind: str, sqlstate: str | None) -> ForgeError:
    """The driver's own words quote the row that failed, so they go no further than this."""
    return ForgeError(
        "FORGE-DATABASE",
        "The database refused a statement.",
        f"{kind}, SQLSTATE {sqlstate or 'unknown'}; nothing of its transaction was kept.",
        "Look at `forge doctor`; if the disk and the server are well, this is a fault of Forge.",
    )
