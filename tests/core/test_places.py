"""Stay points: what a stay is, held against the plain algorithm of the paper and on a public track."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime
from math import asin, cos, radians, sin, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.places import EARTH_METRES, MINUTE, haversine, stay_points
from tests.core.readers import data

HOUR = 60 * MINUTE
START = 1_600_000_000_000_000
DEGREE = 111_195.08  # metres of one degree of latitude on the sphere


def metres(north: float, east: float, to_north: float, to_east: float) -> float:
    first, second = radians(north), radians(to_north)
    chord = sin((second - first) / 2) ** 2 + cos(first) * cos(second) * sin(radians(to_east - east) / 2) ** 2
    return 2 * EARTH_METRES * asin(sqrt(min(1.0, chord)))


def plain(times, north, east, distance=200.0, minutes=20.0, gap_hours=12.0):
    """The two loops of the paper, over sorted positions: (arrival, departure, points)."""
    found, begin = [], 0
    while begin < len(times):
        stop = begin + 1
        while (
            stop < len(times)
            and times[stop] - times[stop - 1] <= gap_hours * HOUR
            and metres(north[begin], east[begin], north[stop], east[stop]) <= distance
        ):
            stop += 1
        if times[stop - 1] - times[begin] >= minutes * MINUTE:
            found.append((times[begin], times[stop - 1], stop - begin))
            begin = stop
        else:
            begin += 1
    return found


def rows(found) -> list[tuple[int, ...]]:
    return [tuple(map(int, row)) for row in zip(found.arrival, found.departure, found.points, strict=True)]


def test_half_an_hour_at_one_place_is_a_stay_and_the_way_there_is_none():
    way = [(minute, 50 + minute * 0.01, 8.0) for minute in range(10)]
    home = [(10 + minute, 51.0, 8.0 + 0.0001 * (minute % 2)) for minute in range(31)]
    back = [(41 + minute, 51 - minute * 0.01, 8.0) for minute in range(1, 10)]
    minutes, north, east = np.array(way + home + back).T

    found = stay_points(START + minutes.astype(np.int64) * MINUTE, north, east)

    assert rows(found) == [(START + 10 * MINUTE, START + 40 * MINUTE, 31)]
    assert found.latitude[0] == pytest.approx(51.0)
    assert found.longitude[0] == pytest.approx(8.0 + 0.0001 * 15 / 31)


def test_a_stay_ends_with_the_last_position_seen_there_and_not_where_the_next_was_seen():
    times = START + np.array([0, 25 * MINUTE, 5 * HOUR])

    found = stay_points(times, [50, 50, 51], [8, 8, 8])

    assert rows(found) == [(START, START + 25 * MINUTE, 2)]


def test_positions_in_any_order_are_sorted_and_those_without_a_coordinate_left_out():
    times = START + np.array([30, 0, 10, 20]) * MINUTE
    north = np.array([50.0, 50.0, np.nan, 50.0])

    assert rows(stay_points(times, north, np.full(4, 8.0))) == [(START, START + 30 * MINUTE, 3)]


def test_a_gap_ends_a_stay():
    times = START + np.array([0, 30 * MINUTE, 13 * HOUR, 13 * HOUR + 30 * MINUTE])
    here = np.full(4, 50.0)

    assert len(rows(stay_points(times, here, here))) == 2
    assert len(rows(stay_points(times, here, here, max_gap_hours=14))) == 1


def test_a_stay_on_the_180th_meridian_is_one_place():
    times = START + np.arange(0, 60, 10) * MINUTE
    east = np.where(np.arange(6) % 2, 179.9999, -179.9999)

    found = stay_points(times, np.zeros(6), east)

    assert rows(found) == [(START, START + 50 * MINUTE, 6)]
    assert abs(found.longitude[0]) == pytest.approx(180, abs=1e-3)


@pytest.mark.parametrize("count", [0, 1])
def test_of_nothing_come_no_stays(count):
    found = stay_points([START] * count, [50.0] * count, [8.0] * count)

    assert [column.size for column in found] == [0] * 5


def test_distances_are_those_of_a_sphere():
    assert haversine(0, 0, 1, 0) == pytest.approx(DEGREE, rel=1e-5)
    assert haversine(60, 0, 60, 1) == pytest.approx(DEGREE / 2, rel=1e-4)
    assert haversine(0, 0, 0, 180) == pytest.approx(np.pi * EARTH_METRES)


steps = st.tuples(st.integers(0, 40 * 60), st.floats(-250, 250), st.floats(-250, 250), st.booleans())


@given(
    st.lists(steps, max_size=80), st.sampled_from([50.0, 200.0, 1000.0]), st.sampled_from([0.0, 5.0, 20.0])
)
def test_stays_are_those_of_the_paper_disjoint_within_reach_and_long_enough(walk, distance, minutes):
    times = START + np.cumsum([step[0] for step in walk], dtype=np.int64) * 1_000_000
    north = 50 + np.cumsum([step[1] * (not step[3]) for step in walk]) / DEGREE
    east = 8 + np.cumsum([step[2] * (not step[3]) for step in walk]) / DEGREE

    found = stay_points(times, north, east, distance, minutes, max_gap_hours=0.5)

    assert rows(found) == plain(times.tolist(), north.tolist(), east.tolist(), distance, minutes, 0.5)
    assert (found.departure - found.arrival >= minutes * MINUTE).all()
    assert (found.departure[:-1] <= found.arrival[1:]).all()
    for arrival, _, latitude, longitude in zip(*found[:4], strict=True):
        first = times == arrival  # several, where some are at one instant
        assert haversine(latitude, longitude, north[first], east[first]).min() <= distance + 1e-6


@pytest.mark.data
def test_on_geolife_stays_are_those_of_the_plain_algorithm():
    tracks: dict[str, list[tuple[int, float, float]]] = {}
    with gzip.open(data("behaviour-geolife-skmob") / "geolife_sample.txt.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            at = datetime.fromisoformat(row["datetime"]).replace(tzinfo=UTC)
            position = (int(at.timestamp()) * 1_000_000, float(row["lat"]), float(row["lng"]))
            tracks.setdefault(row["uid"], []).append(position)

    for track in tracks.values():
        times, north, east = map(list, zip(*sorted(track), strict=True))
        assert rows(stay_points(times, north, east)) == plain(times, north, east)
    assert sum(map(len, tracks.values())) == 217_653
