"""Instants as the services write them, made in bulk: from milliseconds since 1970, in UTC, to text."""

from __future__ import annotations

from functools import cache

import numpy as np

DAY_MS = 86_400_000
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONG_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
WEEKDAYS = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")  # of 1970-01-01 on


def iso(ms: np.ndarray) -> list[str]:
    """2025-06-01T03:04:05.678Z"""
    texts = np.datetime_as_string(ms.astype("datetime64[ms]"), unit="ms").tolist()
    return [text + "Z" for text in texts]


def seconds(ms: np.ndarray) -> list[str]:
    """2025-06-01 03:04:05"""
    texts = np.datetime_as_string((ms // 1000).astype("datetime64[s]"), unit="s").tolist()
    return [text.replace("T", " ") for text in texts]


def american(ms: np.ndarray) -> list[str]:
    """Jun 1, 2025, 3:04:05 AM UTC, with the narrow space of newer exports"""
    clock = _clocks("\u202f")
    return [f"{_day(day)[0]}, {clock[second]} UTC" for day, second in _split(ms)]


def long_american(ms: np.ndarray) -> list[str]:
    """Sunday, June 1, 2025 at 3:04:05 AM UTC, as Google Chat has it"""
    clock = _clocks("\u202f")
    return [f"{_day(day)[1]} at {clock[second]} UTC" for day, second in _split(ms)]


def mail(ms: np.ndarray) -> list[tuple[str, str]]:
    """Sun, 01 Jun 2025 03:04:05 +0000 for the Date header, Sun Jun 01 03:04:05 +0000 2025 for From_ lines"""
    clock = _clocks24()
    return [
        (f"{_day(day)[2]} {clock[second]} +0000", f"{_day(day)[3]} {clock[second]} +0000 {_day(day)[4]}")
        for day, second in _split(ms)
    ]


def basic(ms: np.ndarray) -> list[str]:
    """20250601T030405Z"""
    return [text.replace("-", "").replace(":", "").replace(" ", "T") + "Z" for text in seconds(ms)]


def _split(ms: np.ndarray) -> list[tuple[int, int]]:
    return list(zip((ms // DAY_MS).tolist(), (ms % DAY_MS // 1000).tolist(), strict=True))


@cache
def _day(day: int) -> tuple[str, str, str, str, int]:
    date = np.datetime64(day, "D").item()
    weekday, month = WEEKDAYS[day % 7], MONTHS[date.month - 1]
    return (
        f"{month} {date.day}, {date.year}",
        f"{weekday}, {LONG_MONTHS[date.month - 1]} {date.day}, {date.year}",
        f"{weekday[:3]}, {date.day:02d} {month} {date.year}",
        f"{weekday[:3]} {month} {date.day:02d}",
        date.year,
    )


@cache
def _clocks(space: str) -> list[str]:
    """The 86,400 clock times of a day."""
    return [
        f"{hour % 12 or 12}:{minute:02d}:{second:02d}{space}{'AM' if hour < 12 else 'PM'}"
        for hour in range(24) for minute in range(60) for second in range(60)
    ]  # fmt: skip


@cache
def _clocks24() -> list[str]:
    return [f"{h:02d}:{m:02d}:{s:02d}" for h in range(24) for m in range(60) for s in range(60)]
