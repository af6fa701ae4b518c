"""Check-ins as numpy arrays: ``X.npy`` of user, place and minute, ``X_POI.npy`` of place, latitude and longitude.

This is how the authors of STAN publish Foursquare and others. Minutes count from an unknown beginning: the time of
a check-in is unknown, and its minute is its ``sequence``. Arrays are read as numbers, never unpickled.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from forge_core.archives import Archive, Member
from forge_core.events import TimeFlag
from forge_core.sources.base import BATCH_ROWS, Batch, Context, Format, Head, Sink, guarded
from forge_core.sources.cohort import rows_of, stem
from forge_core.sources.options import Options

if TYPE_CHECKING:
    import numpy as np

MAGIC = b"\x93NUMPY"
SOURCE = "checkins"
PLACES = "_POI"
PLACES_MAX = 5_000_000  # rows; a row has 24 bytes
MINUTES_MAX = 60 * 24 * 366 * 200


class Table(NamedTuple):
    """What the header of an array declares; ``skip`` bytes stand before its numbers."""

    type: str
    rows: int
    skip: int


class CheckIns:
    name = "checkins"
    system = "checkins"
    formats = (Format("check-ins", "numpy", ("place",), "STAN: X.npy of visits beside X_POI.npy of places"),)

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        tables = {name: table for name, head in heads.items() if (table := header(head.data))}
        found = []
        for name, table in tables.items():
            places = _places(name)
            if table.type in ("<i4", "<i8") and places in tables and tables[places].type == "<f8":
                found += [name, places]
        return found

    def population(self, members: Sequence[str]) -> str | None:
        return f"benchmark:{SOURCE}-{stem(min(members, key=len))}"

    def read(self, archive: Archive, members: Sequence[Member], context: Context) -> Iterator[Batch]:
        by_name = {member.name: member for member in members}
        for member in members:
            if (beside := by_name.get(_places(member.name))) is None:
                continue  # it is a table of places
            places: dict[int, tuple[float, float]] = {}
            lookup = context.report.member(beside.name, self.name)
            into = Sink(lookup, context.subject, context.options)
            yield from guarded(lookup, partial(_look_up, archive, beside, into, places), lookup=True)
            report = context.report.member(member.name, self.name)
            sink = Sink(report, context.subject, context.options)
            yield from guarded(report, partial(_rows, archive, member, sink, places))


def header(head: bytes) -> Table | None:
    """The declaration of an array of three columns; None where it is none."""
    if not head.startswith(MAGIC):
        return None
    from numpy.lib import format as npy

    stream = io.BytesIO(head)
    try:
        version = npy.read_magic(stream)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, fortran, dtype = read(stream)
    except Exception:  # numpy evaluates the header as a literal: many errors, one meaning
        return None
    if fortran or len(shape) != 2 or shape[1] != 3 or shape[0] < 0 or dtype.hasobject:
        return None
    return Table(dtype.str, int(shape[0]), stream.tell())


def _places(name: str) -> str:
    first, dot, last = name.rpartition(".")
    return f"{first}{PLACES}{dot}{last}" if dot else name + PLACES


def _blocks(stream: BinaryIO, sink: Sink) -> Iterator[np.ndarray]:
    """The numbers in blocks of rows, as many as there are whatever the header says."""
    import numpy as np

    head = stream.read(4096)
    table = header(head)
    if table is None:
        sink.quarantine("malformed")
        return
    width = 3 * np.dtype(table.type).itemsize
    rest, left = head[table.skip :], table.rows
    while left > 0:
        wanted = min(left, BATCH_ROWS)
        data = rest + stream.read(max(0, wanted * width - len(rest)))
        whole = min(len(data) // width, wanted)
        if whole:
            yield np.frombuffer(data, table.type, whole * 3).reshape(whole, 3)
        if whole < wanted:
            sink.quarantine("truncated")
            return
        rest, left = data[whole * width :], left - whole


def _look_up(
    archive: Archive, member: Member, sink: Sink, places: dict[int, tuple[float, float]]
) -> Iterator[Batch]:
    with archive.open(member) as stream:
        for block in _blocks(stream, sink):
            for place, latitude, longitude in block.tolist():
                if abs(place) < 2**53 and abs(latitude) <= 90 and abs(longitude) <= 180:
                    places[int(place)] = (latitude, longitude)
                else:
                    sink.quarantine("no such position")
            if len(places) > PLACES_MAX:
                sink.quarantine("too long")
                break
    sink.pass_over("places", len(places))
    yield from ()


def _rows(
    archive: Archive, member: Member, sink: Sink, places: Mapping[int, tuple[float, float]]
) -> Iterator[Batch]:
    name = f"{SOURCE}-{stem(member.name)}"
    with archive.open(member) as stream:
        for block in _blocks(stream, sink):
            minutes = block[:, 2]
            sound = (minutes >= 0) & (minutes < MINUTES_MAX)
            sink.quarantine("unknown date", int((~sound).sum()))
            kept: list[Any] = block[sound].tolist()
            if not kept:
                continue
            where = [places.get(place, (None, None)) for _, place, _ in kept]
            yield rows_of(
                sink, "place", SOURCE, [f"{name}:{user}" for user, _, _ in kept],
                {
                    "item": [f"{name}:{place}" for _, place, _ in kept],
                    "sequence": [minute for _, _, minute in kept],
                    "time_flag": [TimeFlag.UNKNOWN.value] * len(kept),
                    "latitude": [position[0] for position in where],
                    "longitude": [position[1] for position in where],
                },
            )  # fmt: skip


READER = CheckIns()
