"""Google's location history: positions, visits and journeys, and what lies beside them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_core.errors import ForgeError
from tests.core.readers import data, folder, read_all

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

    _, [row] = places(tmp_path, records(wrapped))

    assert row["latitude"] == -33.8567844
    assert row["longitude"] == (3_439_679_000 - 2**32) / 1e7


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


def visit(number: int = 0, **changes: Any) -> dict[str, Any]:
    """One placeVisit of Semantic Location History."""
    location = {
        "latitudeE7": 555_555_555,
        "longitudeE7": -1_066_666_666,
        "placeId": "ChIJ0",
        "name": "A Café",
    }
    duration = {
        "startTimestamp": f"2020-05-{number + 1:02d}T08:00:00.026Z",
        "endTimestamp": f"2020-05-{number + 1:02d}T09:00:00Z",
    }
    return {"location": location, "duration": duration} | changes


def month(*objects: dict[str, Any]) -> str:
    return json.dumps({"timelineObjects": list(objects)}, indent=1)


def test_a_visit_is_named_by_its_place_and_has_an_end(tmp_path):
    unnamed = visit(
        1, location={"latitudeE7": 555_555_555, "longitudeE7": -1_066_666_666, "semanticType": "TYPE_HOME"}
    )
    centre = visit(2, location={}, centerLatE7=10_000_000, centerLngE7=20_000_000)

    found, rows = places(
        tmp_path, month(*({"placeVisit": one} for one in (visit(), unnamed, centre))), "M.json"
    )

    assert [claim.reader for claim in found.survey.claims] == ["location-semantic"]
    assert [row["item"] for row in rows] == ["place:ChIJ0", "place:55.5556,-106.6667", "place:1.0000,2.0000"]
    assert [row["place_name"] for row in rows] == ["A Café", "home", None]
    assert [row["end_time"] for row in rows] == [at(f"2020-05-0{day}T09:00:00Z") for day in (1, 2, 3)]


def test_durations_in_milliseconds_are_the_same_visits(tmp_path):
    old = visit(duration={"startTimestampMs": "1588320000026", "endTimestampMs": "1588323600000"})

    new = read_all(folder(tmp_path / "a", {"M.json": month({"placeVisit": visit()})}))
    before = read_all(folder(tmp_path / "b", {"M.json": month({"placeVisit": old})}))

    assert new.ids() == before.ids()
    assert new.rows["place"][0]["end_time"] == before.rows["place"][0]["end_time"]


def test_visits_within_a_visit_are_visits(tmp_path):
    inner = visit(location={"latitudeE7": 555_555_000, "longitudeE7": -1_066_666_000, "placeId": "ChIJ1"})

    _, rows = places(tmp_path, month({"placeVisit": visit(childVisits=[inner, inner])}))

    assert [row["item"] for row in rows] == ["place:ChIJ0", "place:ChIJ1", "place:ChIJ1"]


def test_a_visit_that_ends_before_it_begins_is_set_aside(tmp_path):
    duration = {"startTimestamp": "2020-05-03T08:00:00Z", "endTimestamp": "2020-05-03T07:00:00Z"}

    found, rows = places(tmp_path, month({"placeVisit": visit()}, {"placeVisit": visit(duration=duration)}))

    assert len(rows) == 1
    assert found.quarantined == {"ends before it begins": 1}


def test_a_journey_is_its_ends_its_timed_points_and_where_the_car_was_left(tmp_path):
    spot = {"latitudeE7": 10_000_000, "longitudeE7": 20_000_000}
    journey = {
        "startLocation": spot,
        "endLocation": spot | {"latitudeE7": 11_000_000},
        "duration": {"startTimestamp": "2020-05-01T08:00:00Z", "endTimestamp": "2020-05-01T09:00:00Z"},
        "activities": [
            {"activityType": "WALKING", "probability": 4.8},
            {"activityType": "IN_PASSENGER_VEHICLE", "probability": 85.5},
        ],
        "waypointPath": {"waypoints": [{"latE7": 1, "lngE7": 1}]},
        "simplifiedRawPath": {
            "points": [
                {
                    "latE7": 10_500_000,
                    "lngE7": 20_000_000,
                    "accuracyMeters": 9,
                    "timestampMs": "1588321800000",
                }
            ]
        },
        "parkingEvent": {"location": spot | {"accuracyMetres": 163}, "timestamp": "2020-05-01T08:59:00Z"},
    }

    _, rows = places(
        tmp_path, month({"activitySegment": journey}, {"activitySegment": {"activityType": "FLYING"}})
    )

    assert [
        (row["latitude"], row["time"].strftime("%H:%M"), row["activity"], row["accuracy"]) for row in rows
    ] == [
        (1.0, "08:00", "in_passenger_vehicle", None),
        (1.05, "08:30", "in_passenger_vehicle", 9),
        (1.1, "09:00", "in_passenger_vehicle", None),
        (1.0, "08:59", None, 163),
    ]
    assert all(row["end_time"] is None for row in rows)


HOW = "export the Timeline on the phone"
NOTE = "You have encrypted Timeline backups stored on Google servers.\n"
SETTINGS = json.dumps(
    {"createdTime": NOON, "historyEnabled": True, "deviceSettings": [], "hasReportedLocations": True}
)


@pytest.mark.parametrize("note", [NOTE, "Auf den Servern liegen verschlüsselte Sicherungen.\n"])
def test_F_A9_encrypted_backups_are_skipped_with_how_to_export(tmp_path, note):
    members = {"Takeout/Timeline/Encrypted Backups.txt": note, "Takeout/Timeline/Settings.json": SETTINGS}

    found = read_all(folder(tmp_path, members))

    told = {name: (member.status, member.reason) for name, member in found.report.members.items()}
    status, reason = told["Takeout/Timeline/Encrypted Backups.txt"]
    assert status == "skipped"
    assert HOW in reason
    assert told["Takeout/Timeline/Settings.json"] == (
        "skipped",
        "settings of the location history: no positions in it",
    )
    assert not found.rows


def test_F_A9_a_text_of_that_name_alone_is_not_taken(tmp_path):
    found = read_all(folder(tmp_path, {"notes/Encrypted Backups.txt": "How I encrypt my disks.\n"}))

    assert "location-notes" not in [claim.reader for claim in found.survey.claims]


def variants(schema: dict[str, Any], definitions: dict[str, Any], turn: int) -> Any:
    """A document with all properties of a JSON Schema; of alternatives, the one whose turn it is."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for alternatives in (schema.get("oneOf"), schema.get("anyOf")):
        if alternatives:
            return variants(alternatives[turn % len(alternatives)], definitions, turn)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][turn % len(schema["enum"])]
    if schema.get("type") == "object":
        inside = schema.get("properties", {})
        return {
            name: variants(inner, definitions, turn) for name, inner in inside.items()
            if name not in ("inferredLocation", "childVisits", "editActionMetadata")  # they hold themselves
        }  # fmt: skip
    if schema.get("type") == "array":
        return [variants(schema["items"], definitions, turn + number) for number in range(2)]
    if schema.get("examples"):
        return schema["examples"][0]
    return {"integer": 7, "number": 0.5, "boolean": True}.get(
        schema["type"], NOON if schema.get("format") == "date-time" else "text"
    )


def generated(name: str, turns: int) -> tuple[str, list[Any]]:
    schema = json.loads((data("takeout-location-schemas") / f"{name}.schema.json").read_text())
    [(key, inside)] = schema["properties"].items()
    found = [variants(inside["items"], schema["$defs"], turn) for turn in range(turns)]
    return json.dumps({key: found}), found


@pytest.mark.data
def test_every_variant_of_the_published_schema_of_records_is_read(tmp_path):
    content, documents = generated("Records", 40)

    found, rows = places(tmp_path, content)

    assert len(rows) == len(documents) == 40
    assert not found.quarantined
    types = {
        inner["type"].lower() for one in documents for outer in one["activity"] for inner in outer["activity"]
    }
    assert len(types) == 15
    assert {row["activity"] for row in rows} == types


@pytest.mark.data
def test_every_variant_of_the_published_schema_of_months_is_read(tmp_path):
    content, documents = generated("Semantic", 80)
    journeys = [one["activitySegment"] for one in documents if "activitySegment" in one]
    visits = [one["placeVisit"] for one in documents if "placeVisit" in one]

    found, rows = places(tmp_path, content)

    points = sum(len(one["simplifiedRawPath"]["points"]) for one in (*journeys, *visits))
    assert len(visits) == len(journeys) == 40
    assert len(rows) == len(visits) + 3 * len(journeys) + points
    assert not found.quarantined
    assert {row["item"] for row in rows if row["end_time"]} == {
        f"place:{one['location']['placeId']}" for one in visits
    }
    kinds = {one["activityType"].lower().removesuffix("_activity_type") for one in journeys}
    assert kinds | {None} == {row["activity"] for row in rows}


@pytest.mark.data
def test_every_variant_of_the_published_schema_of_edits_is_read(tmp_path):
    content, documents = generated("TimelineEdits", 4)

    found, rows = places(tmp_path, content)

    assert [claim.reader for claim in found.survey.claims] == ["timeline-edits"]
    assert len(rows) == len([one for one in documents if "position" in one["rawSignal"]["signal"]]) == 4
    assert {row["accuracy"] for row in rows} == {100}  # exported in millimetres


@pytest.mark.data
def test_settings_of_the_published_schema_are_skipped(tmp_path):
    schema = json.loads((data("takeout-location-schemas") / "Settings.schema.json").read_text())

    found, rows = places(tmp_path, json.dumps(schema["examples"][0]), "Settings.json")

    assert not rows
    assert [member.status for member in found.report.members.values()] == ["skipped"]


@pytest.mark.data
def test_histories_of_other_peoples_tests_are_read():
    root = data("takeout-gtp-fixtures") / "from_tests"
    for name in ("Location History", "Location History (Timeline)"):
        found = read_all(root / name)
        expected = 0
        for path in (root / name).rglob("*.json"):
            told = json.loads(path.read_text())
            expected += len(told.get("locations", []))
            for one in told.get("timelineObjects", []):
                expected += (
                    1
                    if "placeVisit" in one
                    else 3 + len(one["activitySegment"]["simplifiedRawPath"]["points"])
                )
        assert len(found.rows["place"]) == expected
        assert not found.quarantined
    dogsheep = read_all(data("takeout-promnesia-dogsheep") / "dogsheep" / "Takeout" / "Location History")
    assert [row["time"] for row in dogsheep.rows["place"]] == [
        datetime.fromtimestamp(int(ms) // 1000, UTC).replace(microsecond=int(ms) % 1000 * 1000)
        for ms in ("1437263846012", "1437263905529")
    ]


@pytest.mark.data
def test_the_replayed_records_are_read_each_once():
    root = data("takeout-replay-derived/user_405/Takeout/Location History (Timeline)")
    told = json.loads((root / "Records.json").read_text())["locations"]

    found = read_all(root)

    assert len(found.rows["place"]) == len(told) == 4000
    assert not found.quarantined


STILL = [{"activity": [{"type": "STILL", "confidence": 1}]}]
SEEDS = [
    records(position(), position(1, activity=STILL)).encode(),
    month({"placeVisit": visit()}, {"activitySegment": {"startLocation": {"latitudeE7": 1}}}).encode(),
]
numbers = count()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    seed=st.sampled_from(SEEDS), cut=st.integers(0, 400), junk=st.binary(max_size=30), gone=st.integers(0, 30)
)
def test_any_bytes_are_rows_or_a_quarantine(tmp_path, seed, cut, junk, gone):
    started = time.monotonic()
    root: Path = folder(tmp_path / str(next(numbers)), {"x.json": seed[:cut] + junk + seed[cut + gone :]})
    try:
        found = read_all(root)
    except ForgeError:
        return
    assert time.monotonic() - started < 5
    for row in found.rows.get("place", []):
        assert abs(row["latitude"]) <= 90
        assert abs(row["longitude"]) <= 180
