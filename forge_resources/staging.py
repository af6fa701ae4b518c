"""Rows of an export that is being read: loaded part by part, kept over an interruption, published as a whole.

Staging tables are unlogged: a crash of the server empties them and the list of parts alike, and reading starts
again; any other interruption leaves the parts that were committed, and reading goes on after them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forge_core import events, identity, sources
from forge_core.sources import MemberReport, Options, Part
from forge_resources.postgres import Database

if TYPE_CHECKING:
    from psycopg import Connection

COMMIT_SECONDS = 2.0  # parts that were loaded since the last commit are lost by an interruption


class Staging:
    """The staging tables of one export; hold its lock while you use them (``Database.lock``)."""

    def __init__(self, database: Database, partition: str, options: Options) -> None:
        self.database, self.partition = database, partition
        self.fingerprint = f"{options.part_bytes}-{readers_version()}"
        self.kinds: set[str] = set()
        self.done: dict[tuple[str, int], list[MemberReport]] = {}

    def table(self, kind: str) -> str:
        return f"staging.{self.partition.replace('-', '_')}_{kind}"

    def resume(self) -> None:
        """Find what was committed before, in ``done``; whatever other readers or limits left is dropped."""
        with self.database.transaction() as connection:
            found = connection.execute(
                "select member, part, fingerprint, reports from staging.parts where partition = %s",
                (self.partition,),
            ).fetchall()
            if not found or any(fingerprint != self.fingerprint for _, _, fingerprint, _ in found):
                self.drop(connection)
                return
            self.done = {
                (member, part): [MemberReport.of(one) for one in reports]
                for member, part, _, reports in found
            }
            self.kinds = {kind for kind in events.KINDS if self._exists(connection, kind)}

    def _exists(self, connection: Connection, kind: str) -> bool:
        row = connection.execute("select to_regclass(%s) is not null", (self.table(kind),)).fetchone()
        return bool(row and row[0])

    def load(self, parts: Iterator[Part]) -> Iterator[Part]:
        """Load parts as they come, a few to a transaction; yields each once its rows are in."""
        with self.database.arrow() as cursor:
            cursor.execute("set synchronous_commit = off")
            since = time.monotonic()
            for part in parts:
                for batch in part.batches:
                    self._load(cursor, batch, part.number)
                if part.number != sources.REST:  # what was dropped while cutting is found again
                    self._note(cursor, part)
                yield part
                if time.monotonic() - since > COMMIT_SECONDS:
                    cursor.connection.commit()
                    since = time.monotonic()

    def _load(self, cursor: Any, batch: sources.Batch, number: int) -> None:
        import pyarrow as pa

        schema, _, name = self.table(batch.kind).partition(".")
        if batch.kind not in self.kinds:
            columns = ", ".join(f"{c.name} {events.TYPES[c.type]}" for c in events.reader_columns(batch.kind))
            cursor.execute(
                f"create unlogged table if not exists {schema}.{name}"
                f" (event_id uuid generated always as ({identity.first_id(batch.kind)}) stored,"
                f" member text, part int, source text, label text, {columns})"
            )
            self.kinds.add(batch.kind)
        size = batch.rows.num_rows
        table = pa.Table.from_batches([batch.rows])
        for column, value in (("member", batch.member), ("source", batch.source)):
            table = table.append_column(column, pa.repeat(pa.scalar(value, pa.string()), size))
        table = table.append_column("part", pa.repeat(pa.scalar(number, pa.int32()), size))
        if batch.labels is not None:
            table = table.append_column("label", batch.labels)
        cursor.adbc_ingest(name, table, mode="append", db_schema_name=schema)

    def _note(self, cursor: Any, part: Part) -> None:
        reports = json.dumps([report.as_dict() for report in part.reports])
        cursor.execute(
            "insert into staging.parts (partition, member, part, fingerprint, reports)"
            " values ($1, $2, $3, $4, $5::jsonb)",
            (self.partition, part.member, part.number, self.fingerprint, reports),
        )

    def drop(self, connection: Connection) -> None:
        """Forget all of it."""
        drop(connection, self.partition)
        self.kinds = set()


def drop(connection: Connection, partition: str) -> None:
    """Drop what was staged of an export, if anything."""
    for kind in events.KINDS:
        connection.execute(f"drop table if exists staging.{partition.replace('-', '_')}_{kind}")
    connection.execute("delete from staging.parts where partition = %s", (partition,))


@cache
def readers_version() -> str:
    """A hash of the code that makes staged rows: parts that other code read are read again."""
    total = hashlib.sha256()
    readers = sorted(Path(next(iter(sources.__path__))).rglob("*.py"))
    for path in (Path(str(identity.__file__)), Path(str(events.__file__)), *readers):
        total.update(path.read_bytes())
    return total.hexdigest()[:16]
