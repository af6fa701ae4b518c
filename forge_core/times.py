"""Times as exports write them, made UTC microseconds, with a flag wherever something is doubtful.

Nothing becomes "now" and nothing is guessed: a time that cannot be is unknown and flagged, a text in
an unknown layout is ``None`` and the reader sets the record aside.
"""

from __future__ import annotations

import re
import time as clock
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, cast

from forge_core.events import PLANNED_UNTIL, TimeFlag

if TYPE_CHECKING:
    import pyarrow as pa

SECOND = 1_000_000
DAY = 86_400 * SECOND
# Exports are made on clocks that may run ahead a little; the structure check allows two days.
AHEAD = DAY
LATEST_PLAN = int(datetime.fromisoformat(PLANNED_UNTIL).replace(tzinfo=UTC).timestamp()) * SECOND


class Moment(NamedTuple):
    """UTC microseconds since 1970, the zone as exported, and why the time is doubtful."""

    micros: int | None
    zone: str | None = None
    flag: str | None = None


UNKNOWN = Moment(None, None, TimeFlag.UNKNOWN.value)

# Hours from UTC of the zone names Google writes. One export uses one offset, that of the day it was
# made, for all of its dates: a name is an offset here, never a place with a summer time. Names that
# several places use have the meaning CLDR gives them in English exports; the other places are written
# there as GMT+2, GMT+8, …
ZONES: dict[str, float] = {
    "UTC": 0, "GMT": 0, "Z": 0, "TU": 0, "WET": 0, "WEST": 1, "BST": 1, "IST": 5.5,
    "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "WEZ": 0, "WESZ": 1, "OEZ": 2, "OESZ": 3, "WEDT": 1, "EET": 2, "EEST": 3,
    "EEDT": 3, "MSK": 3, "TRT": 3,
    "NST": -3.5, "NDT": -2.5, "AST": -4, "ADT": -3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5,
    "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10, "HDT": -9,
    "HAST": -10, "HADT": -9, "HNE": -5, "HEE": -4, "HAE": -4, "HNC": -6, "HEC": -5, "HAC": -5, "HNR": -7, "HER": -6,
    "HAR": -6, "HNP": -8, "HEP": -7, "HAP": -7, "HNA": -4, "HEA": -3, "HAA": -3,
    "JST": 9, "KST": 9, "SGT": 8, "HKT": 8, "PHT": 8, "WIB": 7, "ICT": 7, "SAST": 2, "EAT": 3, "WAT": 1,
    "CAT": 2, "BRT": -3, "BRST": -2, "AMT": -4, "AZOT": -1, "AZOST": 0,
    "GST": 4, "WITA": 8, "WIT": 9, "JDT": 10, "ART": -3, "CLT": -4, "CLST": -3, "COT": -5, "PET": -5, "VET": -4,
    "AEST": 10, "AEDT": 11, "ACST": 9.5, "ACDT": 10.5, "AWST": 8, "NZST": 12, "NZDT": 13,
}  # fmt: skip

_OFFSET = re.compile(r"(?:GMT|UTC)?([+\-\u2212])(\d{1,2})(?::?(\d\d))?\Z")


def offset(zone: str) -> int | None:
    """Microseconds east of UTC of ``CET`` or ``GMT+02:00``; None where no table knows it."""
    if zone in ZONES:
        return int(ZONES[zone] * 3600 * SECOND)
    match = _OFFSET.match(zone)
    if not match or int(match[2]) > 14:
        return None
    minutes = int(match[2]) * 60 + int(match[3] or 0)
    return (minutes if match[1] == "+" else -minutes) * 60 * SECOND


def plausible(micros: int, zone: str | None = None, flag: str | None = None) -> Moment:
    """The moment, or an unknown one where it lies before 1970-01-02 or in the future."""
    if DAY <= micros <= clock.time_ns() // 1000 + AHEAD:
        return Moment(micros, zone, flag)
    return Moment(None, zone, TimeFlag.IMPLAUSIBLE.value)


def planned(micros: int, zone: str | None = None, flag: str | None = None) -> Moment:
    """The moment of something planned, which may lie ahead; unknown before 1970-01-02 and after 2099."""
    if DAY <= micros <= LATEST_PLAN:
        return Moment(micros, zone, flag)
    return Moment(None, zone, TimeFlag.IMPLAUSIBLE.value)


def parse_epoch(value: int | float | str) -> Moment | None:
    """A number of seconds, milli-, micro- or nanoseconds since 1970, told apart by magnitude.

    Each unit covers the years 1973 to 5138 of the next finer one, so plausible times are never mixed up.
    """
    if isinstance(value, str):
        if not re.fullmatch(r"-?[0-9]{1,20}(?:\.[0-9]{1,12})?", value.strip()):
            return None
        value = float(value) if "." in value else int(value)
    if isinstance(value, float):
        if not abs(value) < 1e20:  # NaN and the infinities too
            return None
        if value.is_integer():
            value = int(value)
    size = abs(value)
    if size < 10**11:
        return plausible(int(value * SECOND), "UTC")
    if size < 10**14:
        return plausible(int(value * 1000), "UTC")
    if size < 10**17:
        return plausible(int(value), "UTC")
    return plausible(int(value) // 1000, "UTC")


_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|UTC|[+-]\d\d:?\d\d)?\Z"
)


def parse_iso(text: str) -> Moment | None:
    """``2021-09-30T01:44:33.123Z`` and its relatives; None where the layout is another."""
    match = _ISO.match(text.strip()) if len(text) < 64 else None
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups(default="")
    flag = None
    if second == "60":
        second, flag = "59", TimeFlag.LEAP_SECOND.value
    try:
        base = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=UTC)
    except ValueError:
        return None
    micros = int(base.timestamp()) * SECOND + int(fraction[:6].ljust(6, "0") or 0)
    if not zone:
        return plausible(micros, None, flag or TimeFlag.NO_ZONE.value)
    if zone in ("Z", "UTC"):
        return plausible(micros, "UTC", flag)
    east = offset(zone)
    if east is None:
        return plausible(micros, zone, flag or TimeFlag.UNKNOWN_ZONE.value)
    return plausible(micros - east, zone, flag)


MONTHS = {
    name: number
    for number, names in enumerate(
        ("Jan January", "Feb February", "Mar March", "Apr April", "May", "Jun June", "Jul July", "Aug August",
         "Sep Sept September", "Oct October", "Nov November", "Dec December"), 1,
    )
    for name in names.split()
}  # fmt: skip


def iso_micros(values: Sequence[object]) -> pa.Array | None:
    """Microseconds since 1970 of texts like ``2021-09-30T01:44:33.123Z``; None unless all are so and plausible."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        texts = pa.array(values, pa.string())
        micros = texts.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        return None
    latest = clock.time_ns() // 1000 + AHEAD
    if texts.null_count or not len(texts) or not pc.all(pc.ends_with(texts, "Z")).as_py():
        return None
    bounds = pc.min_max(micros).as_py()
    return micros if bounds["min"] >= DAY and bounds["max"] <= latest else None


def parse_iso_bulk(values: Sequence[object]) -> list[Moment] | None:
    """Moments of texts like ``2021-09-30T01:44:33.123Z``; None unless all are so and plausible."""
    micros = iso_micros(values)
    if micros is None:
        return None
    # plain tuples in the order of Moment: making named ones takes as long as all else here
    return cast("list[Moment]", list(zip(micros.to_pylist(), repeat("UTC"), repeat(None), strict=False)))
