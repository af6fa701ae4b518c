"""Rows of calendar entries: single ones, the occurrences of series, and those that were changed.

``item`` is ``calendar:<UID>``; a recurring entry adds ``#`` and the instant at which the occurrence was due first,
``20190304T130000Z``, or its day, ``20190304``. An occurrence that was moved keeps it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from forge_core.sources.base import Batch, Sink
from forge_core.sources.calendar_entry import Entry
from forge_core.sources.calendar_series import Occurrences, wall_of
from forge_core.sources.calendar_values import DAY, DAYS, LAST, Duration, Stamp, compact
from forge_core.times import SECOND, UNKNOWN, Moment, planned

_WEIGHT_MAX = 50_000  # of rows that wait to become a batch
_UID_MAX = 400  # characters


class Rows:
    """Groups of entries with one UID, made rows."""

    def __init__(self, sink: Sink, source: str, occurrences: Occurrences) -> None:
        self.sink, self.occurrences = sink, occurrences
        self.values = sink.table("calendar", source).values
        self.table = sink.table("calendar", source)
        self.position = self.waiting = 0

    def add(self, group: Sequence[Entry]) -> None:
        """The rows of all entries of one UID."""
        self.values = self.table.values
        item = _item(group[0])
        masters, changes = self._newest(group)
        base: Stamp | None = None
        for master in masters:
            if master.cancelled:
                self.sink.pass_over("cancelled")
            elif master.start is not None and master.recurs:
                base = master.start
                changes = self._series(master, base, changes, item)
            else:
                self._single(master, master.start, item)
        for change in changes:
            if change.cancelled:
                self.sink.pass_over("cancelled")
            elif change.original is not None:
                start = change.start or change.original
                self._single(change, start, f"{item}#{_due(change.original, base)}")

    def due(self) -> Iterator[Batch]:
        """The batches that are due."""
        if self.waiting >= _WEIGHT_MAX:
            self.waiting = 0
            yield from self.sink.rest()

    def _newest(self, group: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
        """(entries, changed occurrences) without those that another one replaces."""
        if len(group) == 1:
            return (list(group), []) if group[0].original is None else ([], list(group))
        masters = [entry for entry in group if entry.original is None]
        latest = max((entry.revision[0] for entry in masters if entry.uid), default=None)
        kept: dict[Any, Entry] = {}
        for entry in group:
            # a lower SEQUENCE is an old revision; two starts under one are two entries with one UID
            if entry.original is None and latest in (None, entry.revision[0]):
                key: Any = (None, entry.start)
            elif entry.original is not None:
                key = entry.original.date, entry.original.instant
            else:
                continue
            if key not in kept or kept[key].revision <= entry.revision:
                kept[key] = entry
        if len(kept) < len(group):
            self.sink.pass_over("replaced by a newer revision", len(group) - len(kept))
        return (
            [entry for entry in kept.values() if entry.original is None],
            [entry for entry in kept.values() if entry.original is not None],
        )

    def _single(self, entry: Entry, start: Stamp | None, item: str) -> None:
        if start is None:
            at, end = UNKNOWN, None
        else:
            at = planned(start.instant * SECOND, start.zone.name, start.flag)
            end = None if at.micros is None else self._end(entry, start)
        self._row(item, at, end, start is not None and start.date, self._columns(entry))

    def _series(self, entry: Entry, start: Stamp, changes: Sequence[Entry], item: str) -> list[Entry]:
        """The occurrences that were not changed; returns those changes that are not outdated."""
        columns = self._columns(entry)
        weight = self._weight(columns)
        due_at = [(wall_of(change.original, start), change) for change in changes if change.original]
        changed = {wall - start.zone.east(wall): False for wall, _ in due_at}  # instant -> whether it was met
        future = sorted((one for one in due_at if one[1].and_future), key=lambda one: one[0])
        since = [wall for wall, _ in future]
        length = self._length(entry, start)
        zone, date, flag, previous = start.zone, start.date, start.zone.flag, None
        for wall, own_end in self.occurrences.of(entry, start, weight):
            instant = wall - zone.east(wall)
            if instant in changed:
                changed[instant] = True
                continue
            if instant == previous:  # two wall times of a gap
                continue
            previous = instant
            due = f"{item}#{DAYS[wall // DAY] if date else compact(instant)}"
            if since and wall >= since[0]:
                at, change = future[bisect_right(since, wall) - 1]
                self._shifted(change, wall - at, due)
            elif own_end is not None:
                own = Stamp(wall, zone, date)
                moment = Moment(instant * SECOND, zone.name, flag)
                self._row(due, moment, self._ending(own_end, own), date, columns)
            else:
                self.position += 1
                end: int | None
                if isinstance(length, int):
                    end = (instant + length) * SECOND
                else:
                    end = None if length is None else self._ending(length, Stamp(wall, zone, date))
                self.values.append((
                    due, instant * SECOND, zone.name, flag, self.sink.position(self.position), columns[0], end, date,
                    *columns[1:],
                ))  # fmt: skip
                self.waiting += weight
        return self._valid(entry, due_at, changed, start)

    def _valid(
        self, entry: Entry, due_at: Sequence[tuple[int, Entry]], met: Mapping[int, bool], start: Stamp
    ) -> list[Entry]:
        """The changes without those of an older revision to occurrences that the newer one has no more."""
        kept = []
        for wall, change in due_at:
            instant = wall - start.zone.east(wall)
            inside = self.occurrences.first <= instant <= self.occurrences.last
            if inside and not met[instant] and change.revision[0] < entry.revision[0]:
                self.sink.pass_over("replaced by a newer revision")
            else:
                kept.append(change)
        return kept

    def _shifted(self, change: Entry, distance: int, item: str) -> None:
        """An occurrence behind one that was changed with all that follow."""
        start = change.start or change.original
        if start is None or change.cancelled:
            return
        own = start._replace(wall=start.wall + distance)
        end = self._length(change, start)
        at = planned(own.instant * SECOND, own.zone.name, own.flag)
        if isinstance(end, int):
            self._row(item, at, (own.instant + end) * SECOND, own.date, self._columns(change))
        else:
            self._row(item, at, end and self._ending(end, own), own.date, self._columns(change))

    def _length(self, entry: Entry, start: Stamp) -> int | Duration | None:
        """From start to end: exact where an end is given, nominal where a duration is (RFC 5545 3.8.5.3)."""
        if isinstance(entry.end, Duration):
            return entry.end
        end = self._end(entry, start)
        return None if end is None else end // SECOND - start.instant

    def _end(self, entry: Entry, start: Stamp) -> int | None:
        """The end in microseconds; the end of the day, or the start, where there is none."""
        if entry.odd_end:
            self.sink.pass_over("unknown end")
            return None
        if entry.end is None or entry.start is None:
            return (start.instant + (DAY if start.date else 0)) * SECOND
        return self._ending(entry.end, start)

    def _ending(self, end: Stamp | Duration, start: Stamp) -> int | None:
        if isinstance(end, Duration):
            days = end.days + (end.seconds // DAY if start.date else 0)
            wall = min(start.wall + days * DAY, LAST)
            instant = wall - start.zone.east(wall) + (0 if start.date else end.seconds)
        else:
            instant = end.instant
        if not start.instant <= instant <= LAST:
            self.sink.pass_over("unknown end")
            return None
        return instant * SECOND

    def _columns(self, entry: Entry) -> tuple[Any, ...]:
        """Title, location, organizer and attendees."""
        attendees, most = entry.attendees, self.sink.options.calendar_attendees
        if attendees and len(attendees) > most:
            self.sink.pass_over("attendees left out")
            attendees = attendees[:most]
        return self._cut(entry.title), self._cut(entry.location), self._cut(entry.organizer), attendees

    def _cut(self, text: str | None) -> str | None:
        most = self.sink.options.calendar_text_chars
        if text is None or len(text) <= most:
            return text
        self.sink.pass_over("text cut")
        return text[:most]

    @staticmethod
    def _weight(columns: tuple[Any, ...]) -> int:
        title, location, _, attendees = columns
        return 1 + (len(title or "") + len(location or "")) // 500 + len(attendees or ()) // 10

    def _row(self, item: str, at: Moment, end: int | None, date: bool, columns: tuple[Any, ...]) -> None:
        self.position += 1
        self.waiting += self._weight(columns)
        self.values.append(
            (item, *at, self.sink.position(self.position), columns[0], end, date, *columns[1:])
        )


def _item(entry: Entry) -> str:
    """Of an entry without UID its title stands for it."""
    if not entry.uid:
        return f"calendar:no-uid:{_hash(entry.title or '')}"
    return f"calendar:{entry.uid if len(entry.uid) <= _UID_MAX else _hash(entry.uid)}"


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _due(original: Stamp, start: Stamp | None) -> str:
    """When a changed occurrence was due, as its series has it; as itself has it where the series is not there."""
    if start is None:
        return DAYS[original.wall // DAY] if original.date else compact(original.instant)
    wall = wall_of(original, start)
    return DAYS[wall // DAY] if start.date else compact(wall - start.zone.east(wall))
