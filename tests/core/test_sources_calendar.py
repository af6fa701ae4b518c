"""Calendars: layouts, zones, series and their changes, identity over exports, real files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icalendar
import pytest
from dateutil.rrule import rruleset, rrulestr

from forge_core.events import TimeFlag, violations
from forge_core.sources import Options, catalogue, reader_named
from tests.core.readers import DATA, Outcome, data, folder, read_all

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


def test_occurrences_are_named_by_the_instant_they_were_due(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        entry("DTSTART;TZID=Europe/Berlin:20230327T100000\nDTEND;TZID=Europe/Berlin:20230327T110000\nSUMMARY:old\n"
              "RRULE:FREQ=WEEKLY;COUNT=4\nEXDATE;TZID=Europe/Berlin:20230410T100000"),
        entry("RECURRENCE-ID:20230403T080000Z\nDTSTART;TZID=Europe/Berlin:20230404T180000\nSUMMARY:moved"),
    )  # fmt: skip
    assert [(row["item"].partition("#")[2], *times([row]), row["title"]) for row in found] == [
        ("20230327T080000Z", "20230327T080000Z", "old"),
        ("20230417T080000Z", "20230417T080000Z", "old"),
        ("20230403T080000Z", "20230404T160000Z", "moved"),
    ]
    assert found[0]["end_time"] - found[0]["time"] == timedelta(hours=1)


def test_an_occurrence_of_a_whole_day_is_named_by_its_date(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        entry("DTSTART;VALUE=DATE:20230327\nRRULE:FREQ=YEARLY;COUNT=3\nEXDATE:20240327T000000Z"),
        entry("RECURRENCE-ID;VALUE=DATE:20250327\nDTSTART:20250327T100000Z\nSUMMARY:at ten"),
    )
    assert [row["item"].partition("#")[2] for row in found] == ["20230327", "20250327"]
    assert [row["all_day"] for row in found] == [True, False]


def test_this_and_all_that_follow(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        entry("RECURRENCE-ID;RANGE=THISANDFUTURE:20230405T100000Z\nDTSTART:20230405T130000Z\n"
              "DTEND:20230405T133000Z\nSUMMARY:later"),
        entry("DTSTART:20230403T100000Z\nDTEND:20230403T110000Z\nRRULE:FREQ=DAILY;COUNT=5\nSUMMARY:first"),
        entry("RECURRENCE-ID:20230407T100000Z\nSTATUS:CANCELLED"),
    )  # fmt: skip
    told = sorted((row["item"].partition("#")[2][6:11], *times([row]), row["title"]) for row in found)
    assert told == [
        ("03T10", "20230403T100000Z", "first"),
        ("04T10", "20230404T100000Z", "first"),
        ("05T10", "20230405T130000Z", "later"),
        ("06T10", "20230406T130000Z", "later"),
    ]
    assert {row["end_time"] - row["time"] for row in found if row["title"] == "later"} == {
        timedelta(minutes=30)
    }


def test_cancelled_entries_are_passed_over(tmp_path: Path) -> None:
    outcome = imported(
        tmp_path,
        entry("DTSTART:20230403T100000Z\nSTATUS:CANCELLED\nRRULE:FREQ=DAILY;COUNT=5"),
        entry("DTSTART:20230403T100000Z\nSTATUS:TENTATIVE", "two"),
    )
    assert [row["item"] for row in outcome.rows["calendar"]] == ["calendar:two"]
    assert outcome.passed_over == {"cancelled": 1}
    assert not rows(tmp_path / "b", entry("DTSTART:20230403T100000Z"), head="METHOD:CANCEL\n")


def test_the_newest_revision_counts(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        entry("DTSTART:20230405T100000Z\nSEQUENCE:2\nSUMMARY:new"),
        entry("DTSTART:20230403T100000Z\nSEQUENCE:1\nSUMMARY:old"),
        entry("DTSTART:20230405T100000Z\nSEQUENCE:2\nSUMMARY:newest\nLAST-MODIFIED:20230101T000000Z"),
    )
    assert [row["title"] for row in found] == ["newest"]


def test_extra_dates_and_periods(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        entry("DTSTART:20230403T100000Z\nDURATION:PT1H\nRDATE:20230405T120000Z,20230406T120000Z\n"
              "RDATE;VALUE=PERIOD:20230407T120000Z/PT2H,20230408T120000Z/20230408T150000Z"),
    )  # fmt: skip
    assert [row["end_time"] - row["time"] for row in found] == [timedelta(hours=h) for h in (1, 1, 1, 2, 3)]


def test_a_duration_of_days_keeps_the_clock_and_an_end_keeps_the_length(tmp_path: Path) -> None:
    start = "DTSTART;TZID=Europe/Berlin:20210320T120000\nRRULE:FREQ=WEEKLY;COUNT=2\n"
    nominal = rows(tmp_path / "a", entry(f"{start}DURATION:P1D"))
    exact = rows(tmp_path / "b", entry(f"{start}DTEND;TZID=Europe/Berlin:20210321T120000"))
    assert nominal[1]["end_time"] - nominal[1]["time"] == timedelta(hours=23)
    assert exact[1]["end_time"] - exact[1]["time"] == timedelta(hours=24)


def test_series_are_expanded_in_the_window_and_single_entries_are_kept(tmp_path: Path) -> None:
    this_year = datetime.now(UTC).year
    found = rows(
        tmp_path,
        entry("DTSTART:19800403T100000Z\nRRULE:FREQ=YEARLY", "yearly"),
        entry("DTSTART:19900403T100000Z", "single"),
        options=Options(calendar_years_back=3, calendar_years_ahead=1),
    )
    years = [row["time"].year for row in found]
    assert years[-1] == 1990
    assert 4 <= len(years[:-1]) <= 5
    assert all(this_year - 3 <= year <= this_year + 1 for year in years[:-1])


def test_entries_without_uid_are_told_apart_by_title(tmp_path: Path) -> None:
    one = "BEGIN:VEVENT\nDTSTART:20200101T100000Z\nSUMMARY:{}\nEND:VEVENT\n"
    outcome = imported(
        tmp_path, one.format("a"), one.format("b"), one.format("a"), "BEGIN:VEVENT\nEND:VEVENT\n"
    )
    assert len({row["item"] for row in outcome.rows["calendar"]}) == len(outcome.rows["calendar"]) == 2
    assert outcome.quarantined == {"no item": 1}


def test_a_torn_entry_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    outcome = imported(
        tmp_path,
        entry("DTSTART:20200101T100000Z"),
        "BEGIN:VEVENT\nUID:torn\nDTSTART:20200101T100000Z\n",
        entry("DTSTART:20200101T100000Z", "three"),
    )
    assert len(outcome.rows["calendar"]) == 2
    assert outcome.quarantined == {"malformed": 1}


def test_a_long_file_in_parts_is_the_same_events(tmp_path: Path) -> None:
    entries = [
        entry(f"DTSTART;TZID=Home:202301{day:02d}T100000\nSUMMARY:s\nRRULE:FREQ=DAILY;COUNT=3\nDESCRIPTION:{'d ' * 99}",
              f"u{number}-{day}")
        for number in range(40) for day in range(1, 29)
    ]  # fmt: skip
    moved = [
        entry(f"RECURRENCE-ID;TZID=Home:202301{day:02d}T100000\nDTSTART:20230301T0000{day:02d}Z", f"u{number}-{day}")
        for number in range(40) for day in range(1, 29)
    ]  # fmt: skip
    more = "BEGIN:VTODO\nUID:t\nEND:VTODO\n"
    text = [*entries, BERLIN.format(name="Home"), more, *moved]
    whole = imported(tmp_path / "a", *text)
    parts = imported(tmp_path / "b", *text, options=Options(part_bytes=30_000, calendar_years_back=60))
    assert len(whole.rows["calendar"]) == 40 * 28 * 3
    assert parts.ids() == whole.ids()
    assert parts.passed_over == whole.passed_over == {"not an event": 1}
    sequence = [row["sequence"] for row in parts.rows["calendar"]]
    assert len(set(sequence)) == len(sequence)


# real files


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
