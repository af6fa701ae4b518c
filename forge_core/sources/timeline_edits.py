"""Timeline Edits.json: positions that a phone sent for its Timeline, among scans and figures that are not read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.json_parts import json_parts
from forge_core.sources.json_stream import Decoder
from forge_core.sources.location_columns import Columns, batches, e7

ANCHOR = rb'"(?:deviceId|placeAggregates|rawSignal)"'
_TOP = re.compile(rb'\s*\{\s*"timelineEdits"\s*:\s*\[')


class Point(msgspec.Struct, gc=False):
    latE7: float | None = None
    lngE7: float | None = None


class Position(msgspec.Struct, gc=False):
    point: Point | None = None
    accuracyMm: float | None = None
    timestamp: str | None = None


class Signal(msgspec.Struct, gc=False):
    position: Position | None = None


class RawSignal(msgspec.Struct, gc=False):
    signal: Signal | None = None


class Edit(msgspec.Struct, gc=False):
    rawSignal: RawSignal | None = None


DECODE = Decoder(Edit, ANCHOR)


class TimelineEdits(SplitReader):
    name = "timeline_edits"
    formats = (Format("positions sent by a phone", "JSON", ("place",), "Timeline Edits.json"),)

    def recognise(self, head: bytes) -> bool:
        return bool(_TOP.match(head))

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return json_parts(stream, sink, [b"timelineEdits"], ANCHOR)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        first = 0
        for edits in DECODE(part, sink):
            columns = Columns()
            for edit in edits:
                signal = edit.rawSignal.signal if edit.rawSignal else None
                if signal is None:
                    sink.pass_over("figures about places")
                elif (position := signal.position) is None or position.point is None:
                    sink.pass_over("no coordinates")
                else:
                    point, radius = position.point, position.accuracyMm
                    metres = None if radius is None else radius / 1000
                    columns.point(position.timestamp, point.latE7, point.lngE7, metres)
            latitude, longitude = e7(columns.latitude, sink), e7(columns.longitude, sink)
            yield from batches(columns, sink, first, latitude=latitude, longitude=longitude)
            first += len(columns.times)


READER = TimelineEdits()
