"""How languages write dates, from Unicode's locale data (CLDR, through babel): patterns, names, halves of the day.

A ``Calendar`` is what the regions of one language use, or all of them together. Month names leave no doubt about
the order of day, month and year; all-numeric dates do, so each numeric layout is kept apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

# Regions whose patterns differ within each language that the readers know.
REGIONS = {
    "en": ("en_US", "en_GB", "en_CA", "en_IN", "en_ZA"),
    "de": ("de_DE", "de_AT", "de_CH"),
    "fr": ("fr_FR", "fr_CA", "fr_CH", "fr_BE"),
    "es": ("es_ES", "es_419", "es_MX", "es_AR", "es_CL", "es_PA", "es_US"),
    "pt": ("pt_BR", "pt_PT"),
    "it": ("it_IT", "it_CH"),
    "nl": ("nl_NL", "nl_BE"),
    "pl": ("pl_PL",),
    "tr": ("tr_TR",),
    "ja": ("ja_JP",),
    "ar": ("ar_EG", "ar_AE", "ar_SA", "ar_MA", "ar_DZ", "ar_TN", "ar_LB", "ar_IQ"),
    "zh_Hans": ("zh_Hans_CN", "zh_Hans_SG", "zh_Hans_HK"),
    "zh_Hant": ("zh_Hant_TW", "zh_Hant_HK"),
}
NOON, MIDNIGHT = 12, 24
_SKELETONS = ("yMd", "yMMMd", "yMMMMd")
_FIELD = re.compile(r"'([^']*)'|(d+|[ML]+|y+)|([^'dMLy]+)")
_MARKS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_SPELLING: dict[int, str | None] = {ord(mark): None for mark in _MARKS} | {0x060C: ","}  # the Arabic comma
_SPELLING |= {zero + digit: str(digit) for zero in (0x660, 0x6F0, 0x966, 0xFF10) for digit in range(10)}
_BETWEEN = r"[\s.,/\-]*"  # what stands between the parts of a date with a month name, in any release of CLDR


def plain(text: str) -> str:
    """One spelling: Arabic, Devanagari and wide digits as 0-9, all spaces alike, no direction marks, NFC."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_SPELLING))
    return " ".join(text.split())


def squeezed(text: str) -> str:
    """A name without the spaces and dots that releases of CLDR disagree about."""
    return plain(text).casefold().replace(" ", "").replace(".", "")


@dataclass(frozen=True)
class Numeric:
    """A layout of digits alone, as ``d/M/y``."""

    key: str
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, key: str) -> Numeric:
        parts = {"d": r"(?P<d>\d{1,2})", "M": r"(?P<M>\d{1,2})", "y": r"(?P<y>\d{4})"}
        # the year first or last: digits must not go on on either side
        text = "".join(parts.get(char) or rf"\s*{re.escape(char)}\s*" for char in key)
        return cls(key, re.compile(rf"(?<!\d){text}(?!\d)"))


@dataclass
class Calendar:
    """What one language, or all of them, write in dates. Names are squeezed."""

    months: dict[str, int] = field(default_factory=dict)
    orders: set[str] = field(default_factory=set)  # dMy, Mdy or yMd: where the month has a name
    glue: set[str] = field(default_factory=set)  # words between the parts: de
    numeric: dict[str, Numeric] = field(default_factory=dict)
    halves: dict[str, tuple[int, int]] = field(default_factory=dict)  # hours from and before
    utc: set[str] = field(default_factory=set)  # names of GMT
    _named: list[re.Pattern[str]] | None = None

    def named(self) -> list[re.Pattern[str]]:
        """Patterns of dates with the name of a month, one for each order."""
        if self._named is None:
            names = "|".join(sorted(map(_loose, self.months), key=len, reverse=True))
            glue = "|".join(sorted(map(re.escape, self.glue), key=len, reverse=True))
            between = rf"{_BETWEEN}(?:(?:{glue})\s+)?" if glue else _BETWEEN
            parts = {"d": r"(?P<d>\d{1,2})", "M": rf"(?P<M>{names})", "y": r"(?P<y>\d{4})"}
            self._named = [
                re.compile(r"(?<!\w)" + between.join(parts[char] for char in order) + r"(?!\w)")
                for order in sorted(self.orders)
            ]
        return self._named

    def add(self, other: Calendar) -> None:
        """What another calendar has too; a name that means two months is neither."""
        for name, number in other.months.items():
            if self.months.setdefault(name, number) != number:
                self.months[name] = 0
        self.orders |= other.orders
        self.glue |= other.glue
        self.utc |= other.utc
        self.numeric = {**other.numeric, **self.numeric}
        self.halves = {**other.halves, **self.halves}


def _loose(name: str) -> str:
    """A pattern of a squeezed name as it may be written."""
    return r"\.?\s*".join(map(re.escape, name)) if not name.isascii() else re.escape(name)


@cache
def calendar(language: str) -> Calendar:
    """What the regions of ``language`` use."""
    from babel import Locale

    found = Calendar()
    for region in REGIONS[language]:
        found.add(_of(Locale.parse(region)))
    found.months = {name: number for name, number in found.months.items() if number}
    return found


def _of(locale: Any) -> Calendar:
    found = Calendar(utc={squeezed(locale.zone_formats["gmt"].replace("%s", ""))})
    for context in ("format", "stand-alone"):
        for width in ("abbreviated", "wide"):
            for number, name in locale.months[context][width].items():
                if not any(char.isdigit() for char in name):
                    found.months[squeezed(name)] = number
    patterns = [locale.date_formats[width].pattern for width in ("medium", "long")]
    skeletons = locale.datetime_skeletons
    patterns += [skeletons[name].pattern for name in _SKELETONS if name in skeletons]
    for pattern in patterns:
        _take(plain(pattern), found)
    found.halves = dict(_halves(locale))
    return found


def _take(pattern: str, found: Calendar) -> None:
    """A pattern of CLDR: an order of named months, or a numeric layout."""
    order, key, words = "", "", []
    for quoted, letters, literal in _FIELD.findall(pattern):
        if letters:
            char = "M" if letters[0] in "ML" else letters[0]
            order += char
            key += "L" if char == "M" and len(letters) > 2 else char
        else:
            words += [word for word in (quoted.split() if quoted else []) if word.isalpha()]
            key += (quoted or literal).replace(" ", "")
    if sorted(order) != ["M", "d", "y"] or "yy" in pattern.replace("yyyy", "y"):
        return
    if "L" in key:
        found.orders.add(order)
        found.glue |= {word.casefold() for word in words}
    else:
        found.numeric[key] = Numeric.of(key)


def _halves(locale: Any) -> Iterator[tuple[str, tuple[int, int]]]:
    """(name, hours from and before) of am and pm and of the flexible parts of the day, am and pm last."""
    rules = {name: _hours(rule) for name, rule in dict(locale.day_period_rules.get(None, {})).items()}
    plainly = {"am": (0, NOON), "pm": (NOON, MIDNIGHT)}
    for chosen in ({name: hours for name, hours in rules.items() if hours}, plainly):
        for context in locale.day_periods.values():
            for width in ("wide", "abbreviated"):
                for name, hours in chosen.items():
                    if text := context.get(width, {}).get(name):
                        yield squeezed(text), hours


def _hours(rule: list[dict[str, int]]) -> tuple[int, int] | None:
    """Hours of a flexible part of the day, of noon and midnight one; None for what is divided in two."""
    if len(rule) != 1:
        return None
    if (at := rule[0].get("at")) is not None:
        return at // 3600, at // 3600 + 1
    return rule[0]["from"] // 3600, rule[0]["before"] // 3600


def hour_of(hour: int, half: tuple[int, int]) -> int | None:
    """The hour of 24 of a clock with 12 hours in a part of the day; None where none or two fit."""
    start, stop = half
    fitting = [
        one
        for one in (hour % 12, hour % 12 + 12)
        if (start <= one < stop if start < stop else one >= start or one < stop)
    ]
    return fitting[0] if len(fitting) == 1 and 1 <= hour <= 12 else None


def day_of(text: str, calendars: Iterable[Calendar]) -> tuple[dict[str, int | None], int]:
    """({layout: days since 1970, None where there is no such day}, where the date ends) of a text in one spelling.

    A date with a month name is of the layout "named", and "named!" where two languages mean different days by it.
    """
    low = text.casefold()
    found: dict[str, int | None] = {}
    end = 0
    for one in calendars:
        for pattern in one.named():
            if match := pattern.match(low):
                day = _day(match["y"], one.months.get(squeezed(match["M"])), match["d"])
                found["named" if found.get("named", day) == day else "named!"] = day
                end = match.end()
        for key, layout in one.numeric.items():
            if key not in found and (match := layout.pattern.match(low)):
                found[key] = _day(match["y"], int(match["M"]), match["d"])
                end = max(end, match.end())
    return found, end


def _day(year: str, month: int | None, day: str) -> int | None:
    try:
        return datetime(int(year), month or 0, int(day), tzinfo=UTC).toordinal() - 719_163
    except ValueError:
        return None


def impossible(texts: Iterable[str], calendars: Sequence[Calendar]) -> set[str]:
    """Numeric layouts that some of these dates cannot be of, though they can be of another."""
    out: set[str] = set()
    for text in texts:
        found, _ = day_of(text, calendars)
        if any(day is not None for day in found.values()):
            out |= {key for key, day in found.items() if day is None}
    return out
