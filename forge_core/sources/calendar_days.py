"""The days of a recurrence rule that is cheap: worked out in known time.

That time is bounded by the days between the first and the last one asked for, whatever the rule says.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice

from forge_core.sources.calendar_rules import Rule
from forge_core.sources.calendar_values import EPOCH


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
    all_year = rule.by_day and not rule.months  # the nth weekday is then that of the year
    months = rule.months or (range(1, 13) if rule.month_days else (begin.month,))
    first_year = begin.year + (now.year - begin.year) // rule.interval * rule.interval
    for year in range(first_year, end.year + 1, rule.interval):
        if not all_year:
            yield [day for month in months for day in _month(rule, year, month, begin.day)]
            continue
        found = _nth(rule, date(year, 1, 1).toordinal() - EPOCH, 365 + (monthrange(year, 2)[1] == 29))
        if rule.month_days:
            numbered = {day for month in months for day in _numbered(rule, year, month, begin.day)}
            found = [day for day in found if day in numbered]
        yield found


def _month(rule: Rule, year: int, month: int, day_of_start: int) -> Sequence[int]:
    """The days of one month."""
    if not rule.by_day:
        return _numbered(rule, year, month, day_of_start)
    found = _nth(rule, date(year, month, 1).toordinal() - EPOCH, monthrange(year, month)[1])
    if rule.month_days:
        numbered = _numbered(rule, year, month, day_of_start)
        found = [day for day in found if day in numbered]
    return found


def _numbered(rule: Rule, year: int, month: int, day_of_start: int) -> list[int]:
    """The days of one month by their number."""
    before, size = date(year, month, 1).toordinal() - EPOCH - 1, monthrange(year, month)[1]
    wanted = rule.month_days or (day_of_start,)
    return sorted({before + (day if day > 0 else size + 1 + day) for day in wanted if -size <= day <= size})


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
