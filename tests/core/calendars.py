"""Calendars in tests: entries put together to a file, and what is read of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forge_core.sources import Options
from tests.core.readers import Outcome, folder, read_all

WIDE = Options(calendar_years_back=60, calendar_years_ahead=5)
GOOGLE = "PRODID:-//Google Inc//Google Calendar 70.9054//EN\n"
BERLIN = """\
BEGIN:VTIMEZONE
TZID:{name}
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""


def entry(lines: str, uid: str = "one@example.test") -> str:
    return f"BEGIN:VEVENT\nUID:{uid}\n{lines.strip()}\nEND:VEVENT\n"


def calendar(*entries: str, head: str = "PRODID:-//Example//EN\n") -> str:
    return f"BEGIN:VCALENDAR\n{head}VERSION:2.0\n{''.join(entries)}END:VCALENDAR\n".replace("\n", "\r\n")


def imported(tmp_path: Path, *entries: str, options: Options = WIDE, **more: Any) -> Outcome:
    return read_all(folder(tmp_path, {"me.ics": calendar(*entries, **more)}), options=options)


def rows(tmp_path: Path, *entries: str, **more: Any) -> list[dict[str, Any]]:
    return imported(tmp_path, *entries, **more).rows.get("calendar", [])


def times(found: list[dict[str, Any]]) -> list[str]:
    return [row["time"].strftime("%Y%m%dT%H%M%SZ") for row in found]
