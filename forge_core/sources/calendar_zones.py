"""Time zones of calendars: IANA names and their disguises, and Windows names.

A zone answers one question: how far east of UTC is this wall time. Where the wall time falls into a gap or
occurs twice, the answer is that of before the change, as RFC 5545 3.3.5 has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from forge_core import times
from forge_core.events import TimeFlag

DAY = 86_400
NAME_MAX = 200  # characters; the longest in use are the display names of Windows
_EPOCH = datetime(1970, 1, 1)
_EARLIEST, _LATEST = -62_135_500_000, 253_402_200_000  # the years 1 to 9999, in seconds
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_+\-]*(?:/[A-Za-z0-9_+\-]+){0,3}\Z")
_CACHE_MAX = 50_000

East = Callable[[int], int]


class Zone:
    """``name`` as exported, ``flag`` where it says too little, and ``east`` of a wall time in seconds."""

    __slots__ = ("_days", "_exact", "flag", "name")

    def __init__(self, name: str | None, flag: str | None, exact: East) -> None:
        self.name, self.flag = name, flag
        self._exact = exact
        self._days: dict[int, int | None] = {}  # a day has one offset, but on two days of the year

    def east(self, wall: int) -> int:
        day = wall // DAY
        try:
            found = self._days[day]
        except KeyError:
            if len(self._days) > _CACHE_MAX:
                self._days.clear()
            first, last = self._exact(day * DAY), self._exact(day * DAY + DAY - 1)
            found = self._days[day] = first if first == last else None
        return self._exact(wall) if found is None else found

    def instants(self, walls: Sequence[int]) -> list[int]:
        """UTC of many wall times."""
        days, east = self._days, self.east
        return [wall - (east(wall) if (found := days.get(wall // DAY)) is None else found) for wall in walls]

    def wall(self, instant: int) -> int:
        """The wall time of an instant."""
        guess = instant + self.east(instant)
        return instant + self.east(instant + self.east(guess))


def _none(wall: int) -> int:
    return 0


UTC = Zone("UTC", None, _none)
FLOATING = Zone(None, TimeFlag.NO_ZONE.value, _none)


def named(name: str) -> Zone | None:
    """The zone that tables know under this name; None where none does."""
    if name.upper() in ("UTC", "Z", "GMT", "ETC/UTC"):
        return Zone(name, None, _none)
    east = _iana(name) or _windows(name)
    return None if east is None else Zone(name, None, east)


def disguised(name: str) -> Zone | None:
    """The zone that a name in an unusual spelling stands for, after the file itself was asked."""
    east = _disguised(name) or _offset(name)
    return None if east is None else Zone(name, None, east)


def unknown(name: str) -> Zone:
    """A zone that no table knows, read as UTC."""
    return Zone(name, TimeFlag.UNKNOWN_ZONE.value, _none)


def fixed(east: str) -> Zone | None:
    """The zone of a written offset, ``+0200``."""
    return None if (found := _offset(east)) is None else Zone(east, None, found)


def _offset(name: str) -> East | None:
    micros = times.offset(name)
    return None if micros is None else lambda wall, seconds=micros // times.SECOND: seconds  # type: ignore[misc]


@lru_cache(maxsize=1024)
def _iana(name: str) -> East | None:
    if not _KEY.match(name):
        return None
    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError; a folder is an OSError
        return None

    def east(wall: int) -> int:
        at = _EPOCH + timedelta(seconds=min(max(wall, _EARLIEST), _LATEST))
        return int((zone.utcoffset(at) or timedelta()).total_seconds())

    return east


@lru_cache(maxsize=1024)
def _windows(name: str) -> East | None:
    """``W. Europe Standard Time``, by CLDR's table."""
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    key = WINDOWS_TO_OLSON.get(name)
    return None if key is None else _iana(key)


@cache
def _folded() -> dict[str, str]:
    return {key.casefold(): key for key in available_timezones()}


@lru_cache(maxsize=1024)
def _disguised(name: str) -> East | None:
    """``/mozilla.org/20070129_1/Europe/Berlin``, ``America/Los Angeles``, ``europe/berlin``, ``tzone://…/Utc``."""
    parts = name.replace(" ", "_").casefold().split("/")
    for start in range(max(0, len(parts) - 3), len(parts)):
        tail = "/".join(parts[start:])
        # a word alone could be anything: "Custom/Israel" is not Israel's time
        if (start == 0 or "/" in tail or tail == "utc") and (key := _folded().get(tail)):
            return _none if tail == "utc" else _iana(key)
    return None
