"""When people are active and how long they are silent, per stream: a subject's events of one kind from one source.

Everything is counted in the database; what comes out are sums over people. Days are UTC days; a silence is
the number of days from one day with events to the next, so somebody active every day has silences of 1.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from forge_core import events
from forge_resources.exports import Export
from forge_resources.postgres import Database

if TYPE_CHECKING:
    from psycopg import Connection

ENOUGH_DAYS = 20  # active days that a rhythm can be told from; with fewer there is too little to say
WEEK = 7  # a week away is a holiday, whatever the rhythm
# A gap is more than three times what 95 % of the stream's silences are: the gaps that are looked for are among
# them, and less than 5 %.
GAP = f"greatest({WEEK}, 3 * usual)"
# A stream has stopped when it is silent for more than three times its 99th percentile. The percentile alone
# would call 1 to 20 % of sound streams stopped, because the last silence is cut out of a longer one at random.
STOPPED = f"greatest({WEEK}, 3 * rare)"

_REACHES = """create table if not exists forge.reaches (until timestamptz not null,
    partition text primary key references forge.exports on delete cascade)"""


@dataclass(frozen=True)
class Source:
    """The streams of one source: how many, their life, their silences in days."""

    source: str
    subjects: int
    rows: int
    first_day: date | None
    last_day: date | None
    days: int  # on which anybody was active
    usual: float | None  # the middle stream's 95th percentile of silences
    longest: int | None
    gaps: int  # silences longer than expected
    judged: int  # streams with days enough
    stopped: int  # of those, silent for too long when their newest export was made
    until: date | None  # when that was


@dataclass(frozen=True)
class Rhythm:
    """Rows per day of a table of events, and what is known of its sources."""

    days: Mapping[date, int]
    sources: Sequence[Source]

    @property
    def judged(self) -> int:
        return sum(source.judged for source in self.sources)

    @property
    def stopped(self) -> int:
        return sum(source.stopped for source in self.sources)


def rhythm(database: Database, kind: str) -> Rhythm:
    """The rhythm of ``clean.<kind>``."""
    with database.transaction() as connection:
        connection.execute(_REACHES)
        connection.execute(
            "create temp table active on commit drop as select subject, source, time::date as day,"
            f" count(*) as events from clean.{kind} group by 1, 2, 3"
        )
        connection.execute(
            "create temp table streams on commit drop as"
            " select subject, source, count(*) as days, max(silence) as longest, max(day) as last_day,"
            "  percentile_cont(0.95) within group (order by silence) as usual,"
            "  percentile_cont(0.99) within group (order by silence) as rare"
            " from (select *, day - lag(day) over (partition by subject, source order by day) as silence"
            # what is planned says nothing of how often somebody plans
            "  from active where day <= current_date) silences group by 1, 2"
        )
        days = connection.execute(
            "select day, sum(events)::bigint from active where day is not null group by 1 order by 1"
        )
        return Rhythm(dict(days.fetchall()), _sources(connection, kind))


def _sources(connection: Connection, kind: str) -> list[Source]:
    # an event belongs to the export it came with first: newer ones of the same making that hold this kind
    # show that the stream was still looked for
    rows = connection.execute(
        f"""
        with reaches as (
          select partition, max(until) over (partition by coalesce(s.name, partition)) as until
          from forge.reaches left join forge.sets s using (partition)),
        ends as (
          select seen.subject, seen.source, max(r.until)::date as until
          from (select distinct subject, source, export from clean.{kind}) seen
          join forge.exports first on first.partition = seen.export
          join forge.exports other on other.subject = first.subject and other.source = first.source
          join forge.publications p on p.partition = other.partition and p.kind = %s and p.rows > 0
          join reaches r on r.partition = other.partition
          group by 1, 2),
        gaps as (
          select source, count(*) as gaps from (
            select subject, source, day - lag(day) over (partition by subject, source order by day) as silence
            from active where day <= current_date) a
          join streams s using (subject, source)
          where s.days >= {ENOUGH_DAYS} and silence > {GAP} group by 1),
        judged as (
          select source, count(*) filter (where days >= {ENOUGH_DAYS}) as judged, max(longest) as longest,
            percentile_cont(0.5) within group (order by usual) as usual, max(until) as until,
            count(*) filter (where days >= {ENOUGH_DAYS} and until - last_day > {STOPPED}) as stopped
          from streams left join ends using (subject, source) group by 1)
        select a.source, count(distinct a.subject), sum(a.events)::bigint, min(a.day), max(a.day),
          count(distinct a.day), min(j.usual), min(j.longest), coalesce(min(g.gaps), 0),
          coalesce(min(j.judged), 0), coalesce(min(j.stopped), 0), min(j.until)
        from active a left join judged j using (source) left join gaps g using (source)
        group by 1 order by 3 desc, 1
        """,
        (kind,),
    )
    return [Source(*row) for row in rows.fetchall()]


def note_reaches(database: Database, exports: Sequence[Export]) -> None:
    """Remember until when exports could have told of something: when they were made, or their last event."""
    partitions = [export.partition for export in exports]
    last: dict[str, datetime] = {}
    with database.transaction() as connection:
        connection.execute(_REACHES)
        for kind in events.KINDS:
            if events.KINDS[kind].planned:
                continue
            for partition, until in connection.execute(
                f"select export, max(time) from raw.{kind} where export = any(%s) and time is not null group by 1",
                (partitions,),
            ):
                last[partition] = max(until, last.get(partition, until))
        for export in exports:
            ends = [end for end in (made(export.path), last.get(export.partition)) if end]
            if ends:
                connection.execute(
                    "insert into forge.reaches (partition, until) values (%s, %s)"
                    " on conflict (partition) do update set until = excluded.until",
                    (export.partition, max(ends)),
                )


def made(path: Path) -> datetime | None:
    """The newest date in a zip, which is when it was packed, give or take a time zone; None elsewhere."""
    try:
        with zipfile.ZipFile(path) as archive:
            newest = max((member.date_time for member in archive.infolist()), default=(1980,))
        found = datetime(*newest).replace(tzinfo=UTC)
    except (OSError, ValueError, TypeError, zipfile.BadZipFile):
        return None
    # our own copies of folders carry the zip format's first day; nothing is made in the future
    return found if datetime(1981, 1, 1, tzinfo=UTC) < found < datetime.now(UTC) + timedelta(days=1) else None
