"""Which occurrences a recurring entry has in a window of time: rules, dates, exceptions.

The window and two budgets bound it: occurrences of one entry and of all, and seconds spent on rules that are
worked out in another process. What is over is quarantined by its reason, and the first occurrence kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import NamedTuple

import msgspec

from forge_core import times
from forge_core.sources.base import Sink
from forge_core.sources.calendar_child import TARGET, Limited, Request
from forge_core.sources.calendar_days import days
from forge_core.sources.calendar_entry import Entry, Property, parameters
from forge_core.sources.calendar_rules import Rule, read_rule
from forge_core.sources.calendar_values import DAY, Duration, Stamp, ZonesByName, read_duration, read_stamp
from forge_core.sources.calendar_zones import FLOATING, UTC
from forge_core.sources.child import Child, ChildLost

_YEAR = 31_556_952  # seconds, on average
FIRST, LAST = times.DAY // times.SECOND, times.LATEST_PLAN // times.SECOND  # as ``times.planned``
_DATES_MAX = 100_000  # RDATE and EXDATE of one entry


class TooMany(Exception):
    """A rule that is set aside; ``str`` of it is the reason."""


class Found(NamedTuple):
    """``walls``: instant -> wall time, in order. ``ends``: wall time -> the end it has of its own, if any."""

    walls: dict[int, int]
    ends: dict[int, Stamp | Duration | None]


class Occurrences:
    """The occurrences of recurring entries of one part, one entry after the other."""

    def __init__(self, sink: Sink, zones: ZonesByName, now: float | None = None) -> None:
        now, options = time.time() if now is None else now, sink.options
        self.first = max(FIRST, int(now - options.calendar_years_back * _YEAR))
        self.last = min(LAST, int(now + options.calendar_years_ahead * _YEAR))
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

    def of(self, entry: Entry, start: Stamp, weight: int) -> Found | None:
        """What there is in the window; None where the rules are set aside.

        ``weight`` is what one occurrence takes of the budget of all.
        """
        ends = self._dates(entry, start)
        try:
            walls = sorted({*ends, *self._ruled(entry, start)})
            if len(walls) > self.most:
                walls = walls[: self.most]
                self.sink.quarantine("too many occurrences")
            self._spend(len(walls) * weight)
        except TooMany as reason:
            self.sink.quarantine(str(reason))
            return None
        gone, gone_days = self.exceptions(entry, start)
        found: dict[int, int] = {}
        for wall, instant in zip(walls, start.zone.instants(walls), strict=True):
            # two wall times of a gap are one instant
            if (
                self.first <= instant <= self.last
                and instant not in gone
                and (not gone_days or wall // DAY not in gone_days)
                and instant not in found
            ):
                found[instant] = wall
        return Found(found, ends)

    def _spend(self, weight: int) -> None:
        self.left -= weight
        if self.left < 0:
            raise TooMany("too many occurrences")

    def _ruled(self, entry: Entry, start: Stamp) -> Iterator[int]:
        """The wall times of the rules, the start among them; raises ``TooMany``."""
        first, last = self.first - DAY, self.last + DAY
        rules, exceptions = self._limited(entry.rules, start), self._limited(entry.exceptions, start)
        # the start counts (RFC 5545 3.8.5.3), but a rule that ends before it begins is a series that was deleted
        begins = not rules or any(one.until is None or one.until >= start.wall for one in rules)
        day, clock = divmod(start.wall, DAY)
        if exceptions or not all(one.rule.cheap(clock) for one in rules):
            request = Request(start.wall, begins, rules, exceptions, first, last, self.most + 1)
            yield from self._in_child(request)
            return
        if begins:
            yield start.wall
        for one in rules:
            until = last if one.until is None else min(last, one.until)
            # looking at a day takes a part of the time that an occurrence takes
            self._spend(one.rule.steps(day, first // DAY, until // DAY) // 4)
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
