"""Real calendars against an independent expansion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icalendar
import pytest
from dateutil.rrule import rruleset, rrulestr

from tests.core.calendars import WIDE
from tests.core.readers import DATA, data, read_all


def independent(path: Path, first: datetime, last: datetime) -> set[tuple[str, datetime]]:
    """(UID, start) of a calendar by icalendar and dateutil alone, with the zones of icalendar; no long rules."""

    def utc(value: Any) -> datetime:
        if not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)

    found: set[tuple[str, datetime]] = set()
    gone: set[tuple[str, datetime]] = set()
    for event in icalendar.Calendar.from_ical(path.read_bytes()).walk("VEVENT"):
        start, uid = event["DTSTART"].dt, str(event["UID"])
        if "RECURRENCE-ID" in event:
            gone.add((uid, utc(event["RECURRENCE-ID"].dt)))
            found.add((f"{uid}/changed", utc(start)))
            continue
        naive = datetime(*start.timetuple()[:6])
        zone = getattr(start, "tzinfo", None)
        rules = rruleset()
        rules.rdate(naive)
        rule = event.get("RRULE")
        if rule:
            if until := rule.pop("UNTIL", None):
                until = utc(until[0])
            made = rrulestr(rule.to_ical().decode(), dtstart=naive)
            rules.rrule(made.replace(until=datetime(2040, 1, 1)) if not made._count else made)
        else:
            until = None
        lists = event.get("EXDATE", [])
        excluded = {
            utc(one.dt) for dates in (lists if isinstance(lists, list) else [lists]) for one in dates.dts
        }
        for at in rules:
            instant = utc(at.replace(tzinfo=zone))
            if until and instant > until:
                break
            if first <= instant <= last and instant not in excluded:
                found.add((uid, instant))
    return {(uid.removesuffix("/changed"), at) for uid, at in found - gone}


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "bokeh/USHolidays.ics",
        "recurring-ical-events/Germany.ics",
        "recurring-ical-events/Germany_Holidays.ics",
        "recurring-ical-events/fablab_cottbus.ics",
        "recurring-ical-events/machbar_16_feb_2019.ics",
        "recurring-ical-events/issue42.ics",
        "recurring-ical-events/each_week_but_two_deleted.ics",
        "recurring-ical-events/issue_4.ics",
    ],
)
def test_real_calendars_have_the_occurrences_found_independently(name: str) -> None:
    path = data("behaviour-ics-calendars") / name
    if not path.exists():
        pytest.skip(f"{name} is not in this copy of the data")
    now = datetime.now(UTC)
    first, last = datetime(1971, 1, 1, tzinfo=UTC), now + timedelta(days=300)
    outcome = read_all(path, options=WIDE)
    ours = {
        (row["item"].removeprefix("calendar:").partition("#")[0], row["time"])
        for row in outcome.rows["calendar"]
        if row["time"] and first <= row["time"] <= last
    }
    theirs = {pair for pair in independent(path, first, last) if first <= pair[1] <= last}
    assert ours == theirs
    assert not outcome.quarantined


@pytest.mark.data
def test_every_real_calendar_is_read_or_set_aside_with_a_reason() -> None:
    paths = sorted((data("behaviour-ics-calendars")).rglob("*.ics"))
    entries = taken = 0
    for path in paths:
        text = path.read_bytes()
        outcome = read_all(path, options=WIDE)
        found = len(outcome.rows.get("calendar", []))
        told = sum(outcome.quarantined.values()) + sum(outcome.passed_over.values())
        entries += text.upper().count(b"BEGIN:VEVENT")
        taken += bool(found)
        if b"BEGIN:VEVENT" in text.upper() and any(m.reader for m in outcome.report.members.values()):
            assert found or told, path.name
    assert entries > 2_000
    assert taken > 200


@pytest.mark.data
def test_the_derived_takeout_has_as_many_entries_as_its_notice_says() -> None:
    path = DATA / "takeout-replay-derived" / "user_405" / "Takeout" / "Calendar"
    if not path.exists():
        pytest.skip("user_405 is not in this copy of the data")
    outcome = read_all(path)
    assert len(outcome.rows["calendar"]) == 493
    assert {row["source"] for row in outcome.rows["calendar"]} <= {"google_calendar", "calendar"}
