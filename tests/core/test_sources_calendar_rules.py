"""Recurrence rules of calendars: the quick way against dateutil, F-P4, and bytes of all kinds."""

from __future__ import annotations

import io
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_core.sources import Options, reader_named
from forge_core.sources.base import MemberReport, Sink
from forge_core.sources.calendar_days import days
from forge_core.sources.calendar_rules import read_rule
from tests.core.calendars import WIDE, calendar, entry, imported
from tests.core.readers import read_all

EPOCH = datetime(1970, 1, 1)
RECENT = "20240101T100000Z"

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Rules of whole days that dateutil and RFC 5545 understand alike."""
    frequency = draw(st.sampled_from(("DAILY", "WEEKLY", "MONTHLY", "YEARLY")))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 5))}"]
    long_periods = frequency in ("MONTHLY", "YEARLY")
    numbered = long_periods and draw(st.booleans())
    if draw(st.booleans()):
        weekdays = draw(st.lists(st.sampled_from(_WEEKDAYS), min_size=1, max_size=4, unique=True))
        order = st.sampled_from((1, 2, 3, 4, 5, -1, -2))
        # BYDAY of both kinds is a union by RFC 5545, an intersection in dateutil: not drawn
        parts.append("BYDAY=" + ",".join(f"{draw(order)}{day}" if numbered else day for day in weekdays))
    if draw(st.booleans()):
        parts.append(
            "BYMONTH=" + ",".join(map(str, draw(st.lists(st.integers(1, 12), min_size=1, max_size=3))))
        )
    if frequency != "WEEKLY" and draw(st.booleans()):
        day = st.integers(-31, 31).filter(bool)
        parts.append("BYMONTHDAY=" + ",".join(map(str, draw(st.lists(day, min_size=1, max_size=3)))))
    # dateutil begins the set of the first week at the start, not at the week's first day: not drawn either
    if long_periods and any(part.startswith("BY") for part in parts) and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(st.sampled_from((1, 2, -1, '1,-1')))}")
    if draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(_WEEKDAYS))}")
    return ";".join(parts)


def in_dateutil(text: str, start: int, last: int) -> list[int]:
    """The days of a rule until ``last``; dateutil would look for more until the year 9999."""
    end = (EPOCH + timedelta(last)).strftime("%Y%m%d")
    return [(at - EPOCH).days for at in rrulestr(f"{text};UNTIL={end}", dtstart=EPOCH + timedelta(start))]


@settings(max_examples=150, deadline=None)
@given(rules(), st.integers(10_000, 12_000), st.integers(-500, 3_000), st.integers(0, 2_000))
def test_whole_days_recur_as_in_dateutil(text: str, start: int, ahead: int, span: int) -> None:
    rule = read_rule(text)
    first, last = start + ahead, start + ahead + span
    assert rule is not None
    assert rule.cheap(0)
    expected = in_dateutil(text, start, last)
    found = days(rule, start, first, last, 10_000)
    assert found == [day for day in expected if day >= first]
    assert days(rule, start, first, last, 3) == found[:3]
    assert len(found) <= rule.steps(start, first, last) + 31


@settings(max_examples=60, deadline=None)
@given(rules(), st.integers(10_000, 12_000), st.integers(1, 30))
def test_a_count_counts_the_start(text: str, start: int, count: int) -> None:
    rule = read_rule(f"{text};COUNT={count}")
    assert rule is not None
    last = start + 20_000
    expected = in_dateutil(text, start, last)[:count]
    if expected[:1] != [start]:
        expected = [start, *expected][:count]
    assert days(rule, start, 0, last, 10**6) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "FREQ=", "FREQ=FORTNIGHTLY", "INTERVAL=2", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;COUNT=x",
        "FREQ=DAILY;BYDAY=XX", "FREQ=DAILY;BYMONTH=13", "FREQ=DAILY;BYMONTHDAY=0", "FREQ=YEARLY;BYDAY=99MO",
        "FREQ=DAILY;UNKNOWN=1", "FREQ=DAILY;BYHOUR=" + "1," * 5000, "RSCALE=CHINESE;FREQ=YEARLY", "D1 #10",
    ],
)  # fmt: skip
def test_F_P4_a_malformed_rule_is_set_aside_and_the_first_occurrence_kept(tmp_path: Path, text: str) -> None:
    outcome = imported(tmp_path, entry(f"DTSTART:{RECENT}\nRRULE:{text or ';'}\nSUMMARY:x"))
    assert [row["item"] for row in outcome.rows["calendar"]] == [f"calendar:one@example.test#{RECENT}"]
    assert outcome.quarantined == {"malformed rule": 1}


@pytest.mark.parametrize(
    ("lines", "reason", "most"),
    [
        ("RRULE:FREQ=MINUTELY\nEXRULE:FREQ=MINUTELY", "rule takes too long", 1),
        ("RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", "rule takes too long", 1),
        ("RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=1,2", None, 1),
        ("RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", None, 1),
        ("RRULE:FREQ=DAILY;COUNT=1000000000", None, 1100),
        ("RRULE:FREQ=SECONDLY;COUNT=1000000000", "too many occurrences", 5000),
        ("RRULE:FREQ=MINUTELY", "too many occurrences", 5000),
        (
            f"RRULE:FREQ=YEARLY;BYYEARDAY={','.join(map(str, range(1, 366)))};BYHOUR={','.join(map(str, range(24)))}"
            f";BYMINUTE={','.join(map(str, range(60)))};BYSECOND={','.join(map(str, range(60)))}",
            "rule takes too long or too many occurrences",
            5000,
        ),
    ],
)
def test_F_P4_a_rule_is_bounded_by_window_number_and_time(
    tmp_path: Path, lines: str, reason: str | None, most: int
) -> None:
    start = datetime(datetime.now().year - 1, 3, 1, 10).strftime("%Y%m%dT%H%M%SZ")
    began = time.monotonic()
    outcome = imported(
        tmp_path,
        entry(f"DTSTART:{start}\n{lines}"),
        entry(f"DTSTART:{start}", "two"),
        options=Options(calendar_rule_seconds=1.0),
    )
    assert time.monotonic() - began < 5
    found = [row["item"] for row in outcome.rows["calendar"]]
    assert found[0] == f"calendar:one@example.test#{start}"
    assert found[-1] == "calendar:two"
    assert 1 <= len(found) - 1 <= most
    assert sum(outcome.quarantined.values()) == bool(reason)
    assert all(found in str(reason) for found in outcome.quarantined)


def test_F_P4_rules_that_hang_do_not_add_up(tmp_path: Path) -> None:
    hang = "DTSTART:20200101T100000Z\nRRULE:FREQ=MINUTELY\nEXRULE:FREQ=MINUTELY"
    began = time.monotonic()
    outcome = imported(
        tmp_path,
        *(entry(hang, f"u{number}") for number in range(50)),
        options=Options(calendar_rule_seconds=1.0),
    )
    assert time.monotonic() - began < 5
    assert len(outcome.rows["calendar"]) == 50
    assert outcome.quarantined == {"rule takes too long": 50}


def test_F_P4_occurrences_of_all_entries_are_bounded(tmp_path: Path) -> None:
    outcome = imported(
        tmp_path,
        *(
            entry("DTSTART:20200101T100000Z\nRRULE:FREQ=DAILY;COUNT=500", f"u{number}")
            for number in range(20)
        ),
        options=Options(calendar_years_back=60, calendar_part_occurrences=2_000),
    )
    assert (
        2_000 <= len(outcome.rows["calendar"]) + outcome.quarantined["too many occurrences"] * 500 <= 10_500
    )
    assert len({row["item"].partition("#")[0] for row in outcome.rows["calendar"]}) == 20


def test_rules_of_hours_and_exceptions_by_rule_are_worked_out_too(tmp_path: Path) -> None:
    outcome = imported(
        tmp_path,
        entry("DTSTART;TZID=Europe/Berlin:20240105T080000\nRRULE:FREQ=DAILY;COUNT=4;BYHOUR=8,20", "a"),
        entry("DTSTART:20240105T070000Z\nRRULE:FREQ=DAILY;COUNT=4\nEXRULE:FREQ=DAILY;INTERVAL=2", "b"),
        entry("DTSTART:20240105T080000Z\nRRULE:FREQ=HOURLY;INTERVAL=6;UNTIL=20240106T080000Z", "c"),
    )
    found: dict[str, list[str]] = {}
    for row in outcome.rows["calendar"]:
        found.setdefault(row["item"].partition("#")[0][-1], []).append(row["time"].strftime("%dT%H"))
    assert found == {
        "a": ["05T07", "05T19", "06T07", "06T19"],
        "b": ["06T07", "08T07"],
        "c": ["05T08", "05T14", "05T20", "06T02", "06T08"],
    }


def test_until_is_inclusive_in_its_own_kind(tmp_path: Path) -> None:
    start = "DTSTART;TZID=Europe/Berlin:20240330T100000\nRRULE:FREQ=DAILY;UNTIL="
    for number, (until, count) in enumerate(
        (
            ("20240401T080000Z", 3),
            ("20240401T075959Z", 2),
            ("20240401", 3),
            ("20240401T100000", 3),
            ("20240101", 0),
        )
    ):
        outcome = imported(tmp_path / str(number), entry(start + until))
        assert len(outcome.rows.get("calendar", [])) == count


def test_a_billion_attendees_are_not_repeated(tmp_path: Path) -> None:
    people = "\n".join(f"ATTENDEE:mailto:p{number}@example.test" for number in range(3_000))
    outcome = imported(
        tmp_path, entry(f"DTSTART:{RECENT}\nSUMMARY:{'x' * 9_000}\nRRULE:FREQ=DAILY;COUNT=9\n{people}")
    )
    assert {len(row["attendees"]) for row in outcome.rows["calendar"]} == {1_000}
    assert {len(row["title"]) for row in outcome.rows["calendar"]} == {4_000}
    assert outcome.passed_over["attendees left out"] >= 1


def test_memory_stays_bounded_in_one_endless_line() -> None:
    reader, sink = reader_named("calendar"), Sink(MemberReport("a"), "me")
    endless = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nATTACH:" + b"x" * (24 << 20)
    stream = io.BytesIO(endless + b"\nEND:VEVENT\nBEGIN:VEVENT\nUID:2\nDTSTART:20240101\nEND:VEVENT\n")
    parts = list(reader.split(stream, sink))  # type: ignore[attr-defined]
    assert sum(map(len, parts)) < 1000
    assert sink.report.quarantined == {"too long": 1}
    assert b"UID:2" in parts[-1]


_PIECES = b"""\
BEGIN:VEVENT|END:VEVENT|BEGIN:VCALENDAR|END:VCALENDAR|BEGIN:VALARM|END:VALARM|BEGIN:VTIMEZONE|END:VTIMEZONE
BEGIN:STANDARD|END:STANDARD|TZID:Z|TZOFFSETFROM:+0100|TZOFFSETTO:-0230|UID:1|UID:2|SUMMARY:a\\,b|METHOD:CANCEL| folded
DTSTART:20240101T100000Z|DTSTART;TZID=Z:20240331T023000|DTSTART;VALUE=DATE:20240101|DTSTART:99991231T235959
DTSTART;TZID=America/New_York:00010101T000000|DTEND:20240102|DTEND:00010101T000000Z|DURATION:P9999999D|STATUS:CANCELLED
RRULE:FREQ=DAILY;COUNT=3|RRULE:FREQ=YEARLY;BYDAY=-1SU|RRULE:FREQ=MONTHLY;BYMONTHDAY=-31;UNTIL=20250101|SEQUENCE:9
RDATE:20240105,20240106T000000|RDATE;VALUE=PERIOD:20240105T000000Z/P1W|EXDATE:20240102|EXDATE;TZID=Z:20240102T100000
RECURRENCE-ID:20240102T100000Z|RECURRENCE-ID;RANGE=THISANDFUTURE:20240102|X-WR-TIMEZONE:Asia/Tokyo
ATTENDEE;CN="a:b":mailto:x@example.test|ORGANIZER:mailto:|""".replace(b"\n", b"|").split(b"|")
_LINES = st.lists(st.sampled_from([*_PIECES, b"\xff\xfe"]) | st.binary(max_size=12), max_size=40)


@settings(max_examples=250, deadline=None)
@given(
    st.lists(st.sampled_from(_PIECES) | st.binary(max_size=12), max_size=40),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_F_P12_any_lines_are_events_or_set_aside(lines: list[bytes], end: bytes) -> None:
    reader, report = reader_named("calendar"), MemberReport("a")
    data = end.join([b"BEGIN:VCALENDAR", *lines, b""])
    for options in (Options(calendar_years_back=60), Options(part_bytes=100, calendar_years_back=60)):
        sink = Sink(report, "me", options)
        for number, part in enumerate(reader.split(io.BytesIO(data), sink)):  # type: ignore[attr-defined]
            sink.part = number
            for batch in reader.parse(part, sink):  # type: ignore[attr-defined]
                batch.rows.validate(full=True)
                for row in batch.rows.to_pylist():
                    assert row["item"].startswith("calendar:")
                    assert row["time"] is not None or row["time_flag"]
                    assert row["end_time"] is None or row["end_time"] >= row["time"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_F_P12_any_bytes_are_no_crash(data: bytes) -> None:
    reader, sink = reader_named("google_calendar"), Sink(MemberReport("a"), "me")
    for start in (b"", b"BEGIN:VEVENT\nUID:1\nDTSTART;", b"BEGIN:VEVENT\nUID:1\nDTSTART:20240101\nRRULE:"):
        for part in reader.split(io.BytesIO(start + data + b"\nEND:VEVENT\n"), sink):  # type: ignore[attr-defined]
            list(reader.parse(part, sink))  # type: ignore[attr-defined]


def test_a_file_of_nothing_but_tasks_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.ics"
    path.write_text(calendar("BEGIN:VTODO\nUID:1\nEND:VTODO\n"))
    outcome = read_all(path, options=WIDE)
    assert outcome.passed_over == {"not an event": 1}
    assert not outcome.quarantined
