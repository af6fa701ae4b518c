"""Recurrence rules (RFC 5545 3.3.10) as read.

``Rule.cheap`` says whether ``calendar_days`` can work a rule out; all others are for ``calendar_child``, which can
be ended.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

RULE_MAX = 4096  # characters; all BY lists at their fullest have fewer
FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
WEEKDAYS = {name: number for number, name in enumerate(("MO", "TU", "WE", "TH", "FR", "SA", "SU"))}
_BYDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)\Z")
# part -> (Rule's field, least, most); negative numbers count from the end where least is negative
_LISTS = {
    "BYMONTH": ("months", 1, 12),
    "BYMONTHDAY": ("month_days", -31, 31),
    "BYYEARDAY": ("year_days", -366, 366),
    "BYWEEKNO": ("weeks", -53, 53),
    "BYHOUR": ("hours", 0, 23),
    "BYMINUTE": ("minutes", 0, 59),
    "BYSECOND": ("seconds", 0, 60),
    "BYSETPOS": ("positions", -366, 366),
}
_IGNORED = {"SKIP": ("OMIT",), "RSCALE": ("GREGORIAN",)}  # RFC 7529, as far as it changes nothing


class Rule(msgspec.Struct, frozen=True):
    """A rule as read. ``by_day``: (weekday from Monday 0, which one of the period or 0 for all)."""

    frequency: str
    interval: int = 1
    count: int | None = None
    until: str | None = None
    week_start: int = 0
    by_day: tuple[tuple[int, int], ...] = ()
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    weeks: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()

    def cheap(self, clock: int) -> bool:
        """Whether ``calendar_days.days`` gives all there is for an entry at ``clock`` seconds after midnight."""
        if self.frequency not in FREQUENCIES[:4] or self.year_days or self.weeks:
            return False
        if (self.month_days and self.frequency == "WEEKLY") or (self.positions and self.frequency == "DAILY"):
            return False
        at = clock // 3600, clock // 60 % 60, clock % 60
        lists = (self.hours, self.minutes, self.seconds)
        return all(not told or told == (own,) for told, own in zip(lists, at, strict=True))

    def steps(self, start: int, first: int, last: int) -> int:
        """How many days ``days`` looks at, at most."""
        span = max(0, last - (start if self.count is not None else max(start, first)))
        weekdays = len(self.by_day)
        if self.frequency == "DAILY":
            found = span // self.interval + 1
        elif self.frequency == "WEEKLY":
            found = (span // (7 * self.interval) + 2) * max(1, weekdays)
        else:
            per_month = 5 * weekdays + len(self.month_days) or 1
            months = len(self.months) or (12 if self.by_day or self.month_days else 1)
            periods = span // ((28 if self.frequency == "MONTHLY" else 365) * self.interval) + 2
            found = periods * per_month * (1 if self.frequency == "MONTHLY" else months)
        sparse = self.months or self.month_days or self.positions or any(which for _, which in self.by_day)
        return found if self.count is None or sparse else min(found, 2 * self.count + 12)


@lru_cache(maxsize=512)
def read_rule(text: str) -> Rule | None:
    """The rule; None where it is malformed, or of a calendar that is not Gregorian."""
    if len(text) > RULE_MAX:
        return None
    found: dict[str, object] = {}
    for part in text.upper().strip().strip(";").split(";"):
        name, _, value = part.strip().partition("=")
        try:
            known = _part(name, value.strip(), found)
        except (ValueError, KeyError):
            return None
        if not known and not name.startswith("X-"):
            return None
    return Rule(**found) if "frequency" in found else None  # type: ignore[arg-type]


def _part(name: str, value: str, found: dict[str, object]) -> bool:
    """Note one part of a rule; ValueError or KeyError where its value is none."""
    if name == "FREQ":
        found["frequency"] = FREQUENCIES[FREQUENCIES.index(value)]
    elif name == "INTERVAL":
        found["interval"] = _number(value, 1, 10**9)
    elif name == "COUNT":
        found["count"] = None if value == "-1" else _number(value, 1, 10**18)  # -1: some programs' "no end"
    elif name == "UNTIL":
        found["until"] = value
    elif name == "WKST":
        found["week_start"] = WEEKDAYS[value]
    elif name == "BYDAY":
        found["by_day"] = tuple(dict.fromkeys(_day(one) for one in value.split(",")))
    elif name in _LISTS:
        field, least, most = _LISTS[name]
        numbers = {_number(one, least, most) for one in value.split(",")}
        if least < 0 and 0 in numbers:
            raise ValueError
        found[field] = tuple(sorted(numbers))
    else:
        return value in _IGNORED.get(name, ())
    return True


def _number(text: str, least: int, most: int) -> int:
    if len(text) > 20 or not least <= int(text) <= most:
        raise ValueError
    return int(text)


def _day(text: str) -> tuple[int, int]:
    match = _BYDAY.match(text.strip())
    if match is None:
        raise ValueError
    which = int(match[1] or 0)
    if abs(which) > 53:
        raise ValueError
    return WEEKDAYS[match[2]], which
