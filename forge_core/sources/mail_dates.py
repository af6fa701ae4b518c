"""The Date of a mail: RFC 5322, its obsolete forms, and the layout of C's ctime."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from forge_core.events import TimeFlag
from forge_core.times import SECOND, UNKNOWN, Moment, offset, plausible

_TIME = rb"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?"
_ZONE = rb"([+-]\d{4}|[+-]\d\d:\d\d|[A-Za-z]{1,5}(?:[+-]\d{4})?)"
_DATE = re.compile(
    rb"\s*(?:[A-Za-z]{3,9}\.?,?\s*)?(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]{0,6}\.?[\s-]+(\d{2,9}),?\s+"
    + _TIME + rb"\s*" + _ZONE + rb"?"
)  # fmt: skip
_CTIME = re.compile(
    rb"\s*(?:[A-Za-z]{3,9},?\s+)?([A-Za-z]{3})[a-z]{0,6}\s+(\d{1,2}),?\s+" + _TIME
    + rb"\s+(?:" + _ZONE + rb"\s+)?(\d{4})"
)  # fmt: skip
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
# names that are several places' in mail
_AMBIGUOUS = {"IST", "BST", "AST", "CLT"}


def moment(value: bytes | None) -> Moment:
    """The date of a mail. A zone that no table has is read as UTC and flagged; without a date it is unknown."""
    if value is None:
        return UNKNOWN
    if found := _DATE.match(value, 0, 256):
        day, month, year, hour, minute, second, zone = found.groups()
    elif found := _CTIME.match(value, 0, 256):
        month, day, hour, minute, second, zone, year = found.groups()
    else:
        return UNKNOWN
    if len(year) > 4:
        return Moment(None, None, TimeFlag.IMPLAUSIBLE.value)
    midnight = _midnight(year, month.capitalize(), day)
    at = int(hour) * 3600 + int(minute) * 60 + int(second or 0)
    if midnight is None or int(hour) > 23 or int(minute) > 59 or (second and int(second) > 60):
        return UNKNOWN
    east, name, flag = _zone(zone)
    if zone is None and value[found.end() : found.end() + 2].strip(b" \t\r\n("):
        flag = TimeFlag.UNKNOWN_ZONE.value  # something stands there
    if flag == TimeFlag.UNKNOWN.value:
        return UNKNOWN
    if second == b"60":
        at, flag = at - 1, TimeFlag.LEAP_SECOND.value
    return plausible(midnight + at * SECOND - east, name, flag)


@lru_cache(16384)
def _midnight(year: bytes, month: bytes, day: bytes) -> int | None:
    number = int(year)
    if len(year) < 4:  # RFC 5322, 4.3
        number += 2000 if len(year) == 2 and number < 50 else 1900
    try:
        return int(datetime(number, _MONTHS.index(month) + 1, int(day), tzinfo=UTC).timestamp()) * SECOND
    except ValueError:
        return None


@lru_cache(1024)
def _zone(zone: bytes | None) -> tuple[int, str | None, str | None]:
    """(microseconds east of UTC, name as exported, flag)."""
    if zone is None:
        return 0, None, TimeFlag.NO_ZONE.value
    name = zone.decode("ascii")
    upper = name.upper()
    if upper in ("AM", "PM"):  # a clock of twelve hours: nobody says where its zone would stand
        return 0, None, TimeFlag.UNKNOWN.value
    east = 0 if upper == "UT" else None if upper in _AMBIGUOUS else offset(upper)
    if east is None:
        return 0, name, TimeFlag.UNKNOWN_ZONE.value
    return east, name, None
