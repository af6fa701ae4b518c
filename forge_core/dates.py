"""Dates of HTML exports in bulk, in any language that ``locales`` knows: ``Apr 19, 1998, 4:11:23 PM UTC``.

A date in digits alone can be read in two orders. Which one holds is decided by the language, or by other dates of
the same file that leave no choice; where neither decides, the date is not known. It is never guessed.
"""

from __future__ import annotations

import re
import time as clock
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from forge_core.events import TimeFlag
from forge_core.locales import NOON, REGIONS, Calendar, calendar, day_of, hour_of, impossible, plain, squeezed
from forge_core.times import AHEAD, DAY, MONTHS, SECOND, Moment, offset

_DAY_US = re.compile(r"([A-Z][a-z]{2,8})\.? (\d{1,2}), (\d{4})\Z")
_DAY_GB = re.compile(r"(\d{1,2}) ([A-Z][a-z]{2,8})\.? (\d{4})\Z")
_SUFFIX = re.compile(r"(?: ([AaPp])\.?[Mm]\.?)?(?: ([A-Za-z0-9+\-\u2212:/._]{1,12}))?\Z")
_CLOCK = re.compile(r"(.*?)(?<!\d)(\d{1,2}):(\d\d):(\d\d)(?!\d)(.*)\Z", re.S)
_WORDY_CLOCK = re.compile(
    r"(?<!\d)(\d{1,2}) h (\d\d) min (\d\d) s\b"
)  # as CLDR writes it for Canada's French
_ZONE = re.compile(r"[A-Za-z0-9+\-\u2212:/._]{1,12}\Z")
_TWO_DIGITS = {f"{number:02d}": number for number in range(61)}  # to the leap second
_HOURS = {str(number): number for number in range(24)} | {f"{number:02d}": number for number in range(24)}
_CACHE_MAX = 10_000
LENGTH_MAX = 100

# (hours to add before noon is passed: None where the clock has 24, microseconds east, zone, flag)
_Suffix = tuple[int | None, int, str | None, str | None]
# (hours of a part of the day or None, zone) of the words around a clock
_Around = tuple[tuple[int, int] | None, str]


class HtmlDates:
    """Each day and each end (`` PM UTC``) is worked out once.

    ``language`` is that of the file. ``ruled_out`` are numeric layouts (``M/d/y``) already known not to be its;
    ``evidence`` gives all its dates and is asked, once, where the order of a date is in doubt.
    """

    def __init__(
        self,
        language: str = "en",
        ruled_out: Iterable[str] = (),
        evidence: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self._language, self.ruled_out, self._evidence = language, set(ruled_out), evidence
        self._days: dict[str, int | None] = {}
        self._suffixes: dict[str, _Suffix | None] = {}
        self._heads: dict[str, tuple[int, str] | None] = {}
        self._around: dict[tuple[str, str], _Around | None] = {}
        self._latest = clock.time_ns() // 1000 + AHEAD

    def parse(self, text: str) -> Moment | None:
        """The moment, or None where the layout (a language, a year with five digits) is not known."""
        told = self.told(text)
        return Moment(*told) if told else None

    def told(self, text: str) -> Moment | None:
        """As ``parse``, as a plain tuple in the order of a Moment: in bulk, making named ones is a third of all."""
        day_text, _, time_text = text.rpartition(", ")
        hour_text, _, rest = time_text.partition(":")
        day = self._days.get(day_text) or self._day(day_text)
        suffix = self._suffixes.get(rest[5:]) or self._suffix(rest[5:])
        hour, minute, second = _HOURS.get(hour_text), _TWO_DIGITS.get(rest[:2]), _TWO_DIGITS.get(rest[3:5])
        if day is None or suffix is None or hour is None or minute is None or second is None:
            return self._other(text)
        half, east, zone, flag = suffix
        if minute == 60 or rest[2] != ":" or (half is not None and not 1 <= hour <= 12):
            return None
        if half is not None:
            hour = hour % 12 + half
        return self._moment(day, hour, minute, second, east, zone, flag)

    def _moment(
        self, day: int, hour: int, minute: int, second: int, east: int, zone: str | None, flag: str | None
    ) -> Moment:
        if second == 60:
            second, flag = 59, TimeFlag.LEAP_SECOND.value
        micros = day + (hour * 3600 + minute * 60 + second) * SECOND - east
        if DAY <= micros <= self._latest:
            return micros, zone, flag  # type: ignore[return-value]
        return None, zone, TimeFlag.IMPLAUSIBLE.value  # type: ignore[return-value]

    def _day(self, text: str) -> int | None:
        if text not in self._days:
            if len(self._days) > _CACHE_MAX:
                self._days.clear()
            self._days[text] = _english_day(_spaced(text)) or self._whole(text)
        return self._days[text]

    def _whole(self, text: str) -> int | None:
        """A day of another language, with nothing beside it."""
        dated = self._dated(plain(text)) if 5 < len(text) <= LENGTH_MAX else None
        return dated[0] if dated and not dated[1] else None

    def _suffix(self, text: str) -> _Suffix | None:
        if text not in self._suffixes:
            if len(self._suffixes) > _CACHE_MAX:
                self._suffixes.clear()
            self._suffixes[text] = _suffix(" " + _spaced(text) if text.strip() else "")
        return self._suffixes[text]

    def _other(self, text: str) -> Moment | None:
        """A date as another language writes it."""
        if len(text) > LENGTH_MAX:
            return None
        match = _CLOCK.match(_WORDY_CLOCK.sub(r"\1:\2:\3", plain(text)))
        if not match:
            return None
        head = self._head(match[1])
        around = self._words(head[1], match[5]) if head else None
        hour, minute, second = int(match[2]), int(match[3]), int(match[4])
        if head is None or around is None or hour > 23 or minute > 59 or second > 60:
            return None
        half, zone = around
        if half:
            if (told := hour_of(hour, half)) is None:
                return None
            hour = told
        if not zone:
            return self._moment(head[0], hour, minute, second, 0, None, TimeFlag.NO_ZONE.value)
        east = offset(zone)
        flag = TimeFlag.UNKNOWN_ZONE.value if east is None else None
        return self._moment(head[0], hour, minute, second, east or 0, zone, flag)

    def _head(self, text: str) -> tuple[int, str] | None:
        """(the day in microseconds, the words after it) of what stands before the clock."""
        if text not in self._heads:
            if len(self._heads) > _CACHE_MAX:
                self._heads.clear()
            self._heads[text] = self._dated(text)
        return self._heads[text]

    def _dated(self, text: str) -> tuple[int, str] | None:
        for calendars in self._calendars():
            found, end = day_of(text, calendars)
            if found:
                break
        else:
            return None
        days = {day for day in found.values() if day is not None}
        if len(days) > 1:
            days = self._decided(found, calendars)
        return (days.pop() * DAY, text[end:].strip(" ,")) if len(days) == 1 else None

    def _decided(self, found: dict[str, int | None], calendars: Sequence[Calendar]) -> set[int]:
        """The days that are left when other dates of the file have been looked at."""
        if self._evidence is not None:
            heads = (_CLOCK.match(plain(text)) for text in self._evidence() if len(text) <= LENGTH_MAX)
            self.ruled_out |= impossible({head[1] for head in heads if head}, calendars)
            self._evidence = None
        return {day for key, day in found.items() if day is not None and key not in self.ruled_out}

    def _words(self, before: str, after: str) -> _Around | None:
        """(part of the day, zone) of the words on both sides of the clock."""
        key = (before, after)
        if key not in self._around:
            if len(self._around) > _CACHE_MAX:
                self._around.clear()
            known = (one for calendars in self._calendars() for one in calendars)
            tried = (_around(before.strip(" ,[]"), after.strip(" ,[]"), one) for one in known)
            self._around[key] = next(filter(None, tried), None)
        return self._around[key]

    def _calendars(self) -> Iterator[list[Calendar]]:
        """That of the language; then those of all, for exports that leave their titles in English."""
        yield [calendar(self._language)]
        yield [calendar(language) for language in REGIONS]


def _around(before: str, after: str, known: Calendar) -> _Around | None:
    half: tuple[int, int] | None = None
    squeezed_before = squeezed(before)
    for name in sorted(known.halves, key=len, reverse=True):
        if name and squeezed_before.endswith(name):  # 下午4:11:23
            before, half = before.casefold().replace(" ", "")[: -len(name)], known.halves[name]
            before = before.upper()
            break
    words = after.split()
    for count in range(min(len(words), 3), 0, -1):
        if half is None and (found := known.halves.get(squeezed("".join(words[:count])))):
            half, words = found, words[count:]
            break
    zones = [zone for zone in (before, *words) if zone]
    if len(zones) > 1:
        return None
    zone = zones[0].strip("[]") if zones else ""
    for name in known.utc:
        if name and zone.casefold().startswith(name):
            zone = "GMT" + zone[len(name) :]
    return (half, zone) if not zone or _ZONE.match(zone) else None


def _spaced(text: str) -> str:
    """Narrow and non-breaking spaces (U+202F, U+00A0, …) are spaces, direction marks are nothing."""
    return " ".join(text.replace("\u200e", "").replace("\u200f", "").split())


def _english_day(text: str) -> int | None:
    if match := _DAY_US.match(text):
        month, day, year = match.groups()
    elif match := _DAY_GB.match(text):
        day, month, year = match.groups()
    else:
        return None
    try:
        return int(datetime(int(year), MONTHS[month], int(day), tzinfo=UTC).timestamp()) * SECOND
    except (ValueError, KeyError):
        return None


def _suffix(text: str) -> _Suffix | None:
    match = _SUFFIX.match(text)
    if not match:
        return None
    half = None if not match[1] else NOON if match[1] in "Pp" else 0
    if match[2] is None:
        return half, 0, None, TimeFlag.NO_ZONE.value
    east = offset(match[2])
    if east is None:
        return half, 0, match[2], TimeFlag.UNKNOWN_ZONE.value
    return half, east, match[2], None
