"""From a registered export to rows in raw: staged first, published in one transaction, or not at all.

Publishing the same export again changes nothing. A newer, overlapping export adds only what is new: an
event belongs to the export it first arrived with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from forge_core import archives, events, identity, sources
from forge_core.errors import ForgeError
from forge_resources.exports import Export, Exports
from forge_resources.postgres import Database


@dataclass(frozen=True)
class Publication:
    """One kind of one export: its events, those that no earlier export had, and a hash of its rows."""

    kind: str
    rows: int
    new_rows: int
    digest: str


@dataclass(frozen=True)
class Published:
    """The outcome of one export; ``error`` is set where it was refused and nothing was published."""

    export: Export
    kinds: dict[str, Publication]
    quarantined: int
    error: ForgeError | None = None


def publish(
    database: Database, exports: Exports, export: Export, progress: Callable[[int], None] = lambda rows: None
) -> Published:
    """Read the export's copy and publish it; a bad archive is recorded as refused and never raises."""
    report = sources.ReadReport()
    try:
        with archives.open_archive(export.path, exports.limits) as archive, database.arrow() as cursor:
            # two runs of one export wait for each other; the lock ends with the transaction
            cursor.execute(f"select pg_advisory_xact_lock(hashtextextended('{export.partition}', 0))")
            cursor.fetchall()
            survey = sources.survey(archive, export.subject)
            staged = _stage(cursor, sources.read(archive, survey, export.subject, report), progress)
            for name in report.broken:  # a damaged member may come to light after some of its rows
                for kind in staged:
                    cursor.execute(f"delete from staging_{kind} where member = $1", (name,))
            kinds = {
                kind: _publish_kind(cursor, kind, export.partition, kind in staged) for kind in events.KINDS
            }
            cursor.execute(
                "update forge.exports set status = 'published', code = null, reason = null, published_at = now()"
                f" where partition = '{export.partition}'"
            )
    except ForgeError as error:
        exports.refuse(export.partition, error)
        return Published(export, {}, 0, error)
    exports.record_members(export.partition, list(report.members.values()))
    return Published(export, kinds, sum(report.total("quarantined").values()))


def _stage(cursor: Any, batches: Any, progress: Callable[[int], None]) -> set[str]:
    """Load all batches into temporary tables, one per kind; returns the kinds that came."""
    import pyarrow as pa

    staged: set[str] = set()
    rows = 0
    for batch in batches:
        name = f"staging_{batch.kind}"
        if batch.kind not in staged:
            columns = ", ".join(f"{c.name} {events.TYPES[c.type]}" for c in events.reader_columns(batch.kind))
            cursor.execute(f"drop table if exists pg_temp.{name}")
            cursor.execute(f"create temp table {name} (member text, source text, {columns}) on commit drop")
            staged.add(batch.kind)
        size = batch.rows.num_rows
        table = pa.Table.from_batches([batch.rows])
        table = table.append_column("member", pa.array([batch.member] * size, pa.string()))
        table = table.append_column("source", pa.array([batch.source] * size, pa.string()))
        cursor.adbc_ingest(name, table, mode="append", temporary=True)
        rows += size
        progress(rows)
    return staged


def _publish_kind(cursor: Any, kind: str, partition: str, staged: bool) -> Publication:
    """Move one staged kind into raw. ``partition`` has passed ``check_partition_key``, so it may stand in SQL."""
    columns = ", ".join(c.name for c in events.columns(kind) if c.name != "export")
    rows = new = 0
    if staged:
        cursor.execute(
            f"create temp table events_{kind} on commit drop as {identity.select(kind, f'staging_{kind}')}"
        )
        rows = _number(cursor, f"select count(*) from events_{kind}")
        new = _number(
            cursor,
            f"with added as (insert into raw.{kind} (export, {columns}) select '{partition}', {columns}"
            f" from events_{kind} on conflict (event_id) do nothing returning 1) select count(*) from added",
        )
    gone = f"and event_id not in (select event_id from events_{kind})" if staged else ""
    cursor.execute(f"delete from raw.{kind} where export = '{partition}' {gone}")
    cursor.execute(
        f"select count(*)::text, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text"
        f" from raw.{kind} t where export = '{partition}'"
    )
    digest = hashlib.sha256(repr(cursor.fetchall()).encode()).hexdigest()[:16]
    cursor.execute(
        f"insert into forge.publications values ('{partition}', '{kind}', {rows}, {new}, '{digest}')"
        " on conflict (partition, kind) do update set rows = excluded.rows, new_rows = excluded.new_rows,"
        " digest = excluded.digest, published_at = now()"
    )
    return Publication(kind, rows, new, digest)


def _number(cursor: Any, query: str) -> int:
    cursor.execute(query)
    return int(cursor.fetchall()[0][0])
