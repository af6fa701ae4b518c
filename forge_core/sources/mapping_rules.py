"""Mappings of tables of one's own: whether one makes sense, which file it fits, what its values become."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from forge_core.errors import UsageError
from forge_core.events import KINDS, TimeFlag
from forge_core.sources.csv_parts import first_records
from forge_core.sources.options import TableMapping
from forge_core.times import SECOND, UNKNOWN, Moment, parse_epoch, parse_iso, planned, plausible

FIRST_EPOCH = 10**8  # seconds: a number below is no time of a table (1973)
DELIMITERS = (",", ";", "\t", "|")
JSONL = "{"  # where a table has its delimiter
_KEY = re.compile(rb'"((?:[^"\\]|\\.){1,200})"\s*:')
_NAMESPACE = re.compile(r"[a-z][a-z0-9+.-]*:.")
_NUMBER = re.compile(r"\s*-?\d+(?:\.\d*)?\s*\Z")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")
_BOOLEANS = {
    "true": True,
    "1": True,
    "yes": True,
    "y": True,
    "false": False,
    "0": False,
    "no": False,
    "n": False,
}


def check(mappings: Sequence[TableMapping]) -> None:
    """Raise ``FORGE-MAPPING`` for the first mapping that cannot work."""
    for place, mapping in enumerate(mappings):
        if any(mapping.name == other.name for other in mappings[:place]):
            raise _wrong(mapping, "name", "is used twice", "Give each mapping a name of its own.")
        _check(mapping)


def _check(mapping: TableMapping) -> None:
    if not _NAME.match(mapping.name):
        raise _wrong(
            mapping, "name", "is no name", "Use small letters, digits, - and _, beginning with a letter."
        )
    if mapping.kind not in KINDS:
        raise _wrong(mapping, "kind", f"has no kind {mapping.kind!r}", f"Choose one of {', '.join(KINDS)}.")
    own = [column.name for column in KINDS[mapping.kind].columns]
    for field, allowed in (("columns", ["item", "time", *own]), ("constants", ["item", *own])):
        for name in getattr(mapping, field):
            if name not in allowed:
                raise _wrong(
                    mapping,
                    f"{field}.{name}",
                    f"is no column of {mapping.kind}",
                    f"Choose of {', '.join(allowed)}.",
                )
    for name in mapping.columns:
        if name in mapping.constants:
            raise _wrong(mapping, f"constants.{name}", "is mapped to a column too", "Remove one of them.")
    if "item" not in mapping.columns and "item" not in mapping.constants:
        raise _wrong(
            mapping, "columns.item", "is missing", "Name the column that says what each row is about."
        )
    if not mapping.columns:
        raise _wrong(mapping, "columns", "is empty", "Name the columns the file is recognised by.")
    if mapping.zone is not None:
        try:
            zone(mapping.zone)
        except (ValueError, OSError, LookupError):  # ZoneInfoNotFoundError is a KeyError
            raise _wrong(mapping, "zone", "is no time zone", "Use a name such as Europe/Berlin.") from None
    if mapping.time_format is not None and not _is_format(mapping.time_format):
        raise _wrong(mapping, "time_format", "is no format", "Write it as for strptime: %d.%m.%Y %H:%M.")
    for name, text in mapping.constants.items():
        try:
            VALUES[types(mapping.kind).get(name, "text")](text, mapping)
        except ValueError:
            raise _wrong(mapping, f"constants.{name}", "has a value of another type", "Correct it.") from None


def _wrong(mapping: TableMapping, field: str, what: str, fix: str) -> UsageError:
    return UsageError("FORGE-MAPPING", f"In the mapping {mapping.name!r}, {field} {what}.", "", fix)


def _is_format(text: str) -> bool:
    try:
        datetime.strptime("", text)
    except re.error:
        return False  # the same part of a date twice
    except ValueError as error:
        return "bad directive" not in str(error) and "stray %" not in str(error) and "%" in text
    return "%" in text


@cache
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def fitting(head: bytes, mappings: Sequence[TableMapping]) -> tuple[int, str] | None:
    """(number of the mapping, delimiter) of the first mapping whose columns are all there."""
    if not mappings:
        return None
    if head.lstrip().startswith(b"{"):
        keys = _keys(head.lstrip())
        return next(((n, JSONL) for n, one in enumerate(mappings) if keys >= set(one.columns.values())), None)
    headers = {delimiter: first_records(head, delimiter)[:1] for delimiter in DELIMITERS}
    for number, mapping in enumerate(mappings):
        for delimiter, header in headers.items():
            if header and set(header[0]) >= set(mapping.columns.values()):
                return number, delimiter
    return None


def _keys(head: bytes) -> set[str]:
    """The keys of the first object; of one longer than the head, those that can be seen."""
    line = head.partition(b"\n")[0]
    try:
        return set(msgspec.json.decode(line, type=dict[str, msgspec.Raw]))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {key.decode("utf-8", "replace") for key in _KEY.findall(line)} if line == head else set()


@cache
def types(kind: str) -> dict[str, str]:
    return {column.name: column.type for column in KINDS[kind].columns}


def item(value: str, mapping: TableMapping) -> str:
    """With a namespace: its own, where it is an address or begins like ``youtube:``, else the mapping's name."""
    return value if _NAMESPACE.match(value) else f"{mapping.name}:{value}"


def moment(value: Any, mapping: TableMapping) -> Moment | None:
    """The moment of a cell; None where it is none of what the mapping says."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if mapping.time_format is not None:
        return _dated(
            str(value).strip(), mapping, lambda text: datetime.strptime(text, mapping.time_format or "")
        )
    if not isinstance(value, str) or _NUMBER.match(value):
        # 20240310 is a date without its hyphens more likely than a day of 1970: that needs a format
        return parse_epoch(value) if not abs(float(value)) < FIRST_EPOCH else None
    at = parse_iso(value)
    if at is not None and at.micros is not None and at.flag != TimeFlag.NO_ZONE:
        return at
    return _dated(value.strip().replace(" UTC", "Z"), mapping, datetime.fromisoformat)


def _dated(text: str, mapping: TableMapping, read: Callable[[str], datetime]) -> Moment | None:
    """The moment of a date; calendars may lie ahead. A local time is of the mapping's zone."""
    bounded = planned if mapping.kind == "calendar" else plausible
    try:
        at = read(text)
        if at.tzinfo is not None:
            name: str | None = at.strftime("%z") if at.utcoffset() else "UTC"
            flag = None
        else:
            at = at.replace(tzinfo=zone(mapping.zone) if mapping.zone else UTC)
            name, flag = mapping.zone, None if mapping.zone else TimeFlag.NO_ZONE.value
        whole = int(at.replace(microsecond=0).timestamp())
    except (ValueError, OverflowError):
        return None
    return bounded(whole * SECOND + at.microsecond, name, flag)


def _text(value: Any, mapping: TableMapping) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _float(value: Any, mapping: TableMapping) -> float | None:
    if value is None or value == "":
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("no number")
    return number


def _int(value: Any, mapping: TableMapping) -> int | None:
    number = _float(value, mapping)
    if number is None or (number.is_integer() and abs(number) < 2**63):
        return None if number is None else int(number)
    raise ValueError("no whole number")


def _bool(value: Any, mapping: TableMapping) -> bool | None:
    if value is None or value == "" or isinstance(value, bool):
        return None if value == "" else value
    if (found := _BOOLEANS.get(str(value).strip().casefold())) is None:
        raise ValueError("neither true nor false")
    return found


def _texts(value: Any, mapping: TableMapping) -> list[str] | None:
    """A list as it is; a text is parted at semicolons."""
    if value is None or value == "":
        return None
    parts = value if isinstance(value, list) else str(value).split(";")
    return [text.strip() for part in parts if (text := _text(part, mapping)) and text.strip()]


def _time(value: Any, mapping: TableMapping) -> int | None:
    at = moment(value, mapping)
    if at is None:
        raise ValueError("no time")
    return at.micros


# type in the contract -> the value of a cell; raises ValueError or TypeError where it is of another type
VALUES: Mapping[str, Callable[[Any, TableMapping], Any]] = {
    "text": _text, "float": _float, "int": _int, "bool": _bool, "texts": _texts, "time": _time,
}  # fmt: skip
