"""A calendar by icalendar alone: parsed, and its entries walked. Recurrences are not expanded."""

from __future__ import annotations

import sys
from pathlib import Path

from icalendar import Calendar

from benchmarks.arms import measure

calendar = Calendar.from_ical(Path(sys.argv[1]).read_bytes())
rows = 0
for event in calendar.walk("VEVENT"):
    fields = event.get("UID"), event.decoded("DTSTART"), event.decoded("DTEND"), event.get("SUMMARY")
    rows += fields[0] is not None
measure.done(rows)
