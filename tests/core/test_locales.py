"""Dates of HTML exports in any language: literal ones, those that CLDR makes, and those that cannot be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from babel.dates import format_date, format_time
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_core.dates import HtmlDates
from forge_core.locales import REGIONS, calendar, hour_of, plain

AT = int(datetime(1998, 4, 19, 16, 11, 23, tzinfo=UTC).timestamp()) * 1_000_000
HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("text", "hours", "zone"),
    [
        ("19.04.1998, 16:11:23 MEZ", -1, "MEZ"),
        ("19.04.1998, 16:11:23 MESZ", -2, "MESZ"),
        ("19 avr. 1998, 16:11:23 CET", -1, "CET"),
        ("19 avr. 1998, 16 h 11 min 23 s HNE", 5, "HNE"),
        ("19 abr 1998, 16:11:23 CEST", -2, "CEST"),
        ("19 abr. 1998, 4:11:23 p. m. GMT-3", 3, "GMT-3"),
        ("19 abr 1998, 4:11:23\u202fp.\u00a0m. UTC", 0, "UTC"),
        ("19 de abr. de 1998, 16:11:23 BRT", 3, "BRT"),
        ("19 de abr. de 1998 16:11:23 BRT", 3, "BRT"),
        ("19/04/1998, 16:11:23 WEST", -1, "WEST"),
        ("19 apr 1998, 16:11:23 CEST", -2, "CEST"),
        ("19 apr. 1998 16:11:23 CEST", -2, "CEST"),
        ("19 kwi 1998, 16:11:23 CEST", -2, "CEST"),
        ("19 Nis 1998 16:11:23 GMT+03:00", -3, "GMT+03:00"),
        ("1998/04/19 16:11:23 JST", -9, "JST"),
        ("1998/04/19 午後4:11:23 JST", -9, "JST"),
        ("19\u200f/04\u200f/1998، 4:11:23 م CEST", -2, "CEST"),
        ("١٩\u200f/٠٤\u200f/١٩٩٨، ٤:١١:٢٣ م غرينتش+٣", -3, "GMT+3"),
        ("19 أبريل 1998، 4:11:23 م GMT+2", -2, "GMT+2"),
        ("19 نيسان 1998، 4:11:23 م GMT+2", -2, "GMT+2"),
        ("1998年4月19日 16:11:23 CEST", -2, "CEST"),
        ("1998年4月19日 GMT+8 16:11:23", -8, "GMT+8"),
        ("1998年4月19日 GMT+08:00下午4:11:23", -8, "GMT+08:00"),
        ("1998年4月19日 下午4:11:23 [GMT+8]", -8, "GMT+8"),
    ],
)
@pytest.mark.parametrize("language", ["en", "ar"])
def test_F_A8_dates_of_other_languages(text, hours, zone, language):
    assert HtmlDates(language).parse(text) == (AT + hours * HOUR, zone, None)


@pytest.mark.parametrize(
    ("text", "hour"),
    [("凌晨3:00:00", 3), ("清晨6:00:00", 6), ("中午12:30:00", 12), ("晚上10:00:00", 22), ("上午12:00:00", 0)],
)
def test_parts_of_the_day_name_the_hour(text, hour):
    moment = HtmlDates("zh_Hant").parse(f"1998年4月19日 {text} [UTC]")

    assert datetime.fromtimestamp(moment.micros / 1e6, UTC).hour == hour


@pytest.mark.parametrize("language", list(REGIONS))
@settings(max_examples=40, deadline=None)
@given(at=st.datetimes(datetime(1971, 1, 1), datetime(2025, 1, 1)), width=st.sampled_from(["medium", "long"]))
def test_F_A8_what_cldr_writes_is_read_back(language, at, width):
    at = at.replace(microsecond=0, tzinfo=UTC)
    for region in REGIONS[language]:
        date, time = format_date(at, width, locale=region), format_time(at, "long", locale=region, tzinfo=UTC)
        layouts = calendar(language).numeric
        for text in (f"{date}, {time}", f"{date} {time}"):
            moment = HtmlDates(language, evidence=lambda: []).parse(text)
            if moment is None:  # digits alone, and two orders of them in this language
                assert len({"d/M/y", "M/d/y"} & set(layouts)) == 2
                assert at.day <= 12
            else:
                assert moment.micros == int(at.timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("03/04/1998, 16:11:23 CET", "en"),
        ("03/04/1998, 16:11:23 CET", "es"),
        ("19 zzz 1998, 16:11:23 CET", "de"),
        ("32.04.1998, 16:11:23 MEZ", "de"),
        ("19.04.98, 16:11:23 MEZ", "de"),
        ("19.04.1998 16:11 MEZ", "de"),
        ("1998年4月31日 16:11:23 CST", "zh_Hans"),
        ("1998年4月19日 下午13:11:23 CST", "zh_Hans"),
        ("19 avr 1998, 16:11:23 quelque part ici", "fr"),
        ("avr. 19, 1998, 4:11:23 PM", "fr"),
        ("1998-04-19T16:11:23.5", "en"),
    ],
)
def test_F_P9_other_dates_are_not_guessed(text, language):
    assert HtmlDates(language).parse(text) is None


@pytest.mark.parametrize(
    ("others", "month"),
    [(["19/04/1998, 1:00:00 UTC"], 4), (["04/19/1998, 1:00:00 UTC"], 3), ([], None),
     (["19/04/1998, 1:00:00 UTC", "04/19/1998, 1:00:00 UTC"], None)],
)  # fmt: skip
def test_F_P9_the_order_of_digits_is_decided_by_evidence(others, month):
    dates = HtmlDates("es", evidence=lambda: ["no date", *others])

    moment = dates.parse("03/04/1998, 16:11:23 UTC")

    assert (moment and datetime.fromtimestamp(moment.micros / 1e6, UTC).month) == month


def test_evidence_is_asked_for_once_and_only_in_doubt():
    asked = []

    def evidence():
        asked.append(1)
        return ["19/04/1998, 1:00:00 UTC"]

    dates = HtmlDates("es", evidence=evidence)
    dates.parse("19/04/1998, 16:11:23 UTC")
    assert asked == []
    for _ in range(3):
        dates.parse("03/04/1998, 16:11:23 UTC")
        dates.parse("05/06/1998, 16:11:23 UTC")
    assert asked == [1]
    assert dates.ruled_out == {"M/d/y"}


def test_the_language_decides_where_it_has_one_order():
    assert HtmlDates("pt").parse("03/04/1998, 16:11:23 UTC").micros == AT - 16 * 24 * HOUR


def test_one_spelling_of_digits_spaces_and_marks():
    assert plain(" ٢٠٢٠\u200f\u00a0\u202f۱۲  １２ ") == "2020 12 12"


def test_hours_of_halves():
    assert [hour_of(hour, (12, 24)) for hour in (12, 1, 11, 13, 0)] == [12, 13, 23, None, None]
    assert hour_of(12, (0, 12)) == 0


@settings(deadline=None)
@given(st.text(max_size=120), st.sampled_from(list(REGIONS)))
def test_any_text_in_any_language_is_a_time_or_none(text, language):
    HtmlDates(language, evidence=lambda: [text]).parse(text)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*"0123456789/.-:, ", "年", "月", "日", "下午", "م", "p.", "m.", "abr", "de", "GMT+8", "20", "19"]
        ),
        max_size=30,
    ),
    st.sampled_from(list(REGIONS)),
)
def test_any_pieces_of_dates_are_a_time_or_none(pieces, language):
    text = "".join(pieces)
    moment = HtmlDates(language, evidence=lambda: [text]).parse(text)

    assert moment is None or moment.micros is not None or moment.flag == "implausible"


def test_html_offsets_are_those_of_python():
    at = datetime(2021, 9, 30, 1, 44, 33, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    assert HtmlDates("de").parse("30.09.2021, 01:44:33 GMT+05:30").micros == int(at.timestamp()) * 1_000_000
