"""Series of calendars: occurrences, changes to them, identity over exports, torn files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from forge_core.sources import Options
from tests.core.calendars import BERLIN, entry, imported, rows, times


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
