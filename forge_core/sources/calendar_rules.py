"""Recurrence rules (RFC 5545 3.3.10): those of whole days, worked out here in known time.

``read_rule`` reads any rule; ``Rule.cheap`` says whether ``days`` can work it out. The time that takes is bounded by
the days between the first and the last one asked for, whatever the rule says. All others are for
``calendar_child``, which can be ended.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import islice

import msgspec

from forge_core.sources.calendar_values import EPOCH

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
        """Whether ``days`` gives all there is for an entry at ``clock`` seconds after midnight."""
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
        if self.frequency == "DAILY":
            return span // self.interval + 1
        if self.frequency == "WEEKLY":
            return (span // (7 * self.interval) + 2) * max(1, len(self.by_day))
        per_month = 31 if self.by_day else max(1, len(self.month_days))
        if self.frequency == "MONTHLY":
            return (span // (28 * self.interval) + 2) * per_month
        months = len(self.months) or (12 if self.by_day or self.month_days else 1)
        return (span // (365 * self.interval) + 2) * months * per_month


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


def days(rule: Rule, start: int, first: int, last: int, most: int) -> list[int]:
    """The days since 1970 on which a cheap rule recurs, from ``first`` to ``last``, no more than ``most``.

    ``start`` is the day of the entry. It is the first of COUNT occurrences, even where the rule does not hit it.
    """
    if (
        rule.frequency == "DAILY"
        and rule.count is None
        and not (rule.by_day or rule.months or rule.month_days)
    ):
        from_start = start + max(0, first - start + rule.interval - 1) // rule.interval * rule.interval
        return list(islice(range(from_start, last + 1, rule.interval), most))
    if last < start:
        return []
    found = _all(rule, start, start if rule.count is not None else max(start, first), last)
    if rule.count is None:
        return list(islice((day for day in found if day >= first), most))
    head = next(found, None)
    left = rule.count - 1
    rest = found if head is None or head == start else _before(head, found)
    counted = _before(start, islice(rest, left))
    return list(islice((day for day in counted if day >= first), most))


def _before(day: int, rest: Iterator[int]) -> Iterator[int]:
    yield day
    yield from rest


def _all(rule: Rule, start: int, first: int, last: int) -> Iterator[int]:
    """The days of a rule from about ``first`` on, COUNT left aside."""
    for period in _periods(rule, start, first, last):
        if rule.positions:
            size = len(period)
            period = sorted({
                period[place - 1 if place > 0 else place]
                for place in rule.positions
                if -size <= place <= size
            })  # fmt: skip
        for day in period:
            if day > last:
                return
            if day >= start:
                yield day


def _periods(rule: Rule, start: int, first: int, last: int) -> Iterator[Sequence[int]]:
    """The days of each period, in order, until one begins after ``last``."""
    if rule.frequency == "DAILY":
        behind = max(0, first - start) // rule.interval * rule.interval
        for day in range(start + behind, last + 1, rule.interval):
            if _allowed(rule, day):
                yield (day,)
    elif rule.frequency == "WEEKLY":
        weekdays = [weekday for weekday, _ in rule.by_day] or [weekday_of(start)]
        places = sorted({(weekday - rule.week_start) % 7 for weekday in weekdays})
        week = start - (weekday_of(start) - rule.week_start) % 7
        step = 7 * rule.interval
        week += max(0, first - week) // step * step
        for monday in range(week, last + 1, step):
            period = [monday + place for place in places]
            yield [day for day in period if month_of(day) in rule.months] if rule.months else period
    else:
        yield from _months(rule, start, first, last)


def _months(rule: Rule, start: int, first: int, last: int) -> Iterator[Sequence[int]]:
    """The periods of monthly and yearly rules."""
    begin, now, end = (date.fromordinal(day + EPOCH) for day in (start, max(start, first), last))
    if rule.frequency == "MONTHLY":
        month = begin.year * 12 + begin.month - 1
        month += (now.year * 12 + now.month - 1 - month) // rule.interval * rule.interval
        for number in range(month, end.year * 12 + end.month, rule.interval):
            year, month = divmod(number, 12)
            if not rule.months or month + 1 in rule.months:
                yield _month(rule, year, month + 1, begin.day)
        return
    nth_of_year = rule.by_day and not rule.months and not rule.month_days
    if rule.months:
        months: Sequence[int] = rule.months
    else:
        months = range(1, 13) if rule.month_days or rule.by_day else (begin.month,)
    first_year = begin.year + (now.year - begin.year) // rule.interval * rule.interval
    for year in range(first_year, end.year + 1, rule.interval):
        if nth_of_year:
            yield _nth(rule, date(year, 1, 1).toordinal() - EPOCH, 365 + (monthrange(year, 2)[1] == 29))
        else:
            yield [day for month in months for day in _month(rule, year, month, begin.day)]


def _month(rule: Rule, year: int, month: int, day_of_start: int) -> Sequence[int]:
    """The days of one month."""
    before, size = date(year, month, 1).toordinal() - EPOCH - 1, monthrange(year, month)[1]
    if not rule.month_days and rule.by_day:
        return _nth(rule, before + 1, size)
    wanted = rule.month_days or (day_of_start,)
    found = sorted({
        before + (day if day > 0 else size + 1 + day) for day in wanted if -size <= day <= size
    })  # fmt: skip
    if rule.by_day:
        allowed = set(_nth(rule, before + 1, size))
        found = [day for day in found if day in allowed]
    return found


def _nth(rule: Rule, begin: int, size: int) -> list[int]:
    """The days that BYDAY names in a period of ``size`` days from ``begin``."""
    found: set[int] = set()
    for weekday, which in rule.by_day:
        one = begin + (weekday - weekday_of(begin)) % 7
        every = range(one, begin + size, 7)
        if which == 0:
            found.update(every)
        elif abs(which) <= len(every):
            found.add(every[which - 1 if which > 0 else which])
    return sorted(found)


def _allowed(rule: Rule, day: int) -> bool:
    """Whether the limits of a daily rule let a day through."""
    if rule.by_day and weekday_of(day) not in {weekday for weekday, _ in rule.by_day}:
        return False
    if not (rule.months or rule.month_days):
        return True
    at = date.fromordinal(day + EPOCH)
    if rule.months and at.month not in rule.months:
        return False
    size = monthrange(at.year, at.month)[1]
    return not rule.month_days or at.day in rule.month_days or at.day - size - 1 in rule.month_days


def weekday_of(day: int) -> int:
    """Monday is 0; day 0 was a Thursday."""
    return (day + 3) % 7


def month_of(day: int) -> int:
    return date.fromordinal(day + EPOCH).month
