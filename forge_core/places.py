"""Stay points: where somebody was for a while, found in a row of positions. Pure numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

EARTH_METRES = 6_371_008.8  # mean radius (IUGG)
MINUTE = 60_000_000  # microseconds
_BLOCK = 256  # positions looked at at first for the end of a stay; then twice as many each time


class StayPoints(NamedTuple):
    """One stay a row, oldest first. ``latitude`` and ``longitude`` are the mean of its ``points`` positions."""

    arrival: np.ndarray  # microseconds since 1970: of the first position
    departure: np.ndarray  # of the last position
    latitude: np.ndarray
    longitude: np.ndarray
    points: np.ndarray


def haversine(latitude: Any, longitude: Any, to_latitude: Any, to_longitude: Any) -> Any:
    """Metres between positions in degrees, on a sphere (0.5 % off at most)."""
    import numpy as np

    north, to_north = np.radians(latitude), np.radians(to_latitude)
    east = np.radians(to_longitude) - np.radians(longitude)
    chord = np.sin((to_north - north) / 2) ** 2 + np.cos(north) * np.cos(to_north) * np.sin(east / 2) ** 2
    return 2 * EARTH_METRES * np.arcsin(np.sqrt(np.minimum(chord, 1.0)))


def stay_points(
    times_us: ArrayLike, latitude: ArrayLike, longitude: ArrayLike,
    distance_m: float = 200.0, minutes: float = 20.0, max_gap_hours: float = 12.0,
) -> StayPoints:  # fmt: skip
    """Stays of at least ``minutes`` within ``distance_m`` of their first position (Li et al. 2008).

    A stay ends with the last position in reach: leaving later than that was not seen. A gap longer than
    ``max_gap_hours`` ends it too. Positions may come in any order; those without a finite coordinate are left
    out. The paper: Mining user similarity based on location history, ACM GIS 2008.
    """
    import numpy as np

    times = np.asarray(times_us, dtype=np.int64)
    north, east = np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
    usable = np.flatnonzero(np.isfinite(north) & np.isfinite(east))
    order = usable[np.argsort(times[usable], kind="stable")]
    times, north, east = times[order], north[order], east[order]
    begins, stops = _spans(times, north, east, distance_m, int(minutes * MINUTE), max_gap_hours)
    count = stops - begins
    if not begins.size:
        nothing = np.empty(0)
        return StayPoints(times[begins], times[begins], nothing, nothing, count)
    # longitudes are counted from the first position, for a stay on the 180th meridian
    inside = np.repeat(begins, count) + _counted(count)
    apart = (east[inside] - np.repeat(east[begins], count) + 180) % 360 - 180
    starts = np.cumsum(count) - count
    mean_east = east[begins] + np.add.reduceat(apart, starts) / count
    mean_north = np.add.reduceat(north[inside], starts) / count
    return StayPoints(times[begins], times[stops - 1], mean_north, (mean_east + 180) % 360 - 180, count)


def _spans(
    times: np.ndarray, north: np.ndarray, east: np.ndarray, metres: float, micros: int, gap_hours: float
) -> tuple[np.ndarray, np.ndarray]:
    """First position of each stay, and one past its last."""
    import numpy as np

    count = times.size
    # the end of the stretch without a gap that each position is in
    breaks = np.flatnonzero(np.diff(times) > gap_hours * 60 * MINUTE) + 1
    limits = np.append(breaks, count)[np.searchsorted(breaks, np.arange(count), side="right")]
    # a stay that begins here has to reach ``last``; most positions fail at that one, or half-way to it
    last = np.maximum(np.searchsorted(times, times + micros, side="left"), np.arange(count))
    able = np.flatnonzero(last < limits)
    for share in (4, 2, 3, 1):
        there = able + (last[able] - able) * share // 4
        able = able[haversine(north[able], east[able], north[there], east[there]) <= metres]
    begins, stops, at = [], [], 0
    while at < able.size:
        begin = int(able[at])
        stop = _reach(north, east, begin, int(limits[begin]), metres)
        if stop > last[begin]:
            begins.append(begin)
            stops.append(stop)
            at = int(np.searchsorted(able, stop))
        else:
            at += 1
    return np.array(begins, dtype=np.int64), np.array(stops, dtype=np.int64)


def _reach(north: np.ndarray, east: np.ndarray, begin: int, limit: int, metres: float) -> int:
    """The first position out of reach of ``begin``, or ``limit``."""
    import numpy as np

    at, block = begin + 1, _BLOCK
    while at < limit:
        to = min(at + block, limit)
        away = haversine(north[begin], east[begin], north[at:to], east[at:to]) > metres
        if away.any():
            return at + int(np.argmax(away))
        at, block = to, block * 2
    return limit


def _counted(count: np.ndarray) -> np.ndarray:
    """0, 1, … for each stay, one after another."""
    import numpy as np

    return np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
