"""The JSON layout of YouTube histories and My Activity: one array of records.

Videos watched, almost all of a long history, are worked on in columns; what is not as Google usually writes it goes
record by record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from forge_core.sources.activity import YOUTUBE, Rows
from forge_core.sources.base import Batch, Sink
from forge_core.sources.json_stream import ELEMENT_MAX, Decoder
from forge_core.sources.titles import SAMPLE, Manner, Titles, language_of
from forge_core.sources.watches import usual, watched
from forge_core.sources.wording import WATCHED, advertisements
from forge_core.times import UNKNOWN, Moment, iso_micros, parse_epoch, parse_iso, parse_iso_bulk

ANCHOR = rb'"(?:header|title|titleUrl|time|products|subtitles)"'
BULK_FROM = 64  # records; with fewer, columns cost more than they save
_TITLE = re.compile(rb'"title"\s*:\s*("(?:[^"\\]|\\.){0,500}")')


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


def look_json(part: bytes) -> Manner:
    """The manner of a member that begins with this part; times in JSON leave nothing to be decided."""
    titles = []
    for number, match in enumerate(_TITLE.finditer(part), 1):
        try:
            titles.append(msgspec.json.decode(match[1], type=str))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if number >= SAMPLE:
            break
    return Manner(language_of(titles))


def parse_json(part: bytes, sink: Sink, manner: Manner) -> Iterator[Batch]:
    """The rows of a part of a JSON history."""
    rows, titles, marks = Rows(sink, manner), Titles(manner.language), advertisements(manner.language)
    for found in DECODE(part, sink):
        columns = _watches(found, rows, titles) if len(found) >= BULK_FROM else None
        if columns is None:
            _each(found, rows, titles, marks)
        else:
            batch, left = columns
            if batch is not None:
                yield batch
            base = rows.position
            for number in left:
                rows.position = base + number
                _each(found[number : number + 1], rows, titles, marks)
            rows.position = base + len(found)
        yield from sink.full()
    yield from sink.rest()


def _each(found: Sequence[Record], rows: Rows, titles: Titles, marks: Sequence[str]) -> None:
    """Record by record."""
    for record, moment in zip(found, moments([record.time for record in found]), strict=True):
        action, text = titles.split(record.title)
        channel, channel_url = None, None
        if record.subtitles:
            channel, channel_url = record.subtitles[0].name, record.subtitles[0].url
        advertisement = bool(record.details) and any(
            mark in detail.name for detail in record.details for mark in marks
        )
        rows.add(record.header, action, text, record.titleUrl, channel, channel_url, moment, advertisement)


def _watches(found: list[Record], rows: Rows, titles: Titles) -> tuple[Batch | None, Sequence[int]] | None:
    """(videos watched, numbers of the other records); None where columns do not serve."""
    import pyarrow as pa
    import pyarrow.compute as pc

    micros = iso_micros([record.time for record in found])
    affixes = next(
        ((before, after) for before, after, action in titles.templates
         if action == WATCHED and found[0].title.startswith(before) and found[0].title.endswith(after)), None,
    )  # fmt: skip
    if micros is None or affixes is None:
        return None
    before, after = affixes
    try:
        title = pa.array([record.title for record in found], pa.string())
        url = pa.array([record.titleUrl for record in found], pa.string())
    except UnicodeEncodeError:  # lone surrogates
        return None
    fits = pc.and_(pc.starts_with(title, before), usual(url))
    if after:
        fits = pc.and_(fits, pc.ends_with(title, after))
    if any(record.details for record in found):
        fits = pc.and_(fits, pa.array([not record.details for record in found]))
    if not {record.header for record in found} <= YOUTUBE:
        fits = pc.and_(fits, pa.array([record.header in YOUTUBE for record in found]))
    places = pa.array(range(len(found)), pa.int64())
    left: list[int] = []
    if not pc.all(fits).as_py():
        left = places.filter(pc.invert(fits)).to_pylist()
        found = [record for record, fit in zip(found, fits.to_pylist(), strict=True) if fit]
        if not found:
            return None, left
        title, url, micros, places = (column.filter(fits) for column in (title, url, micros, places))
    # without a stop, binary_slice of pyarrow 25 fails
    stop = -len(after.encode()) if after else ELEMENT_MAX
    title = pc.binary_slice(title.cast(pa.binary()), len(before.encode()), stop).cast(pa.string())
    publishers = [
        (record.subtitles[0].name, record.subtitles[0].url) if record.subtitles else (None, None)
        for record in found
    ]
    columns = {
        "time": micros,
        "zone": pa.repeat(pa.scalar("UTC"), len(found)),
        "sequence": pc.subtract(-rows.sink.position(rows.position), places),
    }
    return watched(rows.sink, rows.channels, title, url, publishers, columns), left


def moments(values: Sequence[str | int | float | None]) -> Sequence[Moment | None]:
    """Times of many records: in bulk where all are as Google writes them, else one by one."""
    if len(values) < BULK_FROM:
        return [_moment(value) for value in values]
    return parse_iso_bulk(values) or [_moment(value) for value in values]


def _moment(value: str | int | float | None) -> Moment | None:
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, str):
        return parse_iso(value) or parse_epoch(value)
    return parse_epoch(value)
