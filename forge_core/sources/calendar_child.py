"""Recurrence rules of any kind, by dateutil, in a process that is ended when they take too long."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec

from forge_core.sources.calendar_rules import FREQUENCIES, Rule

TARGET = f"{__name__}:expand"
_EPOCH = datetime(1970, 1, 1)
_UNITS = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}


class Limited(msgspec.Struct):
    """A rule with its UNTIL as a wall time."""

    rule: Rule
    until: int | None = None


class Request(msgspec.Struct):
    """Wall times from ``first`` to ``last`` are asked for, no more than ``most``; ``begins``: the start is one."""

    start: int
    begins: bool
    rules: list[Limited]
    exceptions: list[Limited]
    first: int
    last: int
    most: int


def expand(data: bytes) -> bytes:
    """The wall times of a ``Request``, as JSON; null where dateutil refuses a rule."""
    asked = msgspec.json.decode(data, type=Request)
    try:
        return msgspec.json.encode(_walls(asked))
    except (ValueError, OverflowError, TypeError):
        return b"null"


def _walls(asked: Request) -> list[int]:
    from dateutil.rrule import rruleset

    found = rruleset()
    if asked.begins:
        found.rdate(_EPOCH + timedelta(seconds=asked.start))
    for one in asked.rules:
        found.rrule(_rule(one, asked))
    for one in asked.exceptions:
        found.exrule(_rule(one, asked))
    walls: list[int] = []
    for at in found:
        wall = int((at - _EPOCH).total_seconds())
        if wall > asked.last or len(walls) >= asked.most:
            break
        if wall >= asked.first:
            walls.append(wall)
    return walls


def _rule(limited: Limited, asked: Request) -> Any:
    from dateutil.rrule import rrule, weekday

    rule, start, until = limited.rule, asked.start, limited.until
    if rule.count is None:
        if rule.frequency in _UNITS:
            # begin near what is asked for, in step with the start; its minute and second stay what they were
            step = rule.interval * _UNITS[rule.frequency]
            start += max(0, asked.first - start) // step * step
        until = asked.last if until is None else min(asked.last, until)
    found = rrule(
        FREQUENCIES.index(rule.frequency),
        dtstart=_EPOCH + timedelta(seconds=start),
        interval=rule.interval,
        wkst=rule.week_start,
        until=None if until is None else _EPOCH + timedelta(seconds=until),
        bysetpos=rule.positions or None,
        bymonth=rule.months or None,
        bymonthday=rule.month_days or None,
        byyearday=rule.year_days or None,
        byweekno=rule.weeks or None,
        byweekday=[weekday(day, which or None) for day, which in rule.by_day] or None,
        byhour=rule.hours or None,
        byminute=rule.minutes or None,
        bysecond=rule.seconds or None,
    )
    return found if rule.count is None else _counted(found, rule.count, _EPOCH + timedelta(seconds=start))


def _counted(found: Any, count: int, start: datetime) -> Any:
    """The first ``count`` of a rule; the start of the entry is one of them even where the rule does not hit it."""
    return islice(found, count if next(iter(found), None) == start else count - 1)
