"""Google's location history: positions, visits and journeys, and what lies beside them."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from tests.core.readers import folder, read_all

NOON = "2022-01-12T12:00:00Z"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def position(number: int = 0, **changes: Any) -> dict[str, Any]:
    """One record of Records.json."""
    record = {
        "latitudeE7": 414_216_106 + number * 1000,
        "longitudeE7": 21_684_775,
        "accuracy": 20,
        "source": "WIFI",
        "deviceTag": -8024144696862913506,
        "timestamp": f"2022-01-12T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.190Z",
    } | changes
    return {key: value for key, value in record.items() if value is not ...}


def records(*found: Any) -> str:
    return json.dumps({"locations": list(found)}, indent=2)


def places(tmp_path, content: bytes | str, name: str = "Records.json"):
    found = read_all(folder(tmp_path, {name: content}))
    return found, found.rows.get("place", [])


def test_a_position_has_time_place_accuracy_and_the_likeliest_activity(tmp_path):
    guesses = [{"type": "UNKNOWN", "confidence": 21}, {"type": "ON_FOOT", "confidence": 89}]
    later = [{"type": "STILL", "confidence": 79}]
    activity = [{"activity": guesses, "timestamp": NOON}, {"activity": later, "timestamp": NOON}]

    found, [row] = places(tmp_path, records(position(activity=activity)))

    assert [claim.reader for claim in found.survey.claims] == ["location"]
    assert row["item"] == "point:41.42161,2.16848"
    assert (row["latitude"], row["longitude"], row["accuracy"]) == (41.4216106, 2.1684775, 20)
    assert (row["time"], row["zone"], row["time_flag"]) == (at("2022-01-12T00:00:00.190Z"), "UTC", None)
    assert (row["activity"], row["end_time"], row["place_name"]) == ("on_foot", None, None)
    assert row["source"] == "google-location"


def test_milliseconds_before_2022_and_iso_after_are_the_same_event(tmp_path):
    old = position(3, timestamp=..., timestampMs="1641945603190")

    first = read_all(folder(tmp_path / "a", {"Location History.json": records(old, old | {"accuracy": 5})}))
    second = read_all(folder(tmp_path / "b", {"Records.json": records(position(3), position(3))}))
    mixed = read_all(folder(tmp_path / "c", {"Records.json": records(old, position(3))}))

    assert first.ids() == second.ids() == mixed.ids()
    assert len(first.ids()) == 2


def test_records_without_coordinates_are_passed_over(tmp_path):
    found, rows = places(tmp_path, records(position(), {"placeId": "x", "timestamp": NOON}))

    assert len(rows) == 1
    assert found.passed_over == {"no coordinates": 1}
    assert not found.quarantined


@pytest.mark.parametrize(
    "content", ['{"locations": []}', '{\n "locations" : [ ]\n}', '{"timelineObjects": []}']
)
def test_an_empty_history_is_imported_without_rows(tmp_path, content):
    found, rows = places(tmp_path, content)

    assert rows == []
    assert not found.quarantined
    assert not found.survey.skipped


@pytest.mark.parametrize(
    "content",
    [
        '{"locations": [{"name": "Berlin", "latitude": 52.5}]}',
        '{"locations": [{"source": "x", "timestamp": "2020"}]}',
        '{"locations": "latitudeE7"}',
        '[{"latitudeE7": 1}]',
        "latitudeE7,longitudeE7\n1,2\n",
    ],
)
def test_other_lists_of_locations_are_not_taken(tmp_path, content):
    found, rows = places(tmp_path, content)

    assert rows == []
    assert "location" not in [claim.reader for claim in found.survey.claims]


@pytest.mark.parametrize(
    ("latitude", "longitude", "reason"),
    [
        (1_790_000_000, 414_216_106, "coordinates out of range"),  # swapped
        (900_000_001, 0, "coordinates out of range"),
        (0, 1_800_000_001, "coordinates out of range"),
        (-900_000_001, 1, "coordinates out of range"),
        (41.4216106, 2.1684775, "coordinates out of range"),  # degrees where E7 numbers belong
        (41, 2, "no position (0, 0)"),  # whole degrees where E7 numbers belong
        (0, 0, "no position (0, 0)"),
        (2**32 + 5, 0, "coordinates out of range"),
        (10**30, 1, "coordinates out of range"),
        (414_216_106, ..., "half a coordinate"),
        ("414216106", 21_684_775, "wrong type"),
    ],
)
def test_F_P10_positions_that_cannot_be_are_set_aside(tmp_path, latitude, longitude, reason):
    broken = position(1, latitudeE7=latitude, longitudeE7=longitude)

    found, rows = places(tmp_path, records(position(0), broken, position(2)))

    assert [row["item"] for row in rows] == ["point:41.42161,2.16848", "point:41.42181,2.16848"]
    assert found.quarantined == {reason: 1}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-", "0x10"])
def test_F_P10_what_is_no_number_is_set_aside_with_its_record(tmp_path, text):
    broken = json.dumps(position(1, latitudeE7="@")).replace('"@"', text)
    content = f'{{"locations": [{json.dumps(position(0))}, {broken}, {json.dumps(position(2))}]}}'

    found, rows = places(tmp_path, content)

    assert len(rows) == 2
    assert sum(found.quarantined.values()) == 1


def test_F_P10_numbers_written_as_unsigned_by_old_exports_are_mended(tmp_path):
    wrapped = position(latitudeE7=2**32 - 338_567_844, longitudeE7=3_439_679_000)

    found, [row] = places(tmp_path, records(wrapped))

    assert row["latitude"] == -33.8567844
    assert row["longitude"] == (3_439_679_000 - 2**32) / 1e7
    assert found.report.total("mended") == {"coordinate without its sign": 2}


def test_F_P10_poles_and_the_180th_meridian_have_one_name(tmp_path):
    edge = [(0, 1_800_000_000), (0, -1_800_000_000), (900_000_000, 5_000_000), (900_000_000, -770_000_000)]
    edge += [(-4, 100_000_000)]  # no -0.00000

    _, rows = places(tmp_path, records(*(position(latitudeE7=n, longitudeE7=e) for n, e in edge)))

    assert [row["item"].removeprefix("point:") for row in rows] == [
        "0.00000,180.00000", "0.00000,180.00000", "90.00000,0.00000", "90.00000,0.00000", "0.00000,10.00000",
    ]  # fmt: skip
    assert [row["longitude"] for row in rows[:2]] == [180, -180]


def test_F_P10_a_negative_accuracy_is_none(tmp_path):
    _, rows = places(tmp_path, records(position(accuracy=-1), position(accuracy=...), position(accuracy=0)))

    assert [row["accuracy"] for row in rows] == [None, None, 0]


@pytest.mark.parametrize(
    ("stamp", "time", "flag"),
    [
        ({"timestampMs": "1641945600190"}, "2022-01-12T00:00:00.190Z", None),
        ({"timestampMs": 1641945600190}, "2022-01-12T00:00:00.190Z", None),
        ({"timestampMs": "1641945600190000"}, "2022-01-12T00:00:00.190Z", None),  # microseconds
        ({"timestampMs": "1641945600"}, "2022-01-12T00:00:00Z", None),  # seconds
        ({"timestamp": "2022-01-12T01:00:00.190+01:00"}, "2022-01-12T00:00:00.190Z", None),
        ({"timestamp": "2022-01-12T00:00:00"}, "2022-01-12T00:00:00Z", "no_zone"),
        ({"timestamp": "2016-12-31T23:59:60Z"}, "2016-12-31T23:59:59Z", "leap_second"),
        ({"timestampMs": "0"}, None, "implausible"),
        ({"timestamp": "1970-01-01T00:00:00Z"}, None, "implausible"),
        ({"timestamp": "2099-01-01T00:00:00Z"}, None, "implausible"),
        ({"timestampMs": "-1641945600190"}, None, "implausible"),
        ({}, None, "unknown"),
    ],
)
@pytest.mark.parametrize("company", [0, 3])
def test_F_P9_times_are_normalised_or_flagged(tmp_path, stamp, time, flag, company):
    """Alone, and among times that are read in bulk."""
    others = [position(number) for number in range(1, company + 1)]

    found, rows = places(tmp_path, records(position(timestamp=...) | stamp, *others))

    assert not found.quarantined
    assert rows[0]["time"] == (at(time) if time else None)
    assert rows[0]["time_flag"] == flag
    assert all(row["time_flag"] is None for row in rows[1:])


@pytest.mark.parametrize(
    "stamp", ["yesterday", "2022-01-12", "2022-13-01T00:00:00Z", "12022-01-12T00:00:00Z", "²"]
)
def test_F_P9_a_time_that_cannot_be_read_sets_its_record_aside(tmp_path, stamp):
    found, rows = places(tmp_path, records(position(0), position(1, timestamp=stamp), position(2)))

    assert len(rows) == 2
    assert found.quarantined == {"unknown date": 1}


def test_F_P9_a_clock_that_goes_back_keeps_times_and_order_as_exported(tmp_path):
    _, rows = places(tmp_path, records(position(50), position(10), position(30)))

    ordered = sorted(rows, key=lambda row: row["sequence"])
    assert [row["time"].second for row in ordered] == [50, 10, 30]


LONG = """
import json, resource, sys
from pathlib import Path
from forge_core.archives import open_archive
from forge_core.sources import ReadReport, read, survey
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
report, rows, names = ReadReport(), 0, set()
with open_archive(Path(sys.argv[1])) as archive:
    for batch in read(archive, survey(archive), report=report):
        rows += batch.rows.num_rows
peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])  # KB; maxrss has the parent's too
print(json.dumps([rows, dict(report.total("quarantined")), peak]))
"""


@pytest.mark.parametrize(
    "size", [pytest.param(50e6, id="50MB"), pytest.param(1.6e9, id="1.6GB", marks=pytest.mark.slow)]
)
def test_F_P2_a_long_history_is_read_in_bounded_memory(tmp_path, size):
    block = ",\n".join(json.dumps(position(number, activity=[]), indent=1) for number in range(20_000))
    blocks = round(size / len(block))
    with (tmp_path / "Records.json").open("w") as file:
        file.write('{"locations": [')
        for number in range(blocks):
            file.write(("," if number else "") + block)
        file.write("]}")

    done = subprocess.run(
        [sys.executable, "-c", LONG, str(tmp_path)], capture_output=True, text=True, check=True
    )
    rows, quarantined, peak = json.loads(done.stdout)

    assert rows == blocks * 20_000
    assert quarantined == {}
    assert peak < 300_000
