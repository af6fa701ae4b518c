"""The JSON layout of YouTube histories and My Activity: one array of records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from forge_core.sources.activity import ADVERTISEMENTS, Rows, split_title
from forge_core.sources.base import Batch, Sink
from forge_core.sources.json_stream import Decoder
from forge_core.times import UNKNOWN, Moment, parse_epoch, parse_iso, parse_iso_bulk

ANCHOR = rb'"(?:header|title|titleUrl|time|products|subtitles)"'


class Named(msgspec.Struct, gc=False):
    name: str = ""
    url: str | None = None


class Record(msgspec.Struct, gc=False):
    """The fields that are read; others are skipped without being decoded."""

    header: str = ""
    title: str = ""
    titleUrl: str | None = None
    subtitles: list[Named] = []
    details: list[Named] = []
    time: str | int | float | None = None


DECODE = Decoder(Record, ANCHOR)


def parse_json(part: bytes, sink: Sink) -> Iterator[Batch]:
    """The rows of a part of a JSON history."""
    rows = Rows(sink)
    add = rows.add
    for found in DECODE(part, sink):
        for record, moment in zip(found, moments([record.time for record in found]), strict=True):
            title = record.title
            action, text = split_title(title)
            channel, channel_url = None, None
            if record.subtitles:
                channel, channel_url = record.subtitles[0].name, record.subtitles[0].url
            advertisement = bool(record.details) and any(d.name in ADVERTISEMENTS for d in record.details)
            add(record.header, action, text, record.titleUrl, channel, channel_url, moment, advertisement)
        yield from sink.full()
    yield from sink.rest()


def moments(values: Sequence[str | int | float | None]) -> Sequence[Moment | None]:
    """Times of many records: in bulk where all are as Google writes them, else one by one."""
    return parse_iso_bulk(values) or [_moment(value) for value in values]


def _moment(value: str | int | float | None) -> Moment | None:
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, str):
        return parse_iso(value) or parse_epoch(value)
    return parse_epoch(value)
