"""System logs as text: sshd and auth.log, syslog of any stamp, ``journalctl -o short-iso``, Apache's error log.

One event per line. Classic syslog has no year: unless ``reading.log_year`` tells it, such times are unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from forge_core.sources.apache_log import APACHE, add_apache
from forge_core.sources.base import Batch, Format, Head, Sink, SplitReader
from forge_core.sources.log_lines import line_parts, lines
from forge_core.sources.loghub_layout import with_twin
from forge_core.sources.options import Options
from forge_core.sources.syslog import MONTH, add_line, take_apart

_YEAR = re.compile(rb"\0year (-?\d{1,9}) (-?\d{1,2})\n")  # before each part, where a year is told
_MONTHS = re.compile(rf"^(?:<\d{{1,3}}>)?({MONTH}) [ 0-3]?\d \d\d:".encode(), re.M)
_NUMBER = {name.encode(): number for number, name in enumerate(MONTH.split("|"))}
_NOTE = re.compile(r"-- (?:Logs begin|Journal begins|Boot|Reboot|No entries)\b|-- [0-9a-f]{32} --")
ENOUGH = 5  # lines of a head that are looked at


class AuthLog(SplitReader):
    name = "auth_log"
    system = "log"
    formats = (
        Format("sshd and auth.log", "text", ("security",), "classic syslog, ISO-stamped syslog, RFC 5424"),
        Format("journal, short-iso", "text", ("security",), "journalctl -o short-iso"),
        Format("Apache error log", "text", ("security",), "error.log of a web server"),
    )

    def recognise(self, head: bytes) -> bool:
        first = [line for line in head.decode("utf-8", "replace").split("\n") if line.strip()][:ENOUGH]
        first = [line for line in first if not _NOTE.match(line)]
        return bool(first) and _is_line(first[0]) and 2 * sum(map(_is_line, first)) > len(first)

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        samples = with_twin(heads)  # a public set, not a person's log
        return [name for name, head in heads.items() if name not in samples and self.recognise(head.data)]

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        year = sink.options.log_year
        if year is None:
            yield from line_parts(stream, sink)
            return
        month = -1
        for part in line_parts(stream, sink):
            yield b"\0year %d %d\n" % (year, month) + part
            year, month = _later(part, year, month)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        year, month = None, -1
        if found := _YEAR.match(part):
            year, month, part = int(found[1]), int(found[2]), part[found.end() :]
        for number, line in lines(part, sink):
            text = line.decode("utf-8", "replace")
            if year is not None:
                year, month = _later(line, year, month)
            taken = take_apart(text, year)
            if taken is not None:
                add_line(sink, "syslog", taken, sink.position(number), text)
            elif _NOTE.match(text):
                sink.pass_over("no event")
            elif not add_apache(sink, "apache", text, sink.position(number)):
                sink.quarantine("malformed")
            yield from sink.full()
        yield from sink.rest()


def _is_line(text: str) -> bool:
    return take_apart(text) is not None or APACHE.match(text) is not None


def _later(text: bytes, year: int, month: int) -> tuple[int, int]:
    """Year and month after these lines; -1 is no month yet.

    A step back of half a year and more is a new year; from January to December leads a late line of the old one.
    """
    for found in _MONTHS.finditer(text):
        now = _NUMBER[found[1]]
        if month - now > 6:
            year += 1
        elif (month, now) == (0, 11):
            year -= 1
        month = now
    return year, month


READER = AuthLog()
