"""Google Calendar: the .ics files of a Takeout, one for each calendar."""

from __future__ import annotations

from forge_core.sources.base import Format
from forge_core.sources.calendar import Calendars


class GoogleCalendars(Calendars):
    name = "google_calendar"
    system = "takeout"
    source = "google_calendar"
    by_google = True
    formats = (Format("calendar", "iCalendar", ("calendar",), "Google Calendar, one .ics for each calendar"),)


READER = GoogleCalendars()
