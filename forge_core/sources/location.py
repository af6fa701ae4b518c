"""Google's history of positions: Records.json, and Location History.json as it was called before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.json_parts import json_parts
from forge_core.sources.json_stream import Decoder
from forge_core.sources.location_columns import Columns, batches, e7, movement

ANCHOR = (
    rb'"(?:latitudeE7|longitudeE7|timestampMs|timestamp|accuracy|activity|activeWifiScan|altitude|batteryCharging|'
    rb"deviceDesignation|deviceTag|deviceTimestamp|formFactor|heading|inferredLocation|locationMetadata|osLevel|"
    rb'placeId|platformType|serverTimestamp|source|velocity|verticalAccuracy)"'
)
# what an activity within a record never begins with; before 2022 the time stood first, in activities too
BEGIN = rb'"latitudeE7"|"timestampMs"\s*:\s*"\d+"\s*,\s*"latitudeE7"'
_TOP = re.compile(rb'\s*\{\s*"locations"\s*:\s*\[\s*(?:\]|\{\s*' + ANCHOR + rb"\s*:)")
# one of these keys stands in the first record; the others are everybody's
_OWN = re.compile(
    rb'"(?:latitudeE7|longitudeE7|timestampMs|serverTimestamp|deviceTag|activeWifiScan|locationMetadata)"\s*:|'
    rb"\[\s*\]"
)


class Guess(msgspec.Struct, gc=False):
    type: str = ""
    confidence: float = 0.0


class Guesses(msgspec.Struct, gc=False):
    """What the phone took the movement for, at some moment near that of the position."""

    activity: list[Guess] = []


class Record(msgspec.Struct, gc=False):
    """The fields that are read. ``timestampMs`` was replaced by ``timestamp`` in 2022."""

    latitudeE7: float | None = None
    longitudeE7: float | None = None
    accuracy: float | None = None
    timestamp: str | int | float | None = None
    timestampMs: str | int | float | None = None
    activity: list[Guesses] | None = None


DECODE = Decoder(Record, ANCHOR)


class Location(SplitReader):
    name = "location"
    formats = (
        Format(
            "positions", "JSON", ("place",), "Records.json, and Location History.json as it was before 2022"
        ),
    )

    def recognise(self, head: bytes) -> bool:
        return bool(_TOP.match(head) and _OWN.search(head))

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return json_parts(stream, sink, [b"locations"], ANCHOR, begin=BEGIN, alone=True)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        first = 0
        for records in DECODE(part, sink):
            columns = Columns(
                times=[r.timestamp or r.timestampMs for r in records],
                accuracy=[r.accuracy for r in records],
                activity=[likeliest(r.activity) if r.activity else None for r in records],
            )
            latitude, longitude = (
                e7([r.latitudeE7 for r in records], sink),
                e7([r.longitudeE7 for r in records], sink),
            )
            yield from batches(columns, sink, first, latitude=latitude, longitude=longitude)
            first += len(records)


def likeliest(found: list[Guesses]) -> str | None:
    """The most probable movement, in lower case; the first of several."""
    most, name = -1.0, None
    for guesses in found:
        for guess in guesses.activity:
            if guess.confidence > most:
                most, name = guess.confidence, guess.type
    return movement(name)


READER = Location()
