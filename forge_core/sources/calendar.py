"""Calendars in iCalendar form (.ics), with their recurrences worked out in a window around today.

A whole day has no zone: it is the date at 00:00 UTC, flagged ``no_zone``, whatever zone the calendar says it
is for, so that it is the same event in any export. Its end is the first day after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.calendar_entry import Calendar, Entry, read_entry
from forge_core.sources.calendar_file import cut, definitions, no_events, parts, settings
from forge_core.sources.calendar_observances import Zones
from forge_core.sources.calendar_rows import Rows
from forge_core.sources.calendar_series import Occurrences
from forge_core.sources.calendar_zones import FLOATING
from forge_core.sources.encoding import chunks

_HEAD = re.compile(rb"\s*BEGIN:(?:VCALENDAR|VEVENT|VTIMEZONE)[ \t]*[\r\n]", re.I)
_GOOGLE = re.compile(rb"\nPRODID[^:\r\n]{0,200}:-//Google Inc//Google Calendar", re.I)


class Calendars(SplitReader):
    name = "calendar"
    system = "calendar"
    source = "calendar"
    by_google = False
    formats = (
        Format(
            "calendar", "iCalendar", ("calendar",), "files of Apple, Outlook, Thunderbird and others, .ics"
        ),
    )

    def recognise(self, head: bytes) -> bool:
        return bool(_HEAD.match(head)) and bool(_GOOGLE.search(head)) == self.by_google

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return parts(chunks(stream), sink)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        part = _utf8(part)
        zones = Zones(definitions(part))
        if others := no_events(part):
            sink.pass_over("not an event", others)
        groups = _groups(part, zones, sink)
        with Occurrences(sink, zones) as occurrences:
            rows = Rows(sink, self.source, occurrences)
            for group in groups:
                yield from rows.of(group)
        yield from sink.rest()


def _groups(part: bytes, zones: Zones, sink: Sink) -> list[list[Entry]]:
    """The entries of a part by UID, in the order of the first of each."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    known: dict[bytes, bytes] = {}
    calendar = Calendar()
    for before, lines, ended in cut(part):
        if (told := settings(before, known)) is not known:
            known, calendar = told, _calendar(told, zones)
        if not ended:
            sink.quarantine("malformed")
        elif lines is not None:
            entry = read_entry(lines.decode(), calendar, zones)
            if isinstance(entry, str):
                sink.quarantine(entry)
            elif entry.uid or entry.title or entry.start:
                groups.setdefault((entry.uid, "" if entry.uid else entry.title or ""), []).append(entry)
            else:
                sink.quarantine("no item")
    return list(groups.values())


def _calendar(told: dict[bytes, bytes], zones: Zones) -> Calendar:
    zone = told.get(b"X-WR-TIMEZONE", b"").decode("utf-8", "replace")
    return Calendar(zones[zone] if zone else FLOATING, told.get(b"METHOD", b"").upper() == b"CANCEL")


def _utf8(part: bytes) -> bytes:
    """The part as UTF-8, which it should be; as Windows wrote it where less than half of its letters are."""
    try:
        part.decode()
    except UnicodeDecodeError:
        text = part.decode("utf-8", "replace")
        broken, letters = text.count("\ufffd"), sum(map(len, re.findall(r"[^\x00-\x7f]+", text)))
        return (part.decode("cp1252", "replace") if 2 * broken > letters else text).encode()
    return part


READER = Calendars()
