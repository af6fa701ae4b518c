"""Row F-P9: times are normalised and flagged, never silently now."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.dates import HtmlDates
from forge_core.times import parse_epoch, parse_iso, parse_iso_bulk

AT = int(datetime(1998, 4, 19, 16, 11, 23, tzinfo=UTC).timestamp()) * 1_000_000
HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("value", "micros"),
    [
        (1617404690, 1617404690000000),
        (1617404690134, 1617404690134000),
        (1617404690134513, 1617404690134513),
        (1617404690134513000, 1617404690134513),
        ("1617404690134513", 1617404690134513),
        ("881250949.0", 881250949000000),
        (1617404690.5, 1617404690500000),
    ],
)
def test_F_P9_the_unit_of_a_number_is_told_by_its_magnitude(value, micros):
    assert parse_epoch(value) == (micros, "UTC", None)


@pytest.mark.parametrize("value", [0, 1, -5, -1617404690134513, 4102444800, 4102444800000000, 10**25])
def test_F_P9_1970_2099_and_negative_times_are_unknown_and_flagged(value):
    moment = parse_epoch(value)

    assert moment.micros is None
    assert moment.flag == "implausible"


@pytest.mark.parametrize("value", ["", "now", "nan", "1e999", "0x10", float("nan"), float("inf"), "9" * 5000])
def test_F_P9_what_is_no_number_is_no_time(value):
    assert parse_epoch(value) is None


@pytest.mark.parametrize(
    ("text", "micros", "zone", "flag"),
    [
        ("1998-04-19T16:11:23Z", AT, "UTC", None),
        ("1998-04-19T16:11:23.131Z", AT + 131_000, "UTC", None),
        ("1998-04-19T16:11:23.131999Z", AT + 131_999, "UTC", None),
        ("1998-04-19 16:11:23 UTC", AT, "UTC", None),
        ("1998-04-19T18:11:23+02:00", AT, "+02:00", None),
        ("1998-04-19T16:11:23", AT, None, "no_zone"),
        ("1998-04-19T16:11:60Z", AT + 36_000_000, "UTC", "leap_second"),
        ("1969-12-31T23:59:59Z", None, "UTC", "implausible"),
        ("2099-01-01T00:00:00Z", None, "UTC", "implausible"),
    ],
)
def test_F_P9_iso_times(text, micros, zone, flag):
    assert parse_iso(text) == (micros, zone, flag)


@pytest.mark.parametrize("text", ["", "yesterday", "1998-13-01T00:00:00Z", "1998-04-19", "99998-01-01T00:00"])
def test_F_P9_other_iso_texts_are_not_guessed(text):
    assert parse_iso(text) is None


@pytest.mark.parametrize(
    ("text", "micros", "zone", "flag"),
    [
        ("Apr 19, 1998, 4:11:23 PM UTC", AT, "UTC", None),
        ("Apr 19, 1998, 4:11:23\u202fPM UTC", AT, "UTC", None),
        ("Apr 19, 1998, 4:11:23\u00a0PM\u00a0UTC", AT, "UTC", None),
        ("Apr 19, 1998, 6:11:23 PM CEST", AT, "CEST", None),
        ("Apr 19, 1998, 5:11:23 PM CET", AT, "CET", None),
        ("Apr 19, 1998, 8:11:23 AM PST", AT, "PST", None),
        ("Apr 19, 1998, 6:11:23 PM GMT+02:00", AT, "GMT+02:00", None),
        ("Apr 19, 1998, 9:41:23 PM GMT+5:30", AT, "GMT+5:30", None),
        ("April 19, 1998, 4:11:23 PM UTC", AT, "UTC", None),
        ("19 Apr 1998, 16:11:23 GMT", AT, "GMT", None),
        ("Apr 19, 1998, 4:11:23 PM", AT, None, "no_zone"),
        ("Apr 19, 1998, 4:11:23 PM XQZT", AT, "XQZT", "unknown_zone"),
        ("Apr 19, 1998, 4:11:60 PM UTC", AT + 36_000_000, "UTC", "leap_second"),
        ("Apr 19, 1998, 12:11:23 AM UTC", AT - 16 * HOUR, "UTC", None),
        ("Apr 19, 1998, 12:11:23 PM UTC", AT - 4 * HOUR, "UTC", None),
        ("Jan 1, 1970, 1:00:00 AM UTC", None, "UTC", "implausible"),
        ("Jan 1, 2099, 1:00:00 AM UTC", None, "UTC", "implausible"),
    ],
)
def test_F_P9_html_dates(text, micros, zone, flag):
    assert HtmlDates().parse(text) == (micros, zone, flag)


@pytest.mark.parametrize(
    "text",
    ["", "19.13.1998, 16:11:23 MESZ", "03/04/1998, 16:11:23", "avr. 19, 1998, 4:11:23 PM",
     "Apr 31, 1998, 4:11:23 PM UTC", "Apr 19, 1998", "Apr 19, 1998, 13:11:23 PM UTC", "Apr 19, 1998, 4:60:23 PM UTC",
     "Apr 19, 99998, 4:11:23 PM UTC"],
)  # fmt: skip
def test_F_P9_other_html_dates_are_not_guessed(text):
    assert HtmlDates().parse(text) is None


def test_F_P9_a_clock_that_goes_back_keeps_both_times():
    dates = HtmlDates()

    texts = ("Oct 25, 2020, 2:30:00 AM CEST", "Oct 25, 2020, 2:30:00 AM CET")
    first, second = (dates.parse(text).micros for text in texts)

    assert second - first == HOUR


def test_times_in_bulk_equal_times_one_by_one():
    texts = ["1998-04-19T16:11:23.131Z", "2021-09-30T01:44:33Z", "2023-01-27T22:46:47.389352Z"]

    assert parse_iso_bulk(texts) == [parse_iso(text) for text in texts]


@pytest.mark.parametrize("odd", ["1998-04-19T16:11:23", "2099-01-01T00:00:00Z", "x", "", None, 5, "\ud800"])
def test_times_in_bulk_leave_odd_ones_to_the_careful_parser(odd):
    assert parse_iso_bulk(["1998-04-19T16:11:23.131Z", odd]) is None


@given(st.datetimes(datetime(1971, 1, 1), datetime(2025, 1, 1)))
def test_html_and_iso_agree_to_the_second(moment):
    moment = moment.replace(microsecond=0)
    html = f"{moment:%b} {moment.day}, {moment.year}, {moment.hour % 12 or 12}:{moment:%M:%S} {moment:%p} UTC"

    assert HtmlDates().parse(html) == parse_iso(f"{moment:%Y-%m-%dT%H:%M:%S}Z")


@given(st.text(max_size=80))
def test_any_text_is_a_time_or_none(text):
    HtmlDates().parse(text)
    parse_iso(text)
    parse_epoch(text)


@given(st.one_of(st.integers(), st.floats()))
def test_any_number_is_a_plausible_time_or_unknown(value):
    moment = parse_epoch(value)

    assert moment is None or moment.micros is not None or moment.flag == "implausible"
