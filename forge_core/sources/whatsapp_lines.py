"""The lines of a WhatsApp export: where a message begins, in which order its date is written, who wrote it.

The layout follows the phone's language: ``[05.01.19, 15:05:12]``, ``5/1/19, 3:05 PM -``, ``2019. 1. 5. 오후 3:05``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache, lru_cache
from typing import NamedTuple

from forge_core.times import SECOND, Moment, TimeFlag, plausible

_B = "[ \u00a0\u202f]"  # blanks, one of them narrow
_M = "[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]*"  # marks of the direction of writing
MARKS = re.compile(_M[:-1])
_HALF = r"[^\W\d_][^\d\]\[:\-]{0,11}?"  # AM, p. m., 오후
HEADER = re.compile(
    rf"{_M}(?P<open>\[)?(?P<a>\d{{1,4}}){_M}(?P<sep>[./\-])(?P<gap>{_B}?){_M}(?P<b>\d{{1,2}}){_M}(?P=sep){_B}?{_M}"
    rf"(?P<c>\d{{1,4}})\.?{_M}(?P<comma>[,،]?){_B}(?:(?P<before>{_HALF}){_B}?)?"
    rf"(?P<hour>\d{{1,2}})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d))?(?:{_B}?(?P<after>{_HALF}))?{_M}"
    rf"(?P<end>\]|{_B}-|:){_B}"
)
SENDER = re.compile(rf"{_M}(?:~{_B}?)?(?P<name>[^:\n\"“”„«»]{{1,100}}?){_M}:(?:{_B}|$)")
# The orders that CLDR's date formats have with each separator where no year of four digits stands first: no
# language writes M.d.y or M-d-y, and of those of the app Korean alone has a year of two digits first (19. 1. 5.).
_ORDERS = {"/": ("dmy", "mdy"), ".": ("dmy",), "-": ("dmy",)}
UNSAID = -1  # no half of the day
_AT = ("at", "um", "à", "às", "klo", "kl")  # between date and time in some languages
DATES_MAX = 100_000  # changes of date that are looked at to tell day from month
DECISIVE = 5  # times as many contradictions: a clock set back once does not decide against the right order
LANGUAGES = (
    "am", "ar", "bg", "bn", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "gu", "he", "hi", "hr",
    "hu", "id", "it", "ja", "kn", "ko", "ml", "mr", "ms", "nb", "nl", "pa", "pl", "pt", "ro", "ru", "sk",
    "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tr", "uk", "ur", "vi", "zh_Hans", "zh_Hant",
)  # fmt: skip


class Layout(NamedTuple):
    """What all messages of one file have in common, so that a quoted line is not taken for one."""

    bracket: bool
    separator: str
    spaced: bool
    comma: bool
    seconds: bool
    halves: bool
    end: str


class Start(NamedTuple):
    """The beginning of a message: its date as written, the time of day in seconds, and what follows."""

    layout: Layout
    date: tuple[str, str, str]
    clock: int | None
    rest: str


def start(line: str) -> Start | None:
    """The beginning of a message, or None where a line goes on with the one before."""
    found = HEADER.match(line)
    if not found or (found["open"] is None) == (found["end"] == "]"):
        return None
    before, after = found["before"], found["after"]
    word = before or after
    half = half_day(word) if word else UNSAID
    if half is None:
        return None
    layout = Layout(
        bool(found["open"]), found["sep"], bool(found["gap"]), bool(found["comma"]),
        bool(found["second"]), half >= 0, found["end"][-1],
    )  # fmt: skip
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if half >= 0:
        hour = hour % 12 + half if 1 <= hour <= 12 else 24
    clock = hour * 3600 + minute * 60 + second if hour < 24 and minute < 60 and second < 60 else None
    return Start(layout, (found["a"], found["b"], found["c"]), clock, line[found.end() :])


@lru_cache(256)
def half_day(word: str) -> int | None:
    """0 for ``AM`` in any language, 12 for ``PM``, ``UNSAID`` for ``at``, None for anything else."""
    key = _key(word)
    known = {"am": 0, "pm": 12}.get(key)
    return UNSAID if key in _AT else _halves().get(key) if known is None else known


def _key(word: str) -> str:
    return re.sub(r"[.\s]+", "", MARKS.sub("", word)).casefold()


@cache
def _halves() -> dict[str, int]:
    from babel import Locale

    found: dict[str, set[int]] = {}
    for name in LANGUAGES:
        for widths in Locale.parse(name).day_periods.values():
            for words in widths.values():
                for period, hours in (("am", 0), ("pm", 12)):
                    if word := _key(words.get(period, "")):
                        found.setdefault(word, set()).add(hours)
    return {word: hours.pop() for word, hours in found.items() if len(hours) == 1}


def order_of(dates: Iterable[tuple[str, str, str]], layout: Layout) -> str | None:
    """``dmy``, ``mdy`` or ``ymd``: the one order that the dates of a file do not contradict, else None.

    They contradict an order where it makes no date of them, and where days go back by more than one.
    """
    known: list[tuple[str, str, str]] = []
    for written in dates:
        if not known or known[-1] != written:
            known.append(written)
        if len(known) >= DATES_MAX:
            break
    if not known:
        return None
    orders: Sequence[str] = _ORDERS[layout.separator]
    if any(len(a) > 2 for a, _, _ in known):
        orders = ("ymd",)
    elif layout.separator == "." and layout.spaced and not any(len(c) > 2 for _, _, c in known):
        orders = ("dmy", "ymd")
    ranked = sorted((_contradictions(known, order), order) for order in orders)
    if len(ranked) == 1:
        return ranked[0][1]
    (best, order), (second, _) = ranked[:2]
    return order if second > 0 and second >= DECISIVE * best else None


def _contradictions(dates: Sequence[tuple[str, str, str]], order: str) -> int:
    count, latest = 0, 0
    for written in dates:
        day = day_number(written, order)
        if day is None:
            count += 1
            continue
        if day < latest - 1:
            count += 1
        latest = day
    return count


@lru_cache(4096)
def day_number(written: tuple[str, str, str], order: str) -> int | None:
    """Days since 1 January of the year 1, None where there is no such date."""
    fields = {key: int(value) for key, value in zip(order, written, strict=True)}
    year = fields["y"] + (2000 if len(written[order.index("y")]) <= 2 else 0)
    try:
        return date(year, fields["m"], fields["d"]).toordinal()
    except ValueError:
        return None


_EPOCH = date(1970, 1, 1).toordinal()


def moment(begun: Start, order: str) -> Moment | None:
    """The local time as exported, read as UTC and flagged; None where there is no such time."""
    day = day_number(begun.date, order)
    if day is None or begun.clock is None:
        return None
    return plausible(((day - _EPOCH) * 86_400 + begun.clock) * SECOND, None, TimeFlag.NO_ZONE.value)
