"""The systemd journal as ``journalctl -o json`` writes it: one object per line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import msgspec

from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.log_lines import line_parts, lines
from forge_core.sources.syslog import Line, add_line, service
from forge_core.times import UNKNOWN, parse_epoch

_FIRST = re.compile(rb'\s*\{[^\n]*"__REALTIME_TIMESTAMP"\s*:\s*"\d')
_OPENING = re.compile(rb'\s*\{\s*"(?:_?_?[A-Z][A-Z0-9_]*)"\s*:')
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Entry(msgspec.Struct, gc=False):
    """The fields that are read. A field of several values is a list, one that is not text a list of bytes."""

    time: object = msgspec.field(name="__REALTIME_TIMESTAMP", default=None)
    message: object = msgspec.field(name="MESSAGE", default=None)
    identifier: object = msgspec.field(name="SYSLOG_IDENTIFIER", default=None)
    command: object = msgspec.field(name="_COMM", default=None)
    host: object = msgspec.field(name="_HOSTNAME", default=None)


class Journald(SplitReader):
    name = "journald"
    system = "log"
    formats = (Format("systemd journal", "JSON", ("security",), "journalctl -o json, one entry per line"),)

    def recognise(self, head: bytes) -> bool:
        return bool(_OPENING.match(head) and _FIRST.match(head))

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return line_parts(stream, sink)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        decode = msgspec.json.Decoder(Entry).decode
        for number, line in lines(part, sink):
            try:
                entry = decode(line)
            except _BROKEN:
                sink.quarantine("malformed")
                continue
            message = _text(entry.message)
            if message is None:
                sink.pass_over("no message")  # a field so large that journalctl leaves it out
                continue
            when = _text(entry.time)
            at = UNKNOWN if when is None else parse_epoch(when)
            program = service(_text(entry.identifier) or _text(entry.command) or "syslog")
            add_line(
                sink, "syslog", Line(at, _text(entry.host), program, message), sink.position(number), message
            )
            yield from sink.full()
        yield from sink.rest()


def _text(value: object) -> str | None:
    """The text of a field: as it is, the last of several values, or of its bytes."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        if isinstance(value[-1], str):
            return value[-1]
        with suppress(TypeError, ValueError):
            return bytes(value).decode("utf-8", "replace")
    return None


READER = Journald()
