"""Browsers' own databases: Chrome and its relatives, Firefox, Safari, read in place or from memory.

A database is a program of strangers: it is opened read-only, only plain tables are read, and whatever else
it would have SQLite do (views, triggers, functions, virtual tables) is not authorised.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from forge_core.archives import Archive, Member
from forge_core.sources.activity import domain, web_address
from forge_core.sources.base import Batch, Context, Format, Head, MemberReader, Sink
from forge_core.sources.browser_schemas import SCHEMAS, Schema, query
from forge_core.sources.options import MiB, Options
from forge_core.sources.work import shielded
from forge_core.times import Moment, plausible

MAGIC = b"SQLite format 3\0"
_WAL = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
URL_MAX = 64 * 1024  # characters; browsers take no longer address
TITLE_MAX = 4096
NOT_WRITTEN = "changes not yet written into the database"
_STEPS = 10_000  # of SQLite's machine between two looks at the clock
_READ = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ))
_READ_SCHEMA = _READ | {sqlite3.SQLITE_PRAGMA}
_ROWS = 10_000  # fetched at once
_DAMAGED = (sqlite3.Error, OverflowError, UnicodeDecodeError)  # names of columns may be no text


class BrowserDatabase(MemberReader):
    name = "browser_database"
    system = "browser"
    formats = (
        Format("Chrome, Chromium, Edge, Brave", "SQLite", ("browse",), "History: urls and visits"),
        Format("Firefox", "SQLite", ("browse",), "places.sqlite: moz_places and moz_historyvisits"),
        Format("Safari", "SQLite", ("browse",), "History.db: history_items and history_visits"),
    )

    def recognise(self, head: bytes) -> bool:
        return head.startswith(MAGIC) or (head.startswith(_WAL) and len(head) >= 32)

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        databases = {name for name, head in heads.items() if head.data.startswith(MAGIC)}
        logs = {name for name, head in heads.items() if head.data.startswith(_WAL)}
        return [name for name in heads if name in databases or (name in logs and name[:-4] in databases)]

    def read(self, archive: Archive, members: Sequence[Member], context: Context) -> Iterator[Batch]:
        """In this process: only here a file can be read in place."""
        for member in members:
            report = context.report.member(member.name, self.name)
            sink = Sink(report, context.subject, context.options)
            yield from shielded(report, partial(self.rows, archive, member, sink))

    def rows(self, archive: Archive, member: Member, sink: Sink) -> Iterator[Batch]:
        if archive.head(member, 16).startswith(_WAL):
            sink.report.status = "skipped"
            sink.report.reason = f"{NOT_WRITTEN}: close the browser and copy again"
            return
        if (connection := _opened(archive, member, sink)) is None:
            return
        clock = _Clock(sink.options.part_seconds)
        connection.set_progress_handler(clock.late, _STEPS)
        try:
            yield from _visits(connection, sink, clock)
        except (*_DAMAGED, MemoryError):
            sink.quarantine("took too long" if clock.late() else "damaged")  # what was read before is sound
        finally:
            connection.close()
        yield from sink.rest()


class _Clock:
    """The time SQLite itself has taken, not those who wait for its rows."""

    def __init__(self, seconds: float) -> None:
        self.left, self.since = seconds, time.monotonic()

    def late(self) -> bool:
        return time.monotonic() - self.since > self.left

    def fetch(self, found: sqlite3.Cursor) -> list[Any]:
        self.since = time.monotonic()
        rows = found.fetchmany(_ROWS)
        self.left -= time.monotonic() - self.since
        return rows


def _opened(archive: Archive, member: Member, sink: Sink) -> sqlite3.Connection | None:
    """The database in place, without locks or changes, or a copy of it in memory."""
    try:
        if (path := archive.file(member)) is not None:
            _note_log(path, sink)
            address = path.resolve().as_uri() + "?mode=ro&immutable=1"
            return _guarded(sqlite3.connect(address, uri=True, cached_statements=0))
        if member.size > sink.options.database_bytes:
            _set_aside(sink, "too large for memory: give the file itself, not in an archive")
            return None
        with archive.open(member) as stream:
            data = bytearray(stream.read())
        if data[18:20] == b"\2\2":
            data[18:20] = b"\1\1"  # no write-ahead log in memory
        connection = sqlite3.connect(":memory:", cached_statements=0)
        connection.deserialize(data)
        return _guarded(connection)
    except _DAMAGED:
        _set_aside(sink, "not a sound database")
        return None


def _note_log(path: Path, sink: Sink) -> None:
    """Count the pages of a write-ahead log beside the database: newer visits, which are not read."""
    log = path.with_name(path.name + "-wal")
    if log.is_file() and (size := log.stat().st_size) > 32:
        with path.open("rb") as stream:
            page = int.from_bytes(stream.read(18)[16:], "big")
        sink.pass_over(NOT_WRITTEN, max(1, (size - 32) // (24 + (page if page > 1 else 65536))))


def _guarded(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 16 * MiB)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    for pragma in ("trusted_schema = off", "cell_size_check = on", "query_only = on", "mmap_size = 0"):
        connection.execute(f"pragma {pragma}")
    return connection


def _set_aside(sink: Sink, reason: str) -> None:
    sink.report.status, sink.report.reason = "quarantined", reason


def _visits(connection: sqlite3.Connection, sink: Sink, clock: _Clock) -> Iterator[Batch]:
    try:
        plain = _plain_tables(connection)
        columns = {table: _columns(connection, table) for table in plain}
    except _DAMAGED:
        _set_aside(sink, "not a sound database")
        return
    asked = False
    for schema in SCHEMAS:
        if sql := query(schema, columns):
            asked = True
            _authorise(connection, _READ, {schema.pages, schema.visits})
            found = connection.execute(sql)
            position = 0
            while rows := clock.fetch(found):
                _add(rows, position, schema, sink)
                position += len(rows)
                yield from sink.full()
    if not asked:
        sink.report.status, sink.report.reason = "skipped", "no browser history in it"


def _plain_tables(connection: sqlite3.Connection) -> set[str]:
    """Names of the tables that are known, and are no views or virtual tables."""
    known = {name for schema in SCHEMAS for name in (schema.pages, schema.visits)}
    _authorise(connection, _READ_SCHEMA, {"sqlite_master", "sqlite_schema"})
    found = connection.execute("select name, sql from sqlite_master where type = 'table'")
    return {
        name
        for name, sql in found
        if name in known and isinstance(sql, str) and sql.lstrip()[:13].upper() == "CREATE TABLE "
    }


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """Names of the columns that hold values; generated ones are hidden and not among them."""
    return {row[1] for row in connection.execute(f"pragma table_info({table})")}


def _authorise(connection: sqlite3.Connection, actions: frozenset[int], tables: set[str]) -> None:
    """Let SQLite do these things with these tables; everything else is refused when a statement is made."""

    def allowed(action: int, first: str | None, second: str | None, base: str | None, by: str | None) -> int:
        fine = action in actions and (action != sqlite3.SQLITE_READ or first in tables) and by is None
        return sqlite3.SQLITE_OK if fine else sqlite3.SQLITE_DENY

    connection.set_authorizer(allowed)


def _add(rows: list[Any], first: int, schema: Schema, sink: Sink) -> None:
    values = sink.table("browse", schema.source).values
    for position, (url, when, title, how, micros) in enumerate(rows, first):
        if not isinstance(url, str) or not url:
            sink.quarantine("no item")
        elif len(url) > URL_MAX:
            sink.quarantine("too long")
        elif (item := web_address(url)) is None:
            sink.pass_over("not a web address")
        elif (at := _moment(when, schema)) is None:
            sink.quarantine("unknown date")
        else:
            text = title[:TITLE_MAX] if isinstance(title, str) and title else None
            began = schema.transitions.get(how & schema.mask) if isinstance(how, int) else None
            seconds = micros / 1e6 if isinstance(micros, int) and micros > 0 else None
            values.append((item, *at, sink.position(position), text, item, domain(item), began, seconds))


def _moment(when: object, schema: Schema) -> Moment | None:
    if not isinstance(when, int | float) or not abs(when) < 1e18:
        return None
    return plausible(schema.micros(when), "UTC")


READER = BrowserDatabase()
