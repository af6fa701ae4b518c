"""Tables of one's own: mappings, delimiters, times, and F-P6 and F-P9."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_core.errors import UsageError
from forge_core.events import KINDS
from forge_core.sources import Options, TableMapping, readers
from forge_core.sources.base import MemberReport, Sink
from forge_core.sources.mapping_rules import moment
from forge_core.sources.table_mapping import READER
from tests.core.readers import folder, history, read_all, record

DOOR = TableMapping(
    "door", "security", {"item": "Door", "time": "Zeit", "account": "Person", "outcome": "Ergebnis"},
    {"action": "entry"}, "%d.%m.%Y %H:%M:%S", "Europe/Berlin",
)  # fmt: skip
ROW = "10.03.2024 06:55:46;north;A. Person;success\n"
HEADER = "Zeit;Door;Person;Ergebnis\n"


def mapped(tmp_path, mapping, content, name="table.csv", **limits):
    return read_all(folder(tmp_path, {name: content}), options=Options(mappings=(mapping,), **limits))


def test_the_example_of_the_docs(tmp_path):
    found = mapped(tmp_path, DOOR, HEADER + ROW)

    [row] = found.rows["security"]
    assert (row["item"], row["action"], row["account"], row["source"]) == (
        "door:north",
        "entry",
        "A. Person",
        "door",
    )
    assert (row["time"].isoformat(), row["zone"]) == ("2024-03-10T05:55:46+00:00", "Europe/Berlin")
    assert (found.survey.source, found.survey.population) == ("table", "personal")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_and_encodings(tmp_path, delimiter, encoding):
    text = (HEADER + "10.03.2024 06:55:46;Tür;A. Person;success\n").replace(";", delimiter)

    [row] = mapped(tmp_path, DOOR, text.encode(encoding)).rows["security"]

    assert row["item"] == "door:Tür"


def test_jsonl_with_numbers_lists_and_missing_fields(tmp_path):
    mapping = TableMapping(
        "notes",
        "watch",
        {"item": "link", "time": "at", "categories": "tags", "rating": "stars", "title": "name"},
    )
    rows = [
        {"link": "https://example.org/1", "at": 1710050146.5, "tags": ["a", " b "], "stars": 4, "name": 7},
        {"link": "two", "at": "2024-03-10T05:55:46Z", "tags": "a; b;", "stars": "3.5", "name": None},
        {"link": "three", "at": "2024-03-10T05:55:46Z"},
        {"link": "four", "at": "2024-03-10T05:55:46Z", "stars": "many"},
        {"link": " ", "at": "2024-03-10T05:55:46Z"},
        {"link": "five", "at": "last week"},
        {"link": "six", "at": None},
    ]
    text = "\n".join([*map(json.dumps, rows), "[1]", '{"link": '])

    found = mapped(tmp_path, mapping, text, "notes.jsonl")

    one, two, three, six = found.rows["watch"]
    assert (one["item"], one["categories"], one["rating"], one["title"]) == (
        "https://example.org/1",
        ["a", "b"],
        4.0,
        "7",
    )
    assert (two["item"], two["categories"], two["rating"], two["title"]) == (
        "notes:two",
        ["a", "b"],
        3.5,
        None,
    )
    assert (three["item"], three["rating"]) == ("notes:three", None)
    assert (six["time"], six["time_flag"]) == (None, "unknown")
    assert found.quarantined == {
        "wrong type": 1, "no item": 1, "unknown date": 1, "not an object": 1, "malformed": 1,
    }  # fmt: skip


def test_a_mapping_is_asked_before_other_readers_and_leaves_them_the_rest(tmp_path):
    mapping = TableMapping("mine", "watch", {"item": "titleUrl", "time": "time"})
    members: dict[str, bytes | str] = {
        "a.jsonl": json.dumps(record(1)) + "\n",
        "watch-history.json": history(record(2)),
    }

    found = read_all(folder(tmp_path, members), options=Options(mappings=(mapping,)))

    assert {row["member"]: row["source"] for row in found.rows["watch"]} == {
        "a.jsonl": "mine", "watch-history.json": "youtube",
    }  # fmt: skip
    assert readers()[0] is READER


def test_without_mappings_no_table_is_taken(tmp_path):
    found = read_all(folder(tmp_path, {"table.csv": HEADER + ROW}))

    assert not found.rows


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "doors"}, "kind"),
        ({"columns": {"item": "Door", "door": "Door"}}, "columns.door"),
        ({"columns": {"item": "Door", "subject": "Person"}}, "columns.subject"),
        ({"columns": {"time": "Zeit"}}, "columns.item"),
        ({"constants": {"badge": "1"}}, "constants.badge"),
        ({"constants": {"outcome": "success"}}, "constants.outcome"),
        ({"zone": "Europe/Nowhere"}, "zone"),
        ({"zone": "../etc/passwd"}, "zone"),
        ({"time_format": "%Q"}, "time_format"),
        ({"time_format": "%d %d"}, "time_format"),
        ({"time_format": "dd.mm.yyyy"}, "time_format"),
        ({"name": "My doors"}, "name"),
    ],
)
def test_a_wrong_mapping_is_refused_by_field(tmp_path, changes, field):
    mapping = TableMapping(**{**vars(DOOR), **changes})

    with pytest.raises(UsageError) as refusal:
        mapped(tmp_path, mapping, HEADER + ROW)

    assert refusal.value.code == "FORGE-MAPPING"
    assert f"{field} " in refusal.value.what
    assert refusal.value.fix


def test_two_mappings_of_one_name_are_refused(tmp_path):
    with pytest.raises(UsageError, match="name is used twice"):
        read_all(folder(tmp_path, {"a": "x"}), options=Options(mappings=(DOOR, DOOR)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_mapped(tmp_path, kind):
    columns = {column.name: column.name for column in KINDS[kind].columns}
    value = {
        "text": "x",
        "texts": "a;b",
        "float": "1.5",
        "int": "2",
        "bool": "yes",
        "time": "2024-03-10T05:55:46Z",
    }
    mapping = TableMapping("own", kind, {"item": "id", "time": "at", **columns})
    text = io.StringIO(newline="")
    csv.writer(text).writerows([
        ["id", "at", *columns],
        ["1", "2024-03-10T05:55:46Z", *(value[column.type] for column in KINDS[kind].columns)],
    ])  # fmt: skip

    [row] = mapped(tmp_path, mapping, text.getvalue()).rows[kind]

    assert all(row[name] is not None for name in columns)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("31.03.2024 02:30:00", "2024-03-31T01:30:00+00:00"),  # an hour that is left out in spring
        ("27.10.2024 02:30:00", "2024-10-27T00:30:00+00:00"),  # an hour that comes twice: the first
        ("27.10.2024 03:30:00", "2024-10-27T02:30:00+00:00"),
    ],
)
def test_F_P9_summer_time(tmp_path, text, shown):
    [row] = mapped(tmp_path, DOOR, HEADER + ROW.replace("10.03.2024 06:55:46", text)).rows["security"]

    assert row["time"].isoformat() == shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-03-10T05:55:46.5+01:00", (1710046546_500000, "+01:00", None)),
        ("2024-03-10 05:55:46 UTC", (1710050146_000000, "UTC", None)),
        ("2024-03-10 05:55", (1710050100_000000, None, "no_zone")),
        ("2024-03-10", (1710028800_000000, None, "no_zone")),
        ("1710050146", (1710050146_000000, "UTC", None)),
        ("1710050146123", (1710050146_123000, "UTC", None)),
        ("2099-01-01T00:00:00Z", (None, "UTC", "implausible")),
        ("20240310", None),
        ("-5", None),
        ("10/03/2024", None),
        ("2024-02-30", None),
        ("nan", None),
        (True, None),
        ([1], None),
        ("", (None, None, "unknown")),
    ],
)
def test_F_P9_times_are_read_or_set_aside_never_guessed(value, expected):
    found = moment(value, TableMapping("own", "watch", {"item": "a", "time": "b"}))

    assert found == (None if expected is None else expected)


def test_F_P9_a_calendar_may_lie_ahead():
    found = moment("2099-01-01T00:00:00Z", TableMapping("own", "calendar", {"item": "a"}))

    assert found == (4070908800_000000, "UTC", None)


def test_F_P10_a_position_that_cannot_be_is_set_aside(tmp_path):
    mapping = TableMapping("own", "place", {"item": "id", "latitude": "lat", "longitude": "lon"})

    found = mapped(tmp_path, mapping, "id,lat,lon\na,52.5,13.4\nb,91,13.4\nc,52.5,-181\nd,nan,1\ne,inf,1\n")

    assert [row["item"] for row in found.rows["place"]] == ["own:a"]
    assert found.quarantined == {"no such position": 2, "wrong type": 2}


@pytest.mark.parametrize("cell", ["=cmd()", "+1", "-1", "@SUM(A1)", "\tx", "two\nlines", 'a "quote"', "a;b"])
def test_F_P6_cells_are_stored_as_they_stand(tmp_path, cell):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";").writerows(
        [HEADER.strip().split(";"), ["10.03.2024 06:55:46", "n", cell, ""]]
    )

    [row] = mapped(tmp_path, DOOR, text.getvalue()).rows["security"]

    assert row["account"] == cell


def test_F_P6_rows_of_other_widths_and_a_million_columns(tmp_path):
    text = HEADER + ROW + ROW.replace(";success", "") + ";" * 1_000_000 + "\n" + ROW

    found = mapped(tmp_path, DOOR, text)

    assert len(found.rows["security"]) == 2
    assert found.quarantined == {"malformed": 2}


def test_a_long_table_is_read_in_parts_with_one_order(tmp_path):
    text = HEADER + "".join(f"10.03.2024 06:55:46;n{n};x;y\n" for n in range(5000))

    rows = mapped(tmp_path, DOOR, text, part_bytes=10_000).rows["security"]

    assert [row["item"] for row in sorted(rows, key=lambda row: row["sequence"])] == [
        f"door:n{n}" for n in range(5000)
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([HEADER + ROW, '{"Zeit":"","Door":"a","Person":"","Ergebnis":""}\n']),
    st.binary(max_size=500),
)
def test_any_bytes_are_rows_or_a_reason(start, noise):
    into = Sink(MemberReport("member"), "me", Options(mappings=(DOOR,), part_bytes=128))

    for part in READER.split(io.BytesIO(start.encode() + noise), into):
        for batch in READER.parse(part, into):
            batch.rows.validate(full=True)
