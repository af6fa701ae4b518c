"""Chrome's browsing history: BrowserHistory.json and its successor History.json."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from forge_core.sources.activity import domain, web_address
from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.json_parts import json_parts
from forge_core.sources.json_stream import Decoder
from forge_core.times import UNKNOWN, parse_epoch

_TOP = re.compile(rb'\s*\{\s*"(?:Browser History|Typed Url|Session|Shared Tab Group)"\s*:\s*\[')
ANCHOR = rb'"(?:favicon_url|page_transition|page_transition_qualifier|title|ptoken|url|client_id|time_usec)"'


class Visit(msgspec.Struct, gc=False):
    """The fields that are read."""

    url: str = ""
    title: str = ""
    page_transition: str | None = None
    page_transition_qualifier: str | None = None
    time_usec: int | float | str | None = None


DECODE = Decoder(Visit, ANCHOR)


class Chrome(SplitReader):
    name = "chrome"
    formats = (Format("browsing history", "JSON", ("browse",), "BrowserHistory.json and History.json"),)

    def recognise(self, head: bytes) -> bool:
        return bool(_TOP.match(head))

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return json_parts(stream, sink, [b"Browser History"], ANCHOR, begin=ANCHOR)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        table, position = sink.table("browse", "chrome"), 0
        for visits in DECODE(part, sink):
            for visit in visits:
                position += 1
                at = UNKNOWN if visit.time_usec is None else parse_epoch(visit.time_usec)
                url = web_address(visit.url)
                if url is None:
                    self._no_address(visit, sink)
                elif at is None:
                    sink.quarantine("unknown date")
                else:
                    how = visit.page_transition or visit.page_transition_qualifier
                    # newest first in the file: the negated position makes larger newer
                    table.values.append((
                        url, *at, 1 - sink.position(position), visit.title or None, url, domain(url),
                        how and how.lower(), None,
                    ))  # fmt: skip
        yield from sink.rest()

    @staticmethod
    def _no_address(visit: Visit, sink: Sink) -> None:
        if visit.url:
            sink.pass_over("not a web address")  # chrome://, file://, data:
        else:
            sink.quarantine("no item")


READER = Chrome()
