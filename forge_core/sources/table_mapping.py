"""CSV and JSONL files of one's own, by the mappings of forge.yaml: docs/exports-of-your-own.md.

A file belongs to the first mapping all of whose columns it has. Mapped files are asked for before all
other readers, since the person has said what they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import msgspec

from forge_core.events import KINDS
from forge_core.sources.base import Batch, Format, Head, Sink, SplitReader
from forge_core.sources.csv_parts import csv_parts, records
from forge_core.sources.encoding import CHUNK, as_utf8
from forge_core.sources.log_lines import line_parts, lines
from forge_core.sources.mapping_rules import JSONL, VALUES, check, fitting, item, moment, types
from forge_core.sources.options import Options, TableMapping
from forge_core.times import UNKNOWN

_MARK = re.compile(rb"\0mapping (\d{1,9}) ([,;\t|{])\n")
ITEM_MAX = 2048  # characters: an item is a name, and the key of an index
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Cell = Callable[[str], Any]


class TableReader(SplitReader):
    name = "table_mapping"
    system = "table"
    first = True
    formats = (
        Format(
            "table of one's own", "CSV", tuple(KINDS), "comma, semicolon, tab or bar; mapped in forge.yaml"
        ),
        Format("records of one's own", "JSONL", tuple(KINDS), "one object per line; mapped in forge.yaml"),
    )

    def recognise(self, head: bytes) -> bool:
        return False  # without mappings nothing is a table of one's own

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        check(options.mappings)
        return [name for name, head in heads.items() if fitting(head.data, options.mappings)]

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        first = stream.read(CHUNK)
        if (found := fitting(as_utf8(first), sink.options.mappings)) is None:
            sink.quarantine("malformed")
            return
        number, delimiter = found
        mark = b"\0mapping %d %s\n" % (number, delimiter.encode())
        yield from (line_parts if delimiter == JSONL else csv_parts)(stream, sink, mark, first)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        if not (found := _MARK.match(part)) or int(found[1]) >= len(sink.options.mappings):
            sink.quarantine("malformed")
            return
        mapping, delimiter = sink.options.mappings[int(found[1])], found[2].decode()
        add, rest = _Adder(sink, mapping), part[found.end() :]
        wanted = set(mapping.columns.values())
        rows = _objects(rest, sink) if delimiter == JSONL else _records(rest, sink, delimiter, wanted)
        for number, cell in rows:
            add(cell, sink.position(number))
            yield from sink.full()
        yield from sink.rest()


def _records(part: bytes, sink: Sink, delimiter: str, wanted: set[str]) -> Iterator[tuple[int, Cell]]:
    names: list[str] | None = None
    for record in records(part, sink, delimiter):
        if names is None:
            names = [name.strip() for name in reversed(record.fields)]  # of two of one name the first counts
        elif not wanted <= set(names):  # the header is torn further on than where it was looked at
            sink.quarantine("malformed")
        else:
            yield record.number, dict(zip(names, reversed(record.fields), strict=True)).__getitem__


def _objects(part: bytes, sink: Sink) -> Iterator[tuple[int, Cell]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for number, line in lines(part, sink):
        try:
            found = decode(line)
        except msgspec.ValidationError:
            sink.quarantine("not an object")
        except _BROKEN:
            sink.quarantine("malformed")
        else:
            yield number, found.get


class _Adder:
    """Makes events of rows; a value of another type sets its row aside."""

    def __init__(self, sink: Sink, mapping: TableMapping) -> None:
        self.sink, self.mapping, self.table = sink, mapping, sink.table(mapping.kind, mapping.name)
        self.time, self.item = mapping.columns.get("time"), mapping.columns.get("item")
        own = types(mapping.kind)
        self.usual = [VALUES[own[name]](mapping.constants.get(name), mapping) for name in own]
        self.cells = [
            (place, VALUES[own[name]], mapping.columns[name])
            for place, name in enumerate(own)
            if name in mapping.columns
        ]
        self.position = [list(own).index(name) for name in ("latitude", "longitude") if name in own]

    def __call__(self, cell: Cell, position: int) -> None:
        sink, mapping, values = self.sink, self.mapping, self.usual.copy()
        at = moment(cell(self.time), mapping) if self.time else UNKNOWN
        if at is None:
            sink.quarantine("unknown date")
            return
        try:
            name = VALUES["text"](cell(self.item) if self.item else mapping.constants["item"], mapping)
            for place, convert, source in self.cells:
                values[place] = convert(cell(source), mapping)
        except (ValueError, TypeError, OverflowError):
            sink.quarantine("wrong type")
            return
        if not name or not name.strip():
            sink.quarantine("no item")
        elif len(name) > ITEM_MAX:
            sink.quarantine("too long")
        elif self.position and not all(
            abs(values[place] or 0) <= most for place, most in zip(self.position, (90, 180), strict=True)
        ):
            sink.quarantine("no such position")
        else:
            self.table.values.append((item(name.strip(), mapping), *at, position, *values))


READER = TableReader()
