"""From a registered export to rows in raw: staged part by part, published in one transaction, or not at all.

Publishing the same export again changes nothing. A newer, overlapping export adds only what is new: an
event belongs to the export it first arrived with.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from forge_core import archives, events, identity, sources
from forge_core.errors import ForgeError
from forge_core.sources import ReadReport
from forge_resources.exports import Export, Exports
from forge_resources.outcomes import Outcomes
from forge_resources.postgres import Database
from forge_resources.staging import Staging

if TYPE_CHECKING:
    from psycopg import Connection


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
    report: ReadReport = field(default_factory=ReadReport)
    resumed: int = 0  # parts that an earlier, interrupted run had read
    error: ForgeError | None = None

    @property
    def reasons(self) -> Counter[str]:
        """Broken records, by reason."""
        return self.report.total("quarantined")

    @property
    def quarantined(self) -> int:
        return sum(self.reasons.values())


@dataclass(frozen=True)
class Progress:
    """How far reading is: bytes as they lie unpacked."""

    bytes: int
    total: int
    rows: int
    seconds: float

    def __str__(self) -> str:
        done, total = self.bytes / 1e6, max(self.total, self.bytes) / 1e6
        speed = self.rows / self.seconds if self.seconds else 0
        left = (total - done) / done * self.seconds if done else 0
        return f"read {done:,.0f} of {total:,.0f} MB, {self.rows:,} rows, {speed:,.0f} rows/s, {left:,.0f} s left"


def publish(
    database: Database,
    exports: Exports,
    export: Export,
    progress: Callable[[Progress], None] = lambda now: None,
    workers: int | None = None,
) -> Published:
    """Read the export's copy and publish it; a bad archive is recorded as refused and never raises.

    Parts are parsed in ``workers`` processes (default: one per core) while earlier ones are loaded.
    """
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    # two runs of one export wait for each other
    with database.lock(f"export {export.partition}"):
        staging = Staging(database, export.partition, exports.options)
        try:
            report, resumed = _stage(staging, exports, export, progress, workers)
        except ForgeError as error:
            exports.refuse(export.partition, error)
            return Published(export, {}, error=error)
        with database.transaction() as connection:
            connection.execute("set local work_mem = '128MB'")
            for name in report.broken:  # a damaged member may come to light after some of its rows
                for kind in staging.kinds:
                    connection.execute(f"delete from {staging.table(kind)} where member = %s", (name,))
            again = export.status == "published"
            kinds = {kind: _publish_kind(connection, staging, kind, again) for kind in events.KINDS}
            connection.execute(
                "update forge.exports set status = 'published', code = null, reason = null,"
                " published_at = now() where partition = %s",
                (export.partition,),
            )
            Outcomes.record(connection, export.partition, list(report.members.values()))
            staging.drop(connection)
    return Published(export, kinds, report, resumed)


def _stage(
    staging: Staging, exports: Exports, export: Export, progress: Callable[[Progress], None], workers: int
) -> tuple[ReadReport, int]:
    """Read all parts that are not staged yet; what became of each member, and how many parts were."""
    report = ReadReport()
    staging.resume()
    with archives.open_archive(export.path, exports.limits, export.name) as archive:
        survey = sources.survey(archive, export.subject, exports.options)
        claimed = {name for claim in survey.claims for name in claim.members}
        total = sum(member.size for member in archive.members if member.name in claimed)
        sources.begin(report, survey)
        for reports in staging.done.values():
            report.add(reports)
        parts = sources.parts(
            archive, survey, export.subject, exports.options, staging.done.__contains__, workers
        )
        read, rows, began = 0, sum(report.total("rows").values()), time.monotonic()
        for part in staging.load(parts):
            report.add(part.reports)
            read += part.bytes
            rows += sum(sum(one.rows.values()) for one in part.reports)
            progress(Progress(read, total, rows, time.monotonic() - began))
        sources.settle(report, survey)
    return report, len(staging.done)


def _publish_kind(connection: Connection, staging: Staging, kind: str, again: bool) -> Publication:
    """Move one staged kind into raw; ``again``: it was published before, perhaps by other readers."""
    partition, staged = staging.partition, kind in staging.kinds
    rows = new = 0
    if staged:
        found = _events(connection, staging.table(kind), kind)
        rows, new = _insert(connection, found, kind, partition)
        # what a public set says of its events stands beside them, never among their columns
        connection.execute(
            "insert into reference.event_labels (event_id, kind, export, label)"
            f" select event_id, %s, %s, label from ({found}) found where label is not null"
            " on conflict (event_id) do nothing",
            (kind, partition),
        )
    if again:
        gone = f"and not exists (select from ({found}) f where f.event_id = r.event_id)" if staged else ""
        connection.execute(f"delete from raw.{kind} r where export = %s {gone}", (partition,))
    digest = _digest(connection, kind, partition)
    connection.execute(
        "insert into forge.publications (partition, kind, rows, new_rows, digest) values (%s, %s, %s, %s, %s)"
        " on conflict (partition, kind) do update set rows = excluded.rows, new_rows = excluded.new_rows,"
        " digest = excluded.digest, published_at = now()",
        (partition, kind, rows, new, digest),
    )
    return Publication(kind, rows, new, digest)


def _events(connection: Connection, table: str, kind: str) -> str:
    """A query of the staged events of a kind, each once."""
    columns = [column.name for column in events.columns(kind) if column.name not in ("event_id", "export")]
    names = ", ".join(f"s.{name}" for name in (*columns, "label"))
    connection.execute(f"analyze {table} (event_id)")
    some = connection.execute(
        f"create temp table contested_{kind} on commit drop as {identity.contested(table)}"
    ).rowcount
    if not some:
        return f"select s.event_id, {names} from {table} s"
    connection.execute(
        f"create temp table chosen_{kind} on commit drop as {identity.chosen(kind, table, f'contested_{kind}')}"
    )
    connection.execute(f"analyze contested_{kind}")
    connection.execute(f"analyze chosen_{kind}")
    return (
        f"select s.event_id, {names} from {table} s"
        f" where not exists (select from contested_{kind} c where c.event_id = s.event_id)"
        f" union all select c.event_id, {names} from {table} s join chosen_{kind} c on c.place = s.ctid"
    )


def _insert(connection: Connection, found: str, kind: str, partition: str) -> tuple[int, int]:
    """(events that were found, those that were not in raw before)."""
    columns = ", ".join(column.name for column in events.columns(kind) if column.name != "export")
    insert = f"insert into raw.{kind} (export, {columns}) select %s, {columns} from ({found}) found"
    if is_empty(connection, kind):  # no log, and the indexes of all rows at once: a third of the time
        connection.execute(f"lock table raw.{kind} in access exclusive mode")
        if is_empty(connection, kind):
            with Database.without_indexes(connection, kind):
                new = connection.execute(insert, (partition,)).rowcount
            return new, new
    rows = int(connection.execute(f"select count(*) from ({found}) found").fetchone()[0])  # type: ignore[index]
    # in the order of the index
    return rows, connection.execute(
        f"{insert} order by event_id on conflict (event_id) do nothing", (partition,)
    ).rowcount


def is_empty(connection: Connection, kind: str) -> bool:
    """Whether a kind has no rows, nor room of deleted ones; holds no lock afterwards."""
    row = connection.execute("select pg_relation_size(%s::regclass) = 0", (f"raw.{kind}",)).fetchone()
    return bool(row and row[0])


def _digest(connection: Connection, kind: str, partition: str) -> str:
    """A hash of the rows that came with an export, whatever their order."""
    found = connection.execute(
        "select count(*)::text, coalesce(sum(hash_record_extended(t, 0)::numeric), 0)::text"
        f" from raw.{kind} t where export = %s",
        (partition,),
    ).fetchall()
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]
