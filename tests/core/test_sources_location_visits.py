"""Visits and journeys of Semantic Location History, and what lies beside a history."""

from __future__ import annotations

import json
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_core.errors import ForgeError
from tests.core.readers import folder, read_all
from tests.core.test_sources_location import NOON, at, places, position, records


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

    assert [claim.reader for claim in found.survey.claims] == ["location_semantic"]
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

    assert "location_notes" not in [claim.reader for claim in found.survey.claims]


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
