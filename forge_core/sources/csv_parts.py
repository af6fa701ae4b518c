"""Tables as text: parts of whole records for any size of file, and the records of a part.

Quoted fields may hold line ends. A lost quotation mark costs the record it stands in, not those after it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, NamedTuple

from forge_core.sources.base import Sink
from forge_core.sources.encoding import chunks


class Record(NamedTuple):
    """One record: its number in the part (of its first line), its fields, and how it was written."""

    number: int
    fields: list[str]
    raw: str


def csv_parts(stream: BinaryIO, sink: Sink, mark: bytes = b"", first: bytes = b"") -> Iterator[bytes]:
    """Parts that each begin with ``mark`` and the header record; cut only where a record ends.

    ``first`` is what was read of the stream already.
    """
    header, whole, size = b"", [], 0
    for records in _records(stream, sink, first):
        if not header:
            records = records.lstrip(b"\r\n")
            end = _first_end(records)
            header, records = mark + records[:end], records[end:]
        whole.append(records)
        size += len(records)
        if size >= sink.options.part_bytes:
            yield header + b"".join(whole)
            whole, size = [], 0
    if size:
        yield header + b"".join(whole)


def _records(stream: BinaryIO, sink: Sink, first: bytes) -> Iterator[bytes]:
    """Runs of whole records, each ended by a newline."""
    limit, rest, skipping = sink.options.line_bytes, b"", False
    for piece in chunks(stream, first=first):
        if skipping:
            _, newline, piece = piece.partition(b"\n")
            if not newline:
                continue
            skipping = False
        rest += piece
        while rest:
            end = _last_end(rest)
            if end:
                yield rest[:end]
                rest = rest[end:]
            if len(rest) <= limit:
                break
            # no record is so long: a quotation mark was lost, or the line has no end
            end = rest.find(b"\n") + 1
            if end:
                yield rest[:end]
                rest = rest[end:]
            else:
                sink.quarantine("too long")
                rest, skipping = b"", True
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"


def _last_end(data: bytes) -> int:
    """Where the last record ends: after a newline with an even number of quotation marks before it."""
    end = data.rfind(b"\n")
    quotes = data.count(b'"', 0, max(end, 0))
    while end >= 0 and quotes % 2:
        before = data.rfind(b"\n", 0, end)
        quotes -= data.count(b'"', max(before, 0), end)
        end = before
    return end + 1


def _first_end(data: bytes) -> int:
    """Where the first record ends."""
    end = data.find(b"\n")
    quotes = data.count(b'"', 0, end)
    while quotes % 2:
        after = data.find(b"\n", end + 1)
        if after < 0:
            return data.find(b"\n") + 1
        quotes += data.count(b'"', end, after)
        end = after
    return end + 1


class _Lines:
    """Lines one by one, from any of them again."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        if not self.lines[-1]:
            self.lines.pop()
        self.at = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.at == len(self.lines):
            raise StopIteration
        self.at += 1
        return self.lines[self.at - 1] + "\n"

    def since(self, start: int) -> str:
        return "\n".join(self.lines[start : self.at]).rstrip("\r")


def records(part: bytes, sink: Sink, delimiter: str = ",") -> Iterator[Record]:
    """The header, then all records with as many fields; the others are quarantined."""
    limit = sink.options.line_bytes
    csv.field_size_limit(max(csv.field_size_limit(), limit))
    source = _Lines(part.decode("utf-8", "replace").replace("\0", ""))
    reader, width = csv.reader(source, delimiter=delimiter, strict=True), 0
    while source.at < len(source.lines):
        start, fields = source.at, None
        with suppress(csv.Error):  # a quotation mark among letters, a field that is too long
            fields = next(reader, None)
        if fields == []:
            continue  # a blank line
        if fields is not None and not width:
            if len(fields) > sink.options.csv_columns:
                sink.quarantine("too many columns")
                return
            width = len(fields)
        if fields is None or len(fields) != width:
            sink.quarantine("malformed")
            source.at = start + 1  # it may have swallowed those after it
            continue
        raw = source.since(start)
        if len(raw) > limit:
            sink.quarantine("too long")
            continue
        yield Record(start, fields, raw)


def first_records(head: bytes, delimiter: str = ",") -> list[list[str]]:
    """The header and the first records of a head that may end anywhere."""
    text = head.decode("utf-8", "replace").replace("\0", "")
    found = []
    with suppress(csv.Error):
        for fields in csv.reader((line + "\n" for line in text.split("\n")), delimiter=delimiter):
            if fields:
                found.append([field.strip() for field in fields])
            if len(found) == 3:
                break
    return found
