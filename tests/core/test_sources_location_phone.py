"""The Timeline as phones export it, Android and iOS, and how long arrays are cut."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_core.errors import ForgeError
from forge_core.sources import Options
from tests.core.readers import data, folder, read_all
from tests.core.test_sources_location import at

HOME = {
    "placeId": "ChIJ0",
    "semanticType": "INFERRED_HOME",
    "placeLocation": {"latLng": "41.4216106°, 2.1684775°"},
}
START, END = "2024-05-01T10:00:00.000+02:00", "2024-05-01T12:00:00.000+02:00"


def segment(**changes: Any) -> dict[str, Any]:
    return {"startTime": START, "endTime": END} | changes


def android(*segments: Any, signals: tuple[Any, ...] = (), profile: bool = True) -> str:
    told: dict[str, Any] = {"semanticSegments": list(segments), "rawSignals": list(signals)}
    if profile:
        told["userLocationProfile"] = {"frequentPlaces": [{"placeId": "ChIJ0", "label": "HOME"}]}
    return json.dumps(told, indent=2, ensure_ascii=False)


def places(tmp_path, content: bytes | str, options: Options = Options()):  # noqa: B008
    found = read_all(folder(tmp_path, {"location-history.json": content}), options=options)
    return found, found.rows.get("place", [])


VISIT = segment(visit={"hierarchyLevel": 0, "probability": 0.9, "topCandidate": HOME})
JOURNEY = segment(
    activity={
        "start": {"latLng": "41.0°, 2.0°"},
        "end": {"latLng": "42.0°, -2.5°"},
        "distanceMeters": 1.0,
        "topCandidate": {"type": "IN_PASSENGER_VEHICLE", "probability": 0.8},
        "parking": {"location": {"latLng": "42.0001°, -2.5°"}, "startTime": END},
    }
)
PATH = segment(timelinePath=[{"point": "41.5°, 2.5°", "time": "2024-05-01T10:41:00.000+02:00"}])
SIGNAL = {
    "position": {
        "LatLng": "41.6°, 2.6°",
        "accuracyMeters": 13,
        "source": "WIFI",
        "timestamp": "2024-05-01T09:00:00Z",
    }
}

IOS_VISIT = segment(
    visit={
        "hierarchyLevel": "0",
        "probability": "0.9",
        "topCandidate": {
            "semanticType": "Home",
            "placeID": "ChIJ0",
            "placeLocation": "geo:41.4216106,2.1684775",
        },
    }
)
IOS_JOURNEY = segment(
    activity={
        "start": "geo:41.0,2.0",
        "end": "geo:42.0,-2.5",
        "distanceMeters": "1.0",
        "topCandidate": {"type": "in passenger vehicle", "probability": "0.8"},
    }
)
IOS_PATH = segment(timelinePath=[{"point": "geo:41.5,2.5", "durationMinutesOffsetFromStartTime": "41"}])
MEMORY = segment(timelineMemory={"distanceFromOriginKms": "70", "destinations": [{"identifier": "ChIJ1"}]})


def test_an_android_timeline_is_visits_ends_of_journeys_paths_and_positions(tmp_path):
    found, rows = places(tmp_path, android(VISIT, JOURNEY, PATH, MEMORY, signals=(SIGNAL, {"wifiScan": {}})))

    assert [claim.reader for claim in found.survey.claims] == ["timeline"]
    assert [(row["item"], row["activity"], row["accuracy"]) for row in rows] == [
        ("place:ChIJ0", None, None),
        ("point:41.00000,2.00000", "in_passenger_vehicle", None),
        ("point:42.00000,-2.50000", "in_passenger_vehicle", None),
        ("point:42.00010,-2.50000", None, None),
        ("point:41.50000,2.50000", None, None),
        ("point:41.60000,2.60000", None, 13),
    ]
    visit = rows[0]
    assert (visit["time"], visit["end_time"]) == (at("2024-05-01T08:00:00Z"), at("2024-05-01T10:00:00Z"))
    assert (visit["zone"], visit["place_name"]) == ("+02:00", "home")
    assert rows[5]["zone"] == "UTC"
    assert found.passed_over == {"a memory of a journey": 1, "no coordinates": 1}
    assert not found.quarantined


def test_the_same_day_of_an_iphone_is_the_same_events(tmp_path):
    phone = android(VISIT, segment(activity=JOURNEY["activity"] | {"parking": None}), PATH)

    first = read_all(folder(tmp_path / "a", {"Timeline.json": phone}))
    second = read_all(
        folder(tmp_path / "b", {"x.json": json.dumps([IOS_VISIT, IOS_JOURNEY, IOS_PATH, MEMORY])})
    )

    assert [claim.reader for claim in second.survey.claims] == ["timeline"]
    assert first.ids() == second.ids()
    assert [row["place_name"] for row in second.rows["place"]] == ["home", None, None, None]


def test_a_phone_and_the_cloud_tell_of_the_same_visit(tmp_path):
    semantic = {
        "location": {"latitudeE7": 414_216_106, "longitudeE7": 21_684_775, "placeId": "ChIJ0"},
        "duration": {"startTimestamp": "2024-05-01T08:00:00Z", "endTimestamp": "2024-05-01T10:00:00Z"},
    }

    phone = read_all(folder(tmp_path / "a", {"t.json": android(VISIT)}))
    cloud = read_all(
        folder(tmp_path / "b", {"m.json": json.dumps({"timelineObjects": [{"placeVisit": semantic}]})})
    )

    assert phone.ids() == cloud.ids()


@pytest.mark.parametrize("order", [("semanticSegments", "rawSignals"), ("rawSignals", "semanticSegments")])
@pytest.mark.parametrize("segments", [1, 20_000])
def test_both_lists_of_a_phone_are_read_in_whatever_order_and_of_any_length(tmp_path, order, segments):
    lists = {"semanticSegments": [PATH] * segments, "rawSignals": [SIGNAL] * segments}
    told: dict[str, Any] = {name: lists[name] for name in order} | {"userLocationProfile": {}}

    found, rows = places(tmp_path, json.dumps(told, indent=2))

    assert len(rows) == 2 * segments
    assert not found.quarantined


def test_one_list_or_none_is_enough(tmp_path):
    for number, (content, expected) in enumerate(
        [
            (json.dumps({"semanticSegments": [PATH]}), 1),
            (json.dumps({"rawSignals": [SIGNAL]}), 1),
            (json.dumps({"semanticSegments": []}), 0),
        ]
    ):
        found, rows = places(tmp_path / str(number), content)
        assert len(rows) == expected
        assert not found.quarantined


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        ("geo:NaN,2.0", "unknown coordinates"),
        ("somewhere", "unknown coordinates"),
        ("41.5°", "unknown coordinates"),
        ("geo:116.3,39.9", "coordinates out of range"),
        ("415000000,25000000", "coordinates out of range"),
        ("geo:0.0,0.0", "no position (0, 0)"),
        ("41.5°, 180.5°", "coordinates out of range"),
    ],
)
def test_F_P10_coordinates_of_a_phone_that_cannot_be_are_set_aside(tmp_path, point, reason):
    steps = [{"point": text, "time": END} for text in ("41.5°, 2.5°", point, "41.7°, 2.5°")]

    found, rows = places(tmp_path, android(segment(timelinePath=steps)))

    assert [row["latitude"] for row in rows] == [41.5, 41.7]
    assert found.quarantined == {reason: 1}


@pytest.mark.parametrize(
    ("step", "time", "flag"),
    [
        ({"time": "2024-05-01T08:41:00.000Z"}, "2024-05-01T08:41:00Z", None),
        ({"time": "2024-05-01T08:41:00"}, "2024-05-01T08:41:00Z", "no_zone"),
        ({"time": "2099-05-01T08:41:00Z"}, None, "implausible"),
        ({"time": "1969-05-01T08:41:00Z"}, None, "implausible"),
        ({}, None, "unknown"),
        ({"durationMinutesOffsetFromStartTime": 30}, "2024-05-01T08:30:00Z", None),
        ({"durationMinutesOffsetFromStartTime": "999999"}, "2026-03-26T18:39:00Z", None),
    ],
)
def test_F_P9_times_of_a_path_are_normalised_or_flagged(tmp_path, step, time, flag):
    found, rows = places(tmp_path, android(segment(timelinePath=[step | {"point": "41.5°, 2.5°"}]), PATH))

    assert not found.quarantined
    assert (rows[0]["time"], rows[0]["time_flag"]) == (at(time) if time else None, flag)
    assert rows[1]["time_flag"] is None


@pytest.mark.parametrize("minutes", ["-5", "soon", "NaN", "1e300"])
def test_F_P9_an_offset_that_cannot_be_sets_its_point_aside(tmp_path, minutes):
    step = {"point": "41.5°, 2.5°", "durationMinutesOffsetFromStartTime": minutes}

    found, rows = places(tmp_path, android(segment(timelinePath=[step]), PATH))

    assert len(rows) == 1
    assert found.quarantined == {"unknown date": 1}


@pytest.mark.data
def test_the_timeline_of_another_library_is_read():
    root = data("takeout-timeline-ondevice-kgeo")
    told = json.loads((root / "test-data.json").read_text())
    segments = told["semanticSegments"]

    rows = read_all(root).rows["place"]

    assert len([row for row in rows if row["end_time"]]) == sum("visit" in one for one in segments) == 2
    points = sum(len(one["timelinePath"]) for one in segments) + len(told["rawSignals"])
    assert len([row for row in rows if not row["end_time"]]) == points == 12


@pytest.mark.data
def test_the_replayed_timeline_is_read_each_once():
    path = data("takeout-replay-derived/user_405/Timeline.json")
    points = sum(len(one.get("timelinePath", [])) for one in json.loads(path.read_text())["semanticSegments"])

    rows = read_all(path).rows["place"]

    assert len([row for row in rows if row["item"].startswith("point:")]) >= points == 4000


SEEDS = [
    android(VISIT, JOURNEY, PATH, MEMORY, signals=(SIGNAL,)).encode(),
    json.dumps([IOS_VISIT, IOS_JOURNEY, IOS_PATH, MEMORY]).encode(),
    json.dumps(
        {"timelineEdits": [{"rawSignal": {"signal": {"position": {"point": {"latE7": 1}}}}}]}
    ).encode(),
]
numbers = count()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    seed=st.sampled_from(SEEDS), cut=st.integers(0, 900), junk=st.binary(max_size=30), gone=st.integers(0, 30)
)
def test_any_bytes_are_rows_or_a_quarantine(tmp_path, seed, cut, junk, gone):
    try:
        found = read_all(
            folder(tmp_path / str(next(numbers)), {"x.json": seed[:cut] + junk + seed[cut + gone :]})
        )
    except ForgeError:
        return
    for row in found.rows.get("place", []):
        assert abs(row["latitude"]) <= 90
        assert abs(row["longitude"]) <= 180
