"""Calendars: layouts, zones, times and whole days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forge_core.events import TimeFlag, violations
from forge_core.sources import catalogue, reader_named
from tests.core.calendars import BERLIN, GOOGLE, WIDE, calendar, entry, imported, rows, times
from tests.core.readers import folder, read_all


def test_an_entry_of_google(tmp_path: Path) -> None:
    outcome = imported(
        tmp_path,
        entry(
            "DTSTART:20190228T190000Z\nDTEND:20190228T200000Z\nORGANIZER;CN=Some One:mailto:One@Example.test\n"
            'ATTENDEE;CN="Two; of: us";PARTSTAT=ACCEPTED;X-NUM-GUESTS=0:mailto:TWO@example.test\n'
            "ATTENDEE;CN=three@example.test:mailto:three@exam\n ple.test\n"
            "LOCATION:Main Street 1\\, Town\nSTATUS:CONFIRMED\nSUMMARY:Tea\\; and\n  bread\n"
            "BEGIN:VALARM\nACTION:DISPLAY\nSUMMARY:wrong\nDURATION:P9D\nATTENDEE:mailto:x@example.test\nEND:VALARM"
        ),
        head=GOOGLE,
    )
    assert outcome.survey.source == "takeout"
    (row,) = outcome.rows["calendar"]
    assert row["source"] == "google_calendar"
    assert row["item"] == "calendar:one@example.test"
    assert row["time"] == datetime(2019, 2, 28, 19, tzinfo=UTC)
    assert row["end_time"] == datetime(2019, 2, 28, 20, tzinfo=UTC)
    assert (row["zone"], row["time_flag"], row["all_day"]) == ("UTC", None, False)
    assert (row["title"], row["location"]) == ("Tea; and bread", "Main Street 1, Town")
    assert row["organizer"] == "one@example.test"
    assert row["attendees"] == ["two@example.test", "three@example.test"]


def test_other_calendars_have_a_system_of_their_own(tmp_path: Path) -> None:
    outcome = imported(tmp_path, entry("DTSTART:20190228T190000Z"))
    assert outcome.survey.source == "calendar"
    assert outcome.rows["calendar"][0]["source"] == "calendar"
    assert {"calendar", "google_calendar"} <= {row["reader"] for row in catalogue()}


@pytest.mark.parametrize(
    ("head", "taken"),
    [
        (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", True),
        (b"\n begin:vcalendar \n", True),
        (b"BEGIN:VEVENT\nUID:1\n", True),
        (b"BEGIN:VCARD\nVERSION:3.0\n", False),
        (b"From: a@example.test\n\nBEGIN:VCALENDAR\n", False),
        (b'{"BEGIN": "VCALENDAR"}', False),
    ],
)
def test_a_calendar_is_known_by_its_first_line(head: bytes, taken: bool) -> None:
    assert reader_named("calendar").recognise(head) is taken  # type: ignore[attr-defined]


@pytest.mark.parametrize("other", ["VTODO", "VJOURNAL", "VFREEBUSY"])
def test_what_is_no_event_is_passed_over(tmp_path: Path, other: str) -> None:
    thing = f"BEGIN:{other}\nUID:2\nDTSTART:20200101T100000Z\nSUMMARY:no\nEND:{other}\n"
    outcome = imported(tmp_path, thing, entry("DTSTART:20190228T190000Z"), thing)
    assert len(outcome.rows["calendar"]) == 1
    assert outcome.passed_over == {"not an event": 2}


def test_the_same_file_in_other_bytes_is_the_same_events(tmp_path: Path) -> None:
    text = calendar(
        entry("DTSTART;TZID=Europe/Berlin:20230105T100000\nRRULE:FREQ=WEEKLY;COUNT=3\nSUMMARY:Caf\u00e9"),
        entry("DTSTART;VALUE=DATE:20230106\nSUMMARY:\u65e5\u672c", "two"),
    )
    folded = "\r\n".join(
        line[:20] + "".join(f"\r\n {char}" for char in line[20:]) for line in text.split("\r\n")
    )
    versions = [text.encode(), text.encode("utf-16"), b"\xef\xbb\xbf" + text.encode(), folded.encode()]
    versions += [text.replace("\r\n", end).encode() for end in ("\n", "\r", "\r\r\n", "\r\n\r\n")]
    versions += [text.replace("BEGIN:V", "begin:v").replace("END:V", "end:v").encode()]
    found = [
        read_all(folder(tmp_path / str(number), {"a.ics": version}), options=WIDE)
        for number, version in enumerate(versions)
    ]
    assert len(found[0].ids()) == 4
    assert all(one.ids() == found[0].ids() for one in found)
    assert {one.rows["calendar"][3]["title"] for one in found} == {"\u65e5\u672c"}


def test_windows_text_is_read_as_such(tmp_path: Path) -> None:
    text = calendar(entry("DTSTART:20190228T190000Z\nSUMMARY:Caf\u00e9 G\u00fcnther")).encode("cp1252")
    (row,) = read_all(folder(tmp_path, {"a.ics": text})).rows["calendar"]
    assert row["title"] == "Caf\u00e9 G\u00fcnther"


# times and zones


@pytest.mark.parametrize(
    ("start", "time", "zone", "flag"),
    [
        (":20200701T120000Z", "20200701T120000Z", "UTC", None),
        (";TZID=Europe/Berlin:20200701T120000", "20200701T100000Z", "Europe/Berlin", None),
        (';TZID="Europe/Berlin":20200701T120000', "20200701T100000Z", "Europe/Berlin", None),
        (
            ";TZID=/mozilla.org/20070129_1/Europe/Berlin:20200701T120000",
            "20200701T100000Z",
            "/mozilla.org/20070129_1/Europe/Berlin",
            None,
        ),
        (";TZID=America/Los Angeles:20200701T120000", "20200701T190000Z", "America/Los Angeles", None),
        (";TZID=europe/berlin:20200701T120000", "20200701T100000Z", "europe/berlin", None),
        (
            ";TZID=W. Europe Standard Time:20200701T120000",
            "20200701T100000Z",
            "W. Europe Standard Time",
            None,
        ),
        (";TZID=tzone://Microsoft/Utc:20200701T120000", "20200701T120000Z", "tzone://Microsoft/Utc", None),
        (";TZID=UTC+11:20200701T120000", "20200701T010000Z", "UTC+11", None),
        (":20200701T120000+0200", "20200701T100000Z", "+0200", None),
        (":2020-07-01T12:00:00Z", "20200701T120000Z", "UTC", None),
        (":20200701T120000", "20200701T120000Z", None, "no_zone"),
        (":20161231T235960Z", "20161231T235959Z", "UTC", "leap_second"),
    ],
)
def test_times_and_their_zones(
    tmp_path: Path, start: str, time: str, zone: str | None, flag: str | None
) -> None:
    (row,) = rows(tmp_path, entry(f"DTSTART{start}"))
    assert (times([row]), row["zone"], row["time_flag"]) == ([time], zone, flag)


def test_F_P4_a_bad_zone_is_flagged_and_read_as_utc(tmp_path: Path) -> None:
    for number, name in enumerate(
        ("Mars/Olympus", "../../etc/passwd", "America", "x" * 5000, "\x00", "Middle")
    ):
        (row,) = rows(tmp_path / str(number), entry(f"DTSTART;TZID={name}:20200701T120000"))
        assert times([row]) == ["20200701T120000Z"]
        assert row["time_flag"] == TimeFlag.UNKNOWN_ZONE


def test_F_P4_a_time_in_the_gap_or_the_overlap_has_the_offset_of_before(tmp_path: Path) -> None:
    for number, zone in enumerate(("Europe/Berlin", "My own")):
        found = rows(
            tmp_path / str(number),
            BERLIN.format(name="My own"),
            entry(f"DTSTART;TZID={zone}:20210328T023000", "gap"),
            entry(f"DTSTART;TZID={zone}:20211031T023000", "overlap"),
            entry(f"DTSTART;TZID={zone}:20211031T030000", "after"),
            entry(f"DTSTART;TZID={zone}:20210327T120000\nRRULE:FREQ=DAILY;COUNT=3", "daily"),
        )
        assert times(found) == [
            "20210328T013000Z", "20211031T003000Z", "20211031T020000Z",
            "20210327T110000Z", "20210328T100000Z", "20210329T100000Z",
        ]  # fmt: skip


def test_an_hourly_rule_meets_the_hour_of_a_gap_once(tmp_path: Path) -> None:
    found = rows(tmp_path, entry("DTSTART;TZID=Europe/Berlin:20210328T003000\nRRULE:FREQ=HOURLY;COUNT=5"))
    assert times(found) == [f"202103{at}3000Z" for at in ("27T23", "28T00", "28T01", "28T02")]


def test_a_zone_that_only_the_file_knows_wherever_it_stands(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        entry('DTSTART;TZID="(UTC+01:00) Home":20200701T120000'),
        entry("DTSTART;TZID=(UTC+01:00) Home:20200101T120000", "unquoted"),
        BERLIN.format(name="(UTC+01:00) Home"),
    )
    assert times(found) == ["20200701T100000Z", "20200101T110000Z"]
    assert {row["time_flag"] for row in found} == {None}


def test_the_zone_of_the_calendar_is_that_of_times_without_one(tmp_path: Path) -> None:
    text = calendar(entry("DTSTART:20200701T120000"), head="X-WR-TIMEZONE:Europe/Brussels\n")
    text += calendar(entry("DTSTART:20200701T120000", "two"))
    found = read_all(folder(tmp_path, {"a.ics": text})).rows["calendar"]
    assert [(row["zone"], row["time_flag"]) for row in found] == [
        ("Europe/Brussels", None),
        (None, "no_zone"),
    ]
    assert times(found) == ["20200701T100000Z", "20200701T120000Z"]


def test_a_whole_day_is_the_same_in_any_calendar(tmp_path: Path) -> None:
    kinds = (
        "DTSTART;VALUE=DATE:20200701",
        "DTSTART:20200701",
        "DTSTART;VALUE=DATE:20200701\nDTEND;VALUE=DATE:20200702",
        "DTSTART;VALUE=DATE:20200701\nDURATION:P1D",
        "DTSTART;TZID=Asia/Tokyo:20200701T000000\nX-MICROSOFT-CDO-ALLDAYEVENT:TRUE\n"
        "DTEND;TZID=Asia/Tokyo:20200702T000000",
    )
    for number, lines in enumerate(kinds):
        (row,) = rows(tmp_path / str(number), entry(lines), head="X-WR-TIMEZONE:Asia/Tokyo\n")
        assert times([row]) == ["20200701T000000Z"]
        assert (row["all_day"], row["time_flag"], row["zone"]) == (True, "no_zone", None)
        assert row["end_time"] == datetime(2020, 7, 2, tzinfo=UTC)


def test_F_P4_a_whole_day_of_a_hundred_years_is_one_event(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, entry("DTSTART;VALUE=DATE:19990101\nDTEND;VALUE=DATE:20990101"))
    assert row["end_time"] - row["time"] == timedelta(days=36525)


@pytest.mark.parametrize(
    ("lines", "minutes"),
    [
        ("DTEND:20200701T133000Z", 90),
        ("DTEND;TZID=Europe/Berlin:20200701T150000", 60),
        ("DURATION:PT45M", 45),
        ("DURATION:P1DT1H", 1500),
        ("", 0),
        ("DURATION:-PT45M", None),
        ("DURATION:P999999999999W", None),
        ("DTEND:20200701T110000Z", None),
        ("DTEND:soon", None),
    ],
)
def test_the_end_is_told_or_left_open(tmp_path: Path, lines: str, minutes: int | None) -> None:
    outcome = imported(tmp_path, entry(f"DTSTART:20200701T120000Z\n{lines}"))
    (row,) = outcome.rows["calendar"]
    assert row["end_time"] == (None if minutes is None else row["time"] + timedelta(minutes=minutes))
    assert outcome.passed_over == ({"unknown end": 1} if minutes is None else {})


def test_F_P9_future_entries_are_kept_and_impossible_times_flagged(tmp_path: Path) -> None:
    ahead = datetime.now(UTC).year + 8
    outcome = imported(
        tmp_path,
        entry(f"DTSTART:{ahead}0701T120000Z"),
        entry("DTSTART:21500701T120000Z\nDTEND:21500701T130000Z", "far"),
        entry("DTSTART:16011231T120000Z", "old"),
        entry("SUMMARY:some day", "none"),
        entry("DTSTART:20201340T990000Z", "bad"),
    )
    flags = {
        row["item"]: (row["time"] and row["time"].year, row["time_flag"]) for row in outcome.rows["calendar"]
    }
    assert flags == {
        "calendar:one@example.test": (ahead, None),
        "calendar:far": (None, "implausible"),
        "calendar:old": (None, "implausible"),
        "calendar:none": (None, "unknown"),
    }
    assert outcome.quarantined == {"unknown date": 1}


def test_only_calendars_may_plan_ahead() -> None:
    assert "2100" in violations("calendar")["time_in_the_future"]
    assert "2 days" in violations("message")["time_in_the_future"]


# series
