"""Rows of calendar entries: single ones, the occurrences of series, and those that were changed.

``item`` is ``calendar:<UID>``; a recurring entry adds ``#`` and the instant at which the occurrence was due first,
``20190304T130000Z``, or its day, ``20190304``. An occurrence that was moved keeps it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from forge_core.sources.base import Batch, Sink
from forge_core.sources.calendar_entry import Entry
from forge_core.sources.calendar_series import FIRST, LAST, Occurrences, wall_of
from forge_core.sources.calendar_values import CLOCKS, DAY, DAYS, MOST, Duration, Stamp, compact
from forge_core.times import SECOND, UNKNOWN, Moment, planned

_WEIGHT_MAX = 50_000  # of rows that wait to become a batch
_UID_MAX = 400  # characters


class Rows:
    """Groups of entries with one UID, made rows."""

    def __init__(self, sink: Sink, source: str, occurrences: Occurrences) -> None:
        self.sink, self.occurrences = sink, occurrences
        self.table = sink.table("calendar", source)
        self.position = sink.position(0)
        self.waiting = 0

    def of(self, group: Sequence[Entry]) -> Iterator[Batch]:
        """Add the rows of all entries of one UID; the batches that are due."""
        item = _item(group[0])
        masters, changes = self._newest(group)
        base: Stamp | None = None
        for number, master in enumerate(masters, 1):
            mine = changes if number == len(masters) else []  # of several with one UID they change the last
            if master.cancelled:
                self.sink.pass_over("cancelled", 1 + len(mine))
                changes = [] if mine else changes
            elif master.start is not None and master.recurs:
                base = master.start
                kept = self._series(master, base, mine, item)
                changes = kept if mine else changes
            else:
                self._single(master, master.start, item)
            yield from self._due()
        for change in changes:
            if change.cancelled:
                self.sink.pass_over("cancelled")
            elif change.original is not None:
                start = change.start or change.original
                self._single(change, start, f"{item}#{_due(change.original, base)}")
        yield from self._due()

    def _due(self) -> Iterator[Batch]:
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
        """The occurrences that were not changed; returns the changes that still hold."""
        found = self.occurrences.of(entry, start, self._weight(self._columns(entry)))
        if found is None:  # its rules are set aside: the first occurrence is what is known
            due = DAYS[start.wall // DAY] if start.date else compact(start.instant)
            self._single(entry, start, f"{item}#{due}")
            return list(changes)
        if not found.walls and not changes:
            self.sink.pass_over("no occurrence in the window")
        kept = self._unchanged(entry, start, changes, found.walls)
        instants, walls = list(found.walls), list(found.walls.values())
        later = [(wall_of(one.original, start), one) for one in kept if one.and_future and one.original]
        for due_at, change in sorted(later, key=lambda pair: pair[0], reverse=True):
            place, begins = bisect_left(walls, due_at), change.start or change.original
            if begins is not None and not change.cancelled and place < len(walls):
                moved = [begins.wall + wall - due_at for wall in walls[place:]]
                self._run(change, begins, instants[place:], moved, start.date, item)
            del instants[place:], walls[place:]
        self._run(entry, start, instants, walls, start.date, item, found.ends)
        return kept

    def _unchanged(
        self, entry: Entry, start: Stamp, changes: Sequence[Entry], walls: dict[int, int]
    ) -> list[Entry]:
        """Take from ``walls`` what was changed; the changes without those that are outdated.

        Such is one of an older revision, to an occurrence that the newer one has no more.
        """
        kept, met = [], set()
        for change in changes:
            if change.original is None:
                continue
            wall = wall_of(change.original, start)
            instant = wall - start.zone.east(wall)
            if walls.pop(instant, None) is not None:
                met.add(instant)
            inside = self.occurrences.first <= instant <= self.occurrences.last
            if inside and instant not in met and change.revision[0] < entry.revision[0]:
                self.sink.pass_over("replaced by a newer revision")
            else:
                kept.append(change)
        return kept

    def _run(
        self, entry: Entry, start: Stamp, due: Sequence[int], walls: Sequence[int], due_days: bool, item: str,
        ends: Mapping[int, Stamp | Duration | None] | None = None,
    ) -> None:  # fmt: skip
        """Rows of occurrences due at these instants, which begin at these wall times of ``start``'s clock."""
        if not walls:
            return
        instants, length = start.zone.instants(walls), self._length(entry, start)
        if isinstance(length, Duration) or ends:
            stamps = [Stamp(wall, start.zone, start.date) for wall in walls]
            own = ends or {}
            last = [self._after(own.get(stamp.wall) or length, stamp) for stamp in stamps]
        else:
            last = [None if length is None else (instant + length) * SECOND for instant in instants]
        if due_days:
            items = [f"{item}#{DAYS[instant // DAY]}" for instant in due]
        else:
            items = [f"{item}#{DAYS[instant // DAY]}{CLOCKS[instant % DAY]}" for instant in due]
        columns = self._columns(entry)
        title, location, organizer, attendees = columns
        name, flag, date = start.zone.name, start.zone.flag, start.date
        moments: Sequence[tuple[int | None, str | None, str | None]]
        if instants[0] >= FIRST and instants[-1] <= LAST:
            moments = [(instant * SECOND, name, flag) for instant in instants]
        else:  # moved out of what is plausible
            moments = [planned(instant * SECOND, name, flag) for instant in instants]
            last = [end if at[0] is not None else None for at, end in zip(moments, last, strict=True)]
        numbers = range(self.position + 1, self.position + 1 + len(walls))
        self.table.values += [
            (item, *at, number, title, end, date, location, organizer, attendees)
            for item, at, number, end in zip(items, moments, numbers, last, strict=True)
        ]
        self.position += len(walls)
        self.waiting += len(walls) * self._weight(columns)

    def _length(self, entry: Entry, start: Stamp) -> int | Duration | None:
        """Seconds where an end is given; a duration is kept, as a day of it may have 23 hours (RFC 5545 3.8.5.3)."""
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
        return self._after(entry.end, start)

    def _after(self, end: Stamp | Duration | int | None, start: Stamp) -> int | None:
        """The end in microseconds of what begins at ``start``; None where it lies before."""
        if end is None:
            return None
        if isinstance(end, int):
            instant = start.instant + end
        elif isinstance(end, Duration):
            days = end.days + (end.seconds // DAY if start.date else 0)
            wall = min(start.wall + days * DAY, MOST)
            instant = wall - start.zone.east(wall) + (0 if start.date else end.seconds)
        else:
            instant = end.instant
        if not start.instant <= instant <= MOST:
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
        self.table.values.append((item, *at, self.position, columns[0], end, date, *columns[1:]))


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
