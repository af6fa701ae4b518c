"""Google's visits and journeys by month: Semantic Location History/2019/2019_AUGUST.json and its likes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.json_parts import json_parts
from forge_core.sources.json_stream import Decoder
from forge_core.sources.location_columns import Columns, Visit, When, batches, e7, movement

ANCHOR = rb'"(?:placeVisit|activitySegment)"'
_TOP = re.compile(rb'\s*\{\s*"timelineObjects"\s*:\s*\[\s*(?:\]|\{\s*' + ANCHOR + rb"\s*:)")
KNOWN = {  # what a place is to the person, where it has no name; other types say nothing of it
    "TYPE_HOME": "home", "TYPE_WORK": "work",
    "HOME": "home", "WORK": "work", "INFERRED_HOME": "home", "INFERRED_WORK": "work",
}  # fmt: skip


class Spot(msgspec.Struct, gc=False):
    """A place, or one end of a journey."""

    latitudeE7: float | None = None
    longitudeE7: float | None = None
    placeId: str | None = None
    name: str | None = None
    address: str | None = None
    semanticType: str | None = None
    accuracyMetres: float | None = None


class Duration(msgspec.Struct, gc=False):
    """Milliseconds since 1970 before 2022, ISO 8601 after."""

    startTimestamp: str | int | float | None = None
    endTimestamp: str | int | float | None = None
    startTimestampMs: str | int | float | None = None
    endTimestampMs: str | int | float | None = None

    @property
    def start(self) -> When:
        return self.startTimestamp or self.startTimestampMs

    @property
    def end(self) -> When:
        return self.endTimestamp or self.endTimestampMs


class PathPoint(msgspec.Struct, gc=False):
    latE7: float | None = None
    lngE7: float | None = None
    accuracyMeters: float | None = None
    timestamp: str | int | float | None = None
    timestampMs: str | int | float | None = None


class Path(msgspec.Struct, gc=False):
    points: list[PathPoint] = []


class Parking(msgspec.Struct, gc=False):
    location: Spot | None = None
    timestamp: str | int | float | None = None
    timestampMs: str | int | float | None = None


class PlaceVisit(msgspec.Struct, gc=False):
    location: Spot | None = None
    duration: Duration | None = None
    centerLatE7: float | None = None
    centerLngE7: float | None = None
    simplifiedRawPath: Path | None = None
    childVisits: list[PlaceVisit] | None = None


class Movement(msgspec.Struct, gc=False):
    activityType: str | None = None
    probability: float = 0.0


class Segment(msgspec.Struct, gc=False):
    """A journey. The points of ``waypointPath`` and ``transitPath`` have no times and are not read."""

    startLocation: Spot | None = None
    endLocation: Spot | None = None
    duration: Duration | None = None
    activityType: str | None = None
    activities: list[Movement] | None = None
    simplifiedRawPath: Path | None = None
    parkingEvent: Parking | None = None


class TimelineObject(msgspec.Struct, gc=False):
    placeVisit: PlaceVisit | None = None
    activitySegment: Segment | None = None


DECODE = Decoder(TimelineObject, ANCHOR)


class LocationSemantic(SplitReader):
    name = "location_semantic"
    formats = (
        Format(
            "visits and journeys", "JSON", ("place",), "Semantic Location History, one file for each month"
        ),
    )

    def recognise(self, head: bytes) -> bool:
        return bool(_TOP.match(head))

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return json_parts(stream, sink, [b"timelineObjects"], ANCHOR)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        first = 0
        for found in DECODE(part, sink):
            columns = Columns()
            for one in found:
                if one.placeVisit is not None:
                    _visit(one.placeVisit, columns)
                elif one.activitySegment is not None:
                    _journey(one.activitySegment, columns)
                else:
                    sink.pass_over("neither a visit nor a journey")
            latitude, longitude = e7(columns.latitude, sink), e7(columns.longitude, sink)
            yield from batches(columns, sink, first, latitude=latitude, longitude=longitude)
            first += len(columns.times)


def _visit(visit: PlaceVisit, columns: Columns) -> None:
    spot, duration = visit.location or Spot(), visit.duration or Duration()
    latitude, longitude = spot.latitudeE7, spot.longitudeE7
    if latitude is None and longitude is None:
        latitude, longitude = visit.centerLatE7, visit.centerLngE7
    name = spot.name or KNOWN.get(spot.semanticType or "") or spot.address
    told = Visit(duration.end, spot.placeId or None, name)
    columns.point(duration.start, latitude, longitude, spot.accuracyMetres, visit=told)
    _path(visit.simplifiedRawPath, None, columns)
    for child in visit.childVisits or ():
        _visit(child, columns)


def _journey(segment: Segment, columns: Columns) -> None:
    duration, activity = segment.duration or Duration(), _activity(segment)
    if start := segment.startLocation:
        columns.point(
            duration.start, start.latitudeE7, start.longitudeE7, start.accuracyMetres, activity=activity
        )
    _path(segment.simplifiedRawPath, activity, columns)
    if end := segment.endLocation:
        columns.point(duration.end, end.latitudeE7, end.longitudeE7, end.accuracyMetres, activity=activity)
    if (parking := segment.parkingEvent) and (spot := parking.location):
        at = parking.timestamp or parking.timestampMs
        columns.point(at, spot.latitudeE7, spot.longitudeE7, spot.accuracyMetres)


def _path(path: Path | None, activity: str | None, columns: Columns) -> None:
    for point in path.points if path else ():
        at = point.timestamp or point.timestampMs
        columns.point(at, point.latE7, point.lngE7, point.accuracyMeters, activity=activity)


def _activity(segment: Segment) -> str | None:
    name = segment.activityType
    if not name and segment.activities:
        name = max(segment.activities, key=lambda one: one.probability).activityType
    return movement(name)


READER = LocationSemantic()
