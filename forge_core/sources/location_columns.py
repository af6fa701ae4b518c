"""Positions and visits as columns: coordinates judged, times read and items named in bulk.

A coordinate is taken as exported or its record is set aside; it is never guessed at. The one thing that is mended
is an E7 number that older exports wrote as unsigned: from 2^31 on it stands for itself less 2^32, and nothing else.
"""

from __future__ import annotations

import re
import time as clock
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from forge_core.events import TimeFlag
from forge_core.sources.base import Batch, Sink
from forge_core.times import AHEAD, DAY, UNKNOWN, Moment, parse_epoch, parse_iso

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SOURCE = "google-location"
POINT_DIGITS, CELL_DIGITS = 5, 4  # about 1 m and 11 m of latitude
NO_POSITION = 1e-4  # degrees: nearer to (0, 0) is a missing position, or degrees in a field of E7 numbers
NAME_CHARS = 1000
WORD_CHARS = 64
_EPOCH = re.compile(r"-?[0-9.]+\Z")

When = str | int | float | None


@dataclass
class Columns:
    """Rows of ``place`` to be. A list is as long as ``times``, or empty where a layout has no such thing."""

    times: list[When] = field(default_factory=list)
    latitude: list[float | None] = field(default_factory=list)  # degrees; None: not exported
    longitude: list[float | None] = field(default_factory=list)
    accuracy: list[float | None] = field(default_factory=list)  # metres
    activity: list[str | None] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)  # to be added to the time
    visits: list[Visit | None] = field(default_factory=list)  # None: a point

    def point(
        self, at: When, latitude: float | None, longitude: float | None,
        accuracy: float | None = None, activity: str | None = None, minutes: float = 0.0,
        visit: Visit | None = None,
    ) -> None:  # fmt: skip
        """One row, for layouts that are not long."""
        self.times.append(at)
        self.latitude.append(latitude)
        self.longitude.append(longitude)
        self.accuracy.append(accuracy)
        self.activity.append(activity)
        self.minutes.append(minutes)
        self.visits.append(visit)

    def clear(self) -> None:
        """Begin anew, after a batch."""
        for column in vars(self).values():
            column.clear()


class Visit(NamedTuple):
    """What a visit, or a named point, has besides a position."""

    end: When = None
    place: str | None = None
    name: str | None = None
    is_point: bool = False


class Moments(NamedTuple):
    """Times of a column: microseconds, zones and flags, and which could not be read."""

    micros: np.ndarray  # int64; where ``known`` is not set it says nothing
    known: np.ndarray
    zones: pa.Array
    flags: pa.Array
    unread: np.ndarray


@lru_cache(1024)
def movement(name: str | None) -> str | None:
    """``IN_BUS`` as ``in_bus``, ``UNKNOWN_ACTIVITY_TYPE`` as ``unknown``."""
    if not name:
        return None
    return name[:WORD_CHARS].lower().replace(" ", "_").removesuffix("_activity_type")


def e7(values: Sequence[float | None], sink: Sink) -> np.ndarray:
    """Degrees of E7 numbers; NaN where there is none. An unsigned 32 bit number is a negative one, mended."""
    import numpy as np

    numbers = np.array(values, dtype=np.float64)
    unsigned = (numbers >= 2**31) & (numbers < 2**32)
    numbers[unsigned] -= 2**32
    sink.mend("coordinate without its sign", int(unsigned.sum()))
    # a fraction is no E7 number: degrees in the wrong field, to be set aside as such
    numbers[numbers != np.rint(numbers)] = np.where(np.isnan(numbers), np.nan, np.inf)[
        numbers != np.rint(numbers)
    ]
    return numbers / 1e7


def batches(
    columns: Columns, sink: Sink, first: int = 0, source: str = SOURCE,
    latitude: np.ndarray | None = None, longitude: np.ndarray | None = None,
) -> Iterator[Batch]:  # fmt: skip
    """The rows of these columns, those with an impossible position or an unreadable time set aside.

    ``first`` is the number of records of the part before these. Coordinates may be given as arrays.
    """
    import numpy as np
    import pyarrow as pa

    count = len(columns.times)
    if not count:
        return
    north = np.array(columns.latitude, dtype=np.float64) if latitude is None else latitude
    east = np.array(columns.longitude, dtype=np.float64) if longitude is None else longitude
    at = moments(columns.times, columns.minutes)
    kept = _possible(north, east, sink)
    sink.quarantine("unknown date", int((at.unread & kept).sum()))
    kept &= ~at.unread
    ends, visited = None, None
    if any(columns.visits):
        ends, backwards = _ends(columns.visits, at)
        sink.quarantine("ends before it begins", int((backwards & kept).sum()))
        kept &= ~backwards
        visited = columns.visits
    where = np.flatnonzero(kept)
    if not where.size:
        return
    everything = where.size == count
    pick = (lambda array: array) if everything else (lambda array: array.take(pa.array(where)))
    select = (
        (lambda values: values) if everything else (lambda values: [values[row] for row in where.tolist()])
    )
    north, east, micros, known = north[where], east[where], at.micros[where], at.known[where]
    items, names = cells("point", north, east, POINT_DIGITS), None
    if visited:
        items, names = _visit_items(items, select(visited), north, east, sink)
    rows = {
        "item": items,
        "time": pa.array(micros, pa.int64(), mask=None if known.all() else ~known),
        "zone": pick(at.zones),
        "time_flag": pick(at.flags),
        "sequence": pa.array(where + sink.position(first), pa.int64()),
        "latitude": north,
        "longitude": east,
        "accuracy": _metres(columns.accuracy, where) if columns.accuracy else None,
        "end_time": None if ends is None else pick(ends),
        "activity": select(columns.activity) if columns.activity else None,
        "place_name": names,
    }
    yield sink.batch("place", source, rows, where.size)


def cells(space: str, latitude: np.ndarray, longitude: np.ndarray, digits: int) -> pa.Array:
    """``point:41.42162,2.16848`` of each position; one name for each pole and for the 180th meridian."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    scale = 10**digits
    north = np.rint(latitude * scale).astype(np.int64)
    east = np.rint(longitude * scale).astype(np.int64)
    east[east == -180 * scale] = 180 * scale
    east[np.abs(north) == 90 * scale] = 0

    def texts(values: np.ndarray) -> pa.Array:
        # decimals are made of whole numbers, so that there is no -0.00000 and no rounding
        words = np.empty((values.size, 2), dtype=np.int64)
        words[:, 0], words[:, 1] = values, values >> 63
        decimals = pa.decimal128(digits + 4, digits)
        return pa.Array.from_buffers(decimals, values.size, [None, pa.py_buffer(words)]).cast(pa.string())

    return pc.binary_join_element_wise(f"{space}:", texts(north), ",", texts(east), "")


def _possible(latitude: np.ndarray, longitude: np.ndarray, sink: Sink) -> np.ndarray:
    """Which positions are on earth; the others are counted by reason."""
    import numpy as np

    no_latitude, no_longitude = np.isnan(latitude), np.isnan(longitude)
    absent = no_latitude & no_longitude
    if missing := int(absent.sum()):
        sink.pass_over("no coordinates", missing)
    half = no_latitude ^ no_longitude
    with np.errstate(invalid="ignore"):
        outside = (np.abs(latitude) > 90) | (np.abs(longitude) > 180)
        nowhere = (np.abs(latitude) < NO_POSITION) & (np.abs(longitude) < NO_POSITION)
    sink.quarantine("half a coordinate", int(half.sum()))
    sink.quarantine("coordinates out of range", int((outside & ~half).sum()))
    sink.quarantine("no position (0, 0)", int(nowhere.sum()))
    kept: np.ndarray = ~(absent | half | outside | nowhere)
    return kept


def _metres(values: Sequence[float | None], where: np.ndarray) -> pa.Array:
    """Accuracies; a negative one is how a phone says that it has none."""
    import numpy as np
    import pyarrow as pa

    metres = np.array(values, dtype=np.float64)[where]
    with np.errstate(invalid="ignore"):
        return pa.array(metres, pa.float64(), mask=~(metres >= 0) | np.isinf(metres))


def _ends(visits: Sequence[Visit | None], at: Moments) -> tuple[pa.Array, np.ndarray]:
    """End of each visit, null where there is none, and which end before they begin."""
    import pyarrow as pa

    ends = moments([visit.end if visit else None for visit in visits])
    known = ends.known
    backwards = known & at.known & (ends.micros < at.micros)
    return pa.array(ends.micros, pa.int64(), mask=~known), backwards


def _visit_items(
    points: pa.Array, visits: Sequence[Visit | None], latitude: np.ndarray, longitude: np.ndarray, sink: Sink
) -> tuple[list[str], list[str | None]]:
    near = cells("place", latitude, longitude, CELL_DIGITS).to_pylist()
    items: list[Any] = points.to_pylist()
    names: list[str | None] = [None] * len(items)
    for row, visit in enumerate(visits):
        if visit is None:
            continue
        if not visit.is_point:
            items[row] = f"place:{visit.place[:NAME_CHARS]}" if visit.place else near[row]
        names[row] = visit.name[:NAME_CHARS] if visit.name else None
    return items, names


def moments(values: Sequence[When], minutes: Sequence[float] = ()) -> Moments:
    """Times in any layout that exports of positions have, with ``minutes`` added.

    No time at all is unknown; one that cannot be read is said to be so.
    """
    import numpy as np
    import pyarrow as pa

    found = _iso_bulk(values) or _millis_bulk(values) or _each(values)
    micros, known, zones, flags, unread = found
    later = np.array(minutes, dtype=np.float64) if any(minutes) else None
    if later is not None:
        micros = micros + np.rint(np.clip(later, -1e9, 1e9) * 60e6).astype(np.int64)
    impossible = known & ((micros < DAY) | (micros > clock.time_ns() // 1000 + AHEAD))
    if impossible.any():
        known = known & ~impossible
        told = np.array(flags.to_pylist(), dtype=object)
        told[impossible] = TimeFlag.IMPLAUSIBLE.value
        flags = pa.array(told, pa.string())
    return Moments(micros, known, zones, flags, unread)


def _iso_bulk(values: Sequence[When]) -> Moments | None:
    """Where all are ISO 8601 with seconds and ``Z``, or all with an offset."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        texts = pa.array(values, pa.string())
        if texts.null_count or not len(texts) or pc.min(pc.binary_length(texts)).as_py() < 20:
            return None
        micros = texts.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        return None
    if pc.all(pc.ends_with(texts, "Z")).as_py():
        return _clear(micros.to_numpy(), pa.repeat(pa.scalar("UTC"), len(texts)))
    if pc.all(pc.match_substring_regex(texts, r"[+-](?:0\d|1[0-4]):\d\d$")).as_py():
        return _clear(micros.to_numpy(), pc.utf8_slice_codeunits(texts, -6))
    return None


def _millis_bulk(values: Sequence[When]) -> Moments | None:
    """Where all are milliseconds since 1970 between 1973 and 5138, as digits."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        numbers = pa.array(values, pa.string()).cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        return None
    if numbers.null_count or not len(numbers):
        return None
    bounds = pc.min_max(numbers).as_py()
    if bounds["min"] < 10**11 or bounds["max"] >= 10**14:
        return None
    return _clear(numbers.to_numpy() * 1000, pa.repeat(pa.scalar("UTC"), len(numbers)))


def _clear(micros: np.ndarray, zones: pa.Array) -> Moments:
    """Times that were read without a doubt."""
    import numpy as np
    import pyarrow as pa

    every = np.ones(micros.size, dtype=bool)
    return Moments(micros, every, zones, pa.nulls(micros.size, pa.string()), ~every)


def _each(values: Sequence[When]) -> Moments:
    import numpy as np
    import pyarrow as pa

    found = [moment(value) for value in values]
    unread = np.array([at is None for at in found], dtype=bool)
    told = [at or UNKNOWN for at in found]
    micros = np.array([at.micros or 0 for at in told], dtype=np.int64)
    known = np.array([at.micros is not None for at in told], dtype=bool)
    zones = pa.array([at.zone for at in told], pa.string())
    return Moments(micros, known, zones, pa.array([at.flag for at in told], pa.string()), unread)


def moment(value: When) -> Moment | None:
    """One time; None where its layout is not known."""
    if value is None:
        return UNKNOWN
    if isinstance(value, str) and not _EPOCH.match(value):
        return parse_iso(value)
    return parse_epoch(value)
