"""Values of iCalendar: dates, times, durations and periods, as seconds on a wall clock and its zone.

A wall time is the number of seconds since 1970-01-01T00:00 on the clock of its zone; a date is its midnight.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import NamedTuple, Protocol

from forge_core.events import TimeFlag
from forge_core.sources.calendar_zones import FLOATING, UTC, Zone, fixed

DAY = 86_400
EPOCH = date(1970, 1, 1).toordinal()
MOST = (date(9999, 12, 31).toordinal() - EPOCH) * DAY  # what no sum of times may pass
_CACHE_MAX = 20_000

_days: dict[str, int | None] = {}
_clocks: dict[str, int | None] = {}
_ODD = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d{1,9})?)?\s*([Zz]|[+-]\d\d:?\d\d)?)?\Z",
    re.A,
)
_DURATION = re.compile(
    r"([+-])?P(?:(\d{1,5})W)?(?:(\d{1,7})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?\Z",
    re.A | re.I,
)


class ZonesByName(Protocol):
    """The zones of a file; each name has one, if only an unknown one."""

    def __getitem__(self, name: str) -> Zone: ...


class Stamp(NamedTuple):
    """A point on a wall clock; ``date``: a whole day, written without a time."""

    wall: int
    zone: Zone
    date: bool = False
    leap: bool = False  # second 60, read as 59

    @property
    def instant(self) -> int:
        """Seconds since 1970 in UTC; a wall time that does not exist, or twice, as RFC 5545 3.3.5 has it."""
        return self.wall - self.zone.east(self.wall)

    @property
    def flag(self) -> str | None:
        return TimeFlag.LEAP_SECOND.value if self.leap and self.zone.flag is None else self.zone.flag


class Duration(NamedTuple):
    """Days on the calendar and seconds on the clock: a day may have 23 hours."""

    days: int
    seconds: int


def read_stamp(value: str, params: Mapping[str, str], zones: ZonesByName, default: Zone) -> Stamp | None:
    """A DATE or DATE-TIME; None where it is neither. ``default`` is the zone of times that name none."""
    size = len(value)
    day = read_day(value[:8])
    if day is not None and params.get("VALUE") != "DATE":
        clock = read_clock(value[9:15]) if value[8:9] == "T" else None
        if clock is not None and size == 16 and value[15] in "Zz":
            return _stamp(day, clock, UTC)
        if clock is not None and size == 15:
            return _stamp(day, clock, zones[params["TZID"]] if "TZID" in params else default)
    if day is not None and (size == 8 or params.get("VALUE") == "DATE"):
        return Stamp(day * DAY, FLOATING, True)
    return _odd(value, params, zones, default)


def _stamp(day: int, clock: int, zone: Zone) -> Stamp:
    if clock < 0:  # a leap second
        return Stamp(day * DAY - clock - 1, zone, False, True)
    return Stamp(day * DAY + clock, zone)


def _odd(value: str, params: Mapping[str, str], zones: ZonesByName, default: Zone) -> Stamp | None:
    """What some programs write: ISO 8601, no seconds, an offset, a zone with an unquoted colon."""
    if "TZID" in params and ":" in value and not _ODD.match(value):
        name, _, value = f"{params['TZID']}:{value}".rpartition(":")
        params = {"TZID": name}
    match = _ODD.match(value.strip())
    if match is None:
        return None
    year, month, day_text, hour, minute, second, east = match.groups()
    day = read_day(year + month + day_text)
    if day is None:
        return None
    if hour is None or params.get("VALUE") == "DATE":
        return Stamp(day * DAY, FLOATING, True)
    clock = read_clock(hour + minute + (second or "00"))
    if clock is None:
        return None
    if east is None:
        zone: Zone | None = zones[params["TZID"]] if "TZID" in params else default
    else:
        zone = UTC if east in "Zz" else fixed(east)
    return None if zone is None else _stamp(day, clock, zone)


def read_day(text: str) -> int | None:
    """Days since 1970 of ``20190304``."""
    try:
        return _days[text]
    except KeyError:
        if len(_days) > _CACHE_MAX:
            _days.clear()
        found = None
        if len(text) == 8 and text.isascii() and text.isdigit():
            with suppress(ValueError):
                found = date(int(text[:4]), int(text[4:6]), int(text[6:])).toordinal() - EPOCH
        _days[text] = found
        return found


def read_clock(text: str) -> int | None:
    """Seconds since midnight of ``140000``; a leap second is the negated second before it, less one."""
    try:
        return _clocks[text]
    except KeyError:
        if len(_clocks) > _CACHE_MAX:
            _clocks.clear()
        found = None
        if len(text) == 6 and text.isascii() and text.isdigit():
            hour, minute, second = int(text[:2]), int(text[2:4]), int(text[4:])
            if hour < 24 and minute < 60 and second < 60:
                found = hour * 3600 + minute * 60 + second
            elif hour < 24 and minute < 60 and second == 60:
                found = -(hour * 3600 + minute * 60 + 59) - 1
            elif text == "240000":
                found = DAY
        _clocks[text] = found
        return found


def read_duration(text: str) -> Duration | None:
    """``P1DT2H``; None where it is none, or negative."""
    match = _DURATION.match(text.strip())
    if match is None or match[1] == "-" or not any(match.groups()[1:]):
        return None
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in match.groups()[1:])
    return Duration(weeks * 7 + days, hours * 3600 + minutes * 60 + seconds)


class Compact(dict[int, str]):
    """Days since 1970 as ``20190304``, each worked out once."""

    def __missing__(self, day: int) -> str:
        if len(self) > _CACHE_MAX:
            self.clear()
        self[day] = text = date.fromordinal(day + EPOCH).strftime("%Y%m%d")
        return text


class CompactClock(dict[int, str]):
    """Seconds since midnight in UTC as ``T140000Z``."""

    def __missing__(self, second: int) -> str:
        text = f"T{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}Z"
        self[second] = text
        return text


DAYS, CLOCKS = Compact(), CompactClock()


def compact(instant: int) -> str:
    """``20190304T140000Z``, the instant in what an item of a recurrence ends with."""
    day, second = divmod(instant, DAY)
    return DAYS[day] + CLOCKS[second]
