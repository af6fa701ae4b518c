"""Events told one at a time (``forge event``): kept in ``online.events`` until an export brings them too.

They are history for answers at once, after what the features hold, in the order in which they were told. Training
reads the features alone. A table of its own, because raw and clean are what exports say; it has subject, source and
export, so consent, ``find`` and ``erase`` of the database reach it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from forge_core import keys
from forge_resources.consent import allowed
from forge_resources.postgres import Database

if TYPE_CHECKING:
    from psycopg import Connection

SOURCE, EXPORT = "event", "online"  # what consent and an answer's "from" call them
ADDRESS = "online.events"

_CREATE = (
    "create schema if not exists online",
    f"create table if not exists {ADDRESS} (number bigint generated always as identity primary key,"
    " subject text not null, item text not null, time timestamptz not null, source text not null,"
    " export text not null, recorded_at timestamptz not null default now(), unique (subject, item, time))",
    f"create index if not exists events_of on {ADDRESS} (subject, number)",
)
_MICROSECONDS = "(extract(epoch from {}) * 1000000)::bigint"


@dataclass(frozen=True)
class Told:
    """An event with its number; ``time`` in microseconds since 1970."""

    number: int
    item: str
    time: int


@dataclass(frozen=True)
class Known:
    """An item of a history, ``time`` in microseconds since 1970 or None."""

    item: str
    time: int | None
    source: str
    export: str


class OnlineEvents:
    """``subject`` is a pseudonym everywhere; ``purpose`` is what consent is asked for."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._there = False

    def may(self, subject: str, purpose: str) -> bool:
        """Does consent allow that what this subject tells be used?"""
        query = (
            f"select {allowed('t.subject', 't.source', purpose)} from (select %s as subject, %s as source) t"
        )
        return bool(self.database.value(query, (subject, SOURCE)))

    def knows(self, subject: str) -> bool:
        """Is anything watched known of this subject?"""
        address = keys.table(keys.INTERACTIONS)
        found = self.database.exists(address) and self.database.value(
            f"select exists (select from {address} where subject = %s)", (subject,)
        )
        return bool(found) or bool(self.since(subject, 0))

    def usable(self, subject: str, purpose: str) -> bool:
        """May anything watched of this subject be used? Ends at the first event that may."""
        address = keys.table(keys.INTERACTIONS)
        found = self.database.exists(address) and self.database.value(
            f"select exists (select from {address} t where subject = %s"
            f" and {allowed('t.subject', 't.source', purpose)})",
            (subject,),
        )
        return bool(found) or (bool(self.since(subject, 0)) and self.may(subject, purpose))

    def append(self, subject: str, item: str, time: datetime) -> int:
        """Record one event; its number, or that of the same event told before."""
        with self.database.transaction() as connection:
            self._make(connection)
            # numbers of one subject are given and committed in one order: a state that knows number n has all below
            connection.execute(
                "select pg_advisory_xact_lock(hashtextextended('online event ' || %s, 0))", (subject,)
            )
            connection.execute(
                f"insert into {ADDRESS} (subject, item, time, source, export) values (%s, %s, %s, %s, %s)"
                " on conflict do nothing",
                (subject, item, time, SOURCE, EXPORT),
            )
            (number,) = connection.execute(
                f"select number from {ADDRESS} where subject = %s and item = %s and time = %s",
                (subject, item, time),
            ).fetchone() or (0,)
        return int(number)

    def since(self, subject: str, number: int) -> list[Told]:
        """What was told after event ``number`` (0: all), in order, whatever the consent."""
        if not self._exists():
            return []
        rows = self.database.rows(
            f"select number, item, {_MICROSECONDS.format('time')} from {ADDRESS}"
            " where subject = %s and number > %s order by number",
            (subject, number),
        )
        return [Told(*row) for row in rows]

    def history(self, subject: str, purpose: str) -> tuple[list[Known], int]:
        """What may be used for ``purpose``, oldest first, and the number of the last event told (0: none).

        Each item once, what the features hold before what was told.
        """
        interactions = keys.table(keys.INTERACTIONS)
        rows = self.database.rows(
            f"select item, {_MICROSECONDS.format('first_time')}, source, export from {interactions} t"
            f" where subject = %s and {allowed('t.subject', 't.source', purpose)} order by position, item",
            (subject,),
        )
        found = {item: Known(item, time, source, export) for item, time, source, export in rows}
        told = self.since(subject, 0)
        if told and self.may(subject, purpose):
            for one in told:
                found.setdefault(one.item, Known(one.item, one.time, SOURCE, EXPORT))
        return list(found.values()), told[-1].number if told else 0

    def last(self, subject: str) -> int:
        """The number of the last event told, 0 where there is none."""
        if not self._exists():
            return 0
        return int(
            self.database.value(
                f"select coalesce(max(number), 0) from {ADDRESS} where subject = %s", (subject,)
            )
        )

    def version(self, subject: str) -> str:
        """What of the features a subject's history is made of: another one where an export changed it."""
        units = f"{keys.table(keys.INTERACTIONS)}__units"
        if self.database.exists(units):  # a digest of the subject's events: found without reading them
            return str(self.database.value(f"select digest from {units} where subject = %s", (subject,)))
        return str(
            self.database.value(
                "select md5(string_agg(concat_ws(' ', item, first_time, position), ',' order by position, item))"
                f" from {keys.table(keys.INTERACTIONS)} where subject = %s",
                (subject,),
            )
        )

    def _exists(self) -> bool:
        self._there = self._there or self.database.exists(ADDRESS)
        return self._there

    @staticmethod
    def _make(connection: Connection) -> None:
        (there,) = connection.execute("select to_regclass(%s)", (ADDRESS,)).fetchone() or (None,)
        if there is None:
            connection.execute("select pg_advisory_xact_lock(4711)")  # as Database.ensure does
            for statement in _CREATE:
                connection.execute(statement)


def moment(time: datetime | None) -> datetime:
    """A time with a zone; now where none is given."""
    if time is None:
        return datetime.now(UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
