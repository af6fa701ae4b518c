"""Which occurrences a recurring entry has in a window of time: rules, dates, exceptions.

The window and two budgets bound it: occurrences of one entry and of all, and seconds spent on rules that are
worked out in another process. What is over is quarantined by its reason, and the first occurrence kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import TracebackType

import msgspec

from forge_core.sources.base import Sink
from forge_core.sources.calendar_child import TARGET, Limited, Request
from forge_core.sources.calendar_entry import Entry, Property, parameters
from forge_core.sources.calendar_rules import Rule, days, read_rule
from forge_core.sources.calendar_values import DAY, Duration, Stamp, ZonesByName, read_duration, read_stamp
from forge_core.sources.calendar_zones import FLOATING, UTC
from forge_core.sources.child import Child, ChildLost

_YEAR = 31_556_952  # seconds, on average
_EARLIEST, _LATEST = 86_400, 4_102_444_800  # 1970-01-02 and 2100: what ``times.planned`` lets through
_DATES_MAX = 100_000  # RDATE and EXDATE of one entry


class TooMany(Exception):
    """A rule that is set aside; ``str`` of it is the reason."""


class Occurrences:
    """The occurrences of recurring entries of one part, one entry after the other."""

    def __init__(self, sink: Sink, zones: ZonesByName, now: float | None = None) -> None:
        now, options = time.time() if now is None else now, sink.options
        self.first = max(_EARLIEST, int(now - options.calendar_years_back * _YEAR))
        self.last = min(_LATEST, int(now + options.calendar_years_ahead * _YEAR))
        self.most = options.calendar_occurrences
        self.left = options.calendar_part_occurrences
        self.seconds = options.calendar_rule_seconds
        self.sink, self.zones = sink, zones
        self._child = Child(TARGET, options.calendar_rule_seconds)

    def __enter__(self) -> Occurrences:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.end()

    def of(self, entry: Entry, start: Stamp, weight: int) -> Iterator[tuple[int, Stamp | Duration | None]]:
        """(wall time, an end of its own) of each occurrence in the window, in order; exceptions are not among them.

        ``weight`` is what one occurrence takes of the budget of all.
        """
        dates = self._dates(entry, start)
        walls = set(dates)
        try:
            walls.update(self._ruled(entry, start))
            if len(walls) > self.most:
                walls = set(sorted(walls)[: self.most])
                self.sink.quarantine("too many occurrences")
            self.left -= len(walls) * weight
            if self.left < 0:
                raise TooMany("too many occurrences")
        except TooMany as reason:
            self.sink.quarantine(str(reason))
            yield start.wall, None
            return
        instants, whole_days = self.exceptions(entry, start)
        east = start.zone.east
        for wall in sorted(walls):
            instant = wall - east(wall)
            if (
                self.first <= instant <= self.last
                and instant not in instants
                and wall // DAY not in whole_days
            ):
                yield wall, dates.get(wall)

    def _ruled(self, entry: Entry, start: Stamp) -> Iterator[int]:
        """The wall times of the rules, the start among them; raises ``TooMany``."""
        first, last = self.first - DAY, self.last + DAY
        rules, exceptions = self._limited(entry.rules, start), self._limited(entry.exceptions, start)
        if not rules or any(one.until is None or one.until >= start.wall for one in rules):
            yield start.wall  # RFC 5545 3.8.5.3; a rule that ends before it begins is a series that was deleted
        if not rules:
            return
        day, clock = divmod(start.wall, DAY)
        if exceptions or not all(one.rule.cheap(clock) for one in rules):
            yield from self._in_child(Request(start.wall, rules, exceptions, first, last, self.most + 1))
            return
        for one in rules:
            until = last if one.until is None else min(last, one.until)
            self.left -= (
                one.rule.steps(day, first // DAY, until // DAY) // 10
            )  # most have few days to look at
            if self.left < 0:
                raise TooMany("too many occurrences")
            for found in days(one.rule, day, first // DAY, until // DAY, self.most + 1):
                if (wall := found * DAY + clock) <= until:
                    yield wall

    def _in_child(self, request: Request) -> list[int]:
        if self.seconds <= 0:
            raise TooMany("rule takes too long")
        began = time.monotonic()
        try:
            answer = self._child.call(msgspec.json.encode(request))
        except ChildLost:
            raise TooMany("rule takes too long") from None
        finally:
            self.seconds -= time.monotonic() - began
        found = msgspec.json.decode(answer, type=list[int] | None)
        if found is None:
            raise TooMany("malformed rule")
        return found

    def _limited(self, texts: tuple[str, ...], start: Stamp) -> list[Limited]:
        """The rules with their UNTIL on the wall of the entry."""
        found = []
        for text in texts:
            if not text.strip():
                continue
            rule = read_rule(text)
            until = self._until(rule, start) if rule else None
            if rule is None or (rule.until and until is None):
                raise TooMany("malformed rule")
            found.append(Limited(rule, until))
        return found

    def _until(self, rule: Rule, start: Stamp) -> int | None:
        """UNTIL as a wall time; a date is meant to its end, an instant is read on the clock of the entry."""
        end = read_stamp(rule.until, {}, self.zones, FLOATING) if rule.until else None
        if end is None:
            return None
        if end.date or start.date:
            return end.wall // DAY * DAY + DAY - 1
        return start.zone.wall(end.instant) if end.zone is UTC else end.wall

    def _dates(self, entry: Entry, start: Stamp) -> dict[int, Stamp | Duration | None]:
        """RDATE: wall times of the entry's zone, with the end where a period is given."""
        found: dict[int, Stamp | Duration | None] = {}
        for stamp, ending in self._listed(entry.dates, start):
            end: Stamp | Duration | None = None
            if ending:
                end = read_duration(ending) or read_stamp(ending, {}, self.zones, stamp.zone)
            found[wall_of(stamp, start)] = end
        return found

    def exceptions(self, entry: Entry, start: Stamp) -> tuple[set[int], set[int]]:
        """EXDATE: instants, and whole days: a date takes away what is on that day."""
        instants, whole_days = set(), set()
        for stamp, _ in self._listed(entry.exception_dates, start):
            if stamp.date or start.date:
                whole_days.add(stamp.wall // DAY)
            else:
                instants.add(stamp.instant)
        return instants, whole_days

    def _listed(self, properties: tuple[Property, ...], start: Stamp) -> Iterator[tuple[Stamp, str]]:
        """(stamp, end of a period) of each value of these properties; what is no time is counted."""
        left = _DATES_MAX
        for params, values in properties:
            told: Mapping[str, str] = parameters(params)
            for value in values.split(",", left):
                left -= 1
                if left < 0:
                    self.sink.quarantine("too many occurrences")
                    return
                begin, _, end = value.strip().partition("/")
                stamp = read_stamp(begin, told, self.zones, start.zone)
                if stamp is not None:
                    yield stamp, end
                elif begin:
                    self.sink.pass_over("unknown exception or extra date")


def wall_of(stamp: Stamp, start: Stamp) -> int:
    """The wall time of a stamp on the clock of the entry; a date has the entry's time of day."""
    if start.date:
        return stamp.wall // DAY * DAY
    if stamp.date:
        return stamp.wall + start.wall % DAY
    return stamp.wall if stamp.zone is start.zone else start.zone.wall(stamp.instant)
