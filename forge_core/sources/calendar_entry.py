"""One VEVENT: from its lines to the few properties that an event keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from forge_core.sources.calendar_values import DAY, Duration, Stamp, ZonesByName, read_duration, read_stamp
from forge_core.sources.calendar_zones import FLOATING, UTC, Zone

Property = tuple[str, str]  # parameters as written, value
_NO_PARAMS: dict[str, str] = {}

_NAMES = (
    "UID", "SUMMARY", "LOCATION", "ORGANIZER", "ATTENDEE", "DTSTART", "DTEND", "DURATION", "RRULE", "EXRULE", "RDATE",
    "EXDATE", "RECURRENCE-ID", "STATUS", "SEQUENCE", "LAST-MODIFIED", "DTSTAMP", "BEGIN", "END",
    "X-MICROSOFT-CDO-ALLDAYEVENT",
)  # fmt: skip
_MANY = frozenset(("ATTENDEE", "RRULE", "EXRULE", "RDATE", "EXDATE"))
WANTED = {spelt: name for name in _NAMES for spelt in (name, name.lower(), name.capitalize())}
_PARAM = re.compile(r';([^=;"]*)=("[^"]*"|[^;]*)')
_ESCAPE = re.compile(r"\\(.)", re.S)
_MAILTO = re.compile(r"\s*mailto:\s*", re.I)


@dataclass(slots=True)
class Calendar:
    """What a VCALENDAR says of all its entries."""

    zone: Zone = FLOATING  # of times that name none
    cancelled: bool = False  # METHOD:CANCEL


@dataclass(slots=True)
class Entry:
    """What is kept of a VEVENT. ``start`` is None where it has none."""

    uid: str
    start: Stamp | None
    end: Stamp | Duration | None  # None: the default
    title: str | None
    location: str | None
    organizer: str | None
    attendees: list[str] | None
    cancelled: bool
    revision: tuple[int, str]  # larger is newer
    calendar: Calendar
    original: Stamp | None = None  # RECURRENCE-ID: which occurrence this one replaces
    and_future: bool = False
    rules: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()  # EXRULE
    dates: tuple[Property, ...] = ()
    exception_dates: tuple[Property, ...] = ()
    odd_end: bool = False  # it has one, which says nothing

    @property
    def recurs(self) -> bool:
        return bool(self.rules or self.dates)


def read_entry(block: str, calendar: Calendar, zones: ZonesByName) -> Entry | str:
    """The entry of the lines between BEGIN and END, or why it is none."""
    one, many = _properties(block)
    start = _stamp(one.get("DTSTART"), calendar, zones)
    original = _stamp(one.get("RECURRENCE-ID"), calendar, zones)
    if (start is None and "DTSTART" in one) or (original is None and "RECURRENCE-ID" in one):
        return "unknown date"
    if start is not None and "X-MICROSOFT-CDO-ALLDAYEVENT" in one:
        start = _whole_day(start, one)
    end, odd = _end(one, start, calendar, zones)
    status = one.get("STATUS")
    sequence = one.get("SEQUENCE", ("", ""))[1].strip()
    revised = one.get("LAST-MODIFIED") or one.get("DTSTAMP")
    entry = Entry(
        text(one.get("UID")) or "",
        start,
        end,
        text(one.get("SUMMARY")),
        text(one.get("LOCATION")),
        person(one["ORGANIZER"]) if "ORGANIZER" in one else None,
        None,
        calendar.cancelled or (status is not None and status[1].strip().upper() == "CANCELLED"),
        (int(sequence) if len(sequence) < 10 and sequence.isascii() and sequence.isdigit() else 0,
         revised[1] if revised else ""),
        calendar,
        original,
        odd_end=odd,
    )  # fmt: skip
    if original is not None and "RANGE" in one["RECURRENCE-ID"][0].upper():
        entry.and_future = parameters(one["RECURRENCE-ID"][0]).get("RANGE", "").upper() == "THISANDFUTURE"
    if many:
        if "ATTENDEE" in many:
            people = (person(one) for one in many["ATTENDEE"])
            entry.attendees = list(dict.fromkeys(one for one in people if one)) or None
        entry.rules = tuple(dict.fromkeys(value for _, value in many.get("RRULE", ())))
        entry.exceptions = tuple(dict.fromkeys(value for _, value in many.get("EXRULE", ())))
        entry.dates = tuple(pair for pair in many.get("RDATE", ()) if pair[1].strip())
        entry.exception_dates = tuple(many.get("EXDATE", ()))
    return entry


def _properties(block: str) -> tuple[dict[str, Property], dict[str, list[Property]]]:
    """The wanted lines, by name; of those that may occur once the first. Components inside are left out."""
    one: dict[str, Property] = {}
    many: dict[str, list[Property]] = {}
    depth = 0
    wanted = WANTED.get
    for line in block.split("\n"):
        head, _, value = line.partition(":")
        place = head.find(";")
        name = wanted(head if place < 0 else head[:place].rstrip())
        if name is None:
            continue
        if name in ("BEGIN", "END"):
            depth = max(0, depth + (1 if name == "BEGIN" else -1))
        elif depth:
            continue
        else:
            params = "" if place < 0 else head[place:]
            if '"' in params and params.count('"') % 2:  # the colon was inside quotation marks
                params, value = _outside(line[place:])
            if name in _MANY:
                many.setdefault(name, []).append((params, value))
            elif name not in one:
                one[name] = params, value
    return one, many


def _outside(line: str) -> tuple[str, str]:
    """Parameters and value, parted at the first colon outside quotation marks."""
    quoted = False
    for piece in re.finditer(r'[":]', line):
        if piece[0] == '"':
            quoted = not quoted
        elif not quoted:
            return line[: piece.start()], line[piece.end() :]
    head, _, value = line.partition(":")
    return head, value


def parameters(written: str) -> dict[str, str]:
    """``;TZID=Europe/Berlin;VALUE=DATE`` by name."""
    if not written:
        return _NO_PARAMS
    return {name.strip().upper(): value.strip().strip('"') for name, value in _PARAM.findall(written)}


def _stamp(found: Property | None, calendar: Calendar, zones: ZonesByName) -> Stamp | None:
    return None if found is None else read_stamp(found[1].strip(), parameters(found[0]), zones, calendar.zone)


def _whole_day(start: Stamp, one: Mapping[str, Property]) -> Stamp:
    """Outlook writes some whole days as midnight of a zone, and says so."""
    said = one["X-MICROSOFT-CDO-ALLDAYEVENT"][1].strip().upper() == "TRUE"
    if said and not start.date and start.zone is not UTC and start.wall % DAY == 0:
        return Stamp(start.wall, FLOATING, True)
    return start


def _end(
    one: Mapping[str, Property], start: Stamp | None, calendar: Calendar, zones: ZonesByName
) -> tuple[Stamp | Duration | None, bool]:
    """DTEND or DURATION; and whether there is one that says nothing."""
    if start is None:
        return None, False
    end: Stamp | Duration | None = None
    if "DTEND" in one:
        found = _stamp(one["DTEND"], calendar, zones)
        if found is not None and start.date and not found.date:
            found = Stamp(-(-found.wall // DAY) * DAY, FLOATING, True)
        elif found is not None and found.date and not start.date:
            found = Stamp(found.wall, start.zone)
        end = found
    elif "DURATION" in one:
        end = read_duration(one["DURATION"][1])
    else:
        return None, False
    return end, end is None


def text(found: Property | None) -> str | None:
    """A TEXT value without its escapes; None where it is empty."""
    if found is None:
        return None
    params, value = found
    if params and "QUOTED-PRINTABLE" in params.upper():  # vCalendar 1.0
        from quopri import decodestring

        value = decodestring(value.encode("utf-8", "replace")).decode("utf-8", "replace")
    if "\\" in value:
        value = _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], value)
    return value.strip() or None


def person(found: Property) -> str | None:
    """The mail address of an organizer or attendee, else what identifies them."""
    params, value = found
    mail = _MAILTO.match(value)
    address = (value[mail.end() :] if mail else value).strip().lower()
    if "@" not in address and "EMAIL" in params.upper():
        address = parameters(params).get("EMAIL", "").lower() or address
    return None if not address or address == "invalid:nomail" else address
