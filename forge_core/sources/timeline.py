"""The Timeline that a phone exports: Timeline.json of Android, location-history.json of iOS.

Both are lists of segments: a visit, a journey or a path. Android writes them under ``semanticSegments``, with
coordinates like ``41.4°, 2.1°``, and what its sensors said under ``rawSignals``; iOS writes the list alone, with
``geo:41.4,2.1`` and times of a path in minutes after its start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.encoding import CHUNK, as_utf8
from forge_core.sources.json_parts import json_parts
from forge_core.sources.json_stream import Decoder
from forge_core.sources.location_columns import Columns, Visit, When, batches, movement
from forge_core.sources.location_semantic import KNOWN

ANCHOR = (
    rb'"(?:startTime|endTime|visit|activity|timelinePath|timelineMemory|startTimeTimezoneUtcOffsetMinutes|'
    rb'endTimeTimezoneUtcOffsetMinutes|position|activityRecord|wifiScan)"'
)
_ANDROID = re.compile(rb'\s*\{\s*"(?:semanticSegments|rawSignals|userLocationProfile)"\s*:')
_IOS = re.compile(rb'\s*\[\s*\{\s*"(?:startTime|endTime|visit|activity|timelinePath|timelineMemory)"\s*:')
_GEO = re.compile(rb'"geo:-?\d|"durationMinutesOffsetFromStartTime"|"timelineMemory"')
_COORDINATES = re.compile(
    r"\s*(?:geo:)?\s*(-?\d{1,20}(?:\.\d{1,30})?)\s*°?\s*,\s*(-?\d{1,20}(?:\.\d{1,30})?)\s*°?\s*(?:[,;].{0,99})?\Z"
)


class LatLng(msgspec.Struct, gc=False):
    latLng: str | None = None


class Candidate(msgspec.Struct, gc=False):
    """The likeliest place or movement."""

    placeId: str | None = None
    placeID: str | None = None  # as iOS writes it
    semanticType: str | None = None
    placeLocation: str | LatLng | None = None
    type: str | None = None


class PhoneVisit(msgspec.Struct, gc=False):
    topCandidate: Candidate | None = None


class Parked(msgspec.Struct, gc=False):
    location: str | LatLng | None = None
    startTime: str | None = None


class Journey(msgspec.Struct, gc=False):
    start: str | LatLng | None = None
    end: str | LatLng | None = None
    topCandidate: Candidate | None = None
    parking: Parked | None = None


class Step(msgspec.Struct, gc=False):
    point: str | None = None
    time: str | None = None
    durationMinutesOffsetFromStartTime: str | float | None = None


class Position(msgspec.Struct, gc=False):
    LatLng: str | None = None
    latLng: str | None = None
    accuracyMeters: float | None = None
    timestamp: str | None = None


class Probable(msgspec.Struct, gc=False):
    type: str | None = None
    confidence: float = 0.0


class Activities(msgspec.Struct, gc=False):
    probableActivities: list[Probable] = []


class Segment(msgspec.Struct, gc=False):
    """A segment of either phone, or a signal."""

    startTime: str | None = None
    endTime: str | None = None
    visit: PhoneVisit | None = None
    activity: Journey | None = None
    timelinePath: list[Step] | None = None
    timelineMemory: msgspec.Raw = msgspec.Raw()
    position: Position | None = None
    activityRecord: Activities | None = None


DECODE = Decoder(Segment, ANCHOR)


class Timeline(SplitReader):
    name = "timeline"
    system = "timeline"
    formats = (
        Format("Timeline of an Android phone", "JSON", ("place",), "Timeline.json, exported on the phone"),
        Format("Timeline of an iPhone", "JSON", ("place",), "location-history.json, exported on the phone"),
    )

    def recognise(self, head: bytes) -> bool:
        return bool(_ANDROID.match(head) or (_IOS.match(head) and _GEO.search(head)))

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        first = stream.read(CHUNK)
        arrays = [] if as_utf8(first).lstrip().startswith(b"[") else [b"semanticSegments", b"rawSignals"]
        return json_parts(stream, sink, arrays, ANCHOR, first)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        first = 0
        for found in DECODE(part, sink):
            columns = Columns()
            for one in found:
                _segment(one, columns, sink)
            yield from batches(columns, sink, first)
            first += len(columns.times)


def _segment(one: Segment, columns: Columns, sink: Sink) -> None:
    before = len(columns.times)
    if one.visit is not None and (place := one.visit.topCandidate):
        name = KNOWN.get((place.semanticType or "").upper())
        told = Visit(one.endTime, place.placeId or place.placeID or None, name)
        _point(one.startTime, place.placeLocation, columns, sink, visit=told)
    if one.activity is not None:
        journey = one.activity
        activity = movement(journey.topCandidate.type) if journey.topCandidate else None
        _point(one.startTime, journey.start, columns, sink, activity=activity)
        _point(one.endTime, journey.end, columns, sink, activity=activity)
        if journey.parking:
            _point(journey.parking.startTime, journey.parking.location, columns, sink)
    for step in one.timelinePath or ():
        if step.time is not None or step.durationMinutesOffsetFromStartTime is None:
            _point(step.time, step.point, columns, sink)
            continue
        try:
            minutes = float(step.durationMinutesOffsetFromStartTime)
        except ValueError:
            minutes = -1.0
        if 0 <= minutes < 1e6:
            _point(one.startTime, step.point, columns, sink, minutes=minutes)
        else:
            sink.quarantine("unknown date")
    if position := one.position:
        guesses = one.activityRecord.probableActivities if one.activityRecord else []
        likeliest = max(guesses, key=lambda guess: guess.confidence).type if guesses else None
        _point(
            position.timestamp, position.LatLng or position.latLng, columns, sink,
            accuracy=position.accuracyMeters, activity=movement(likeliest),
        )  # fmt: skip
    if len(columns.times) == before:
        sink.pass_over("a memory of a journey" if bytes(one.timelineMemory) else "no coordinates")


def _point(
    at: When, where: str | LatLng | None, columns: Columns, sink: Sink,
    accuracy: float | None = None, activity: str | None = None, minutes: float = 0.0,
    visit: Visit | None = None,
) -> None:  # fmt: skip
    text = where.latLng if isinstance(where, LatLng) else where
    if not text:
        return
    found = _COORDINATES.match(text)
    if found is None:
        sink.quarantine("unknown coordinates")
    else:
        columns.point(at, float(found[1]), float(found[2]), accuracy, activity, minutes, visit)


READER = Timeline()
