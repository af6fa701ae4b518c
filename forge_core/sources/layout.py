"""Which layout of activities a member has, told from its first bytes, and the reader for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import BinaryIO

from forge_core.sources.base import Batch, Sink
from forge_core.sources.encoding import CHUNK, as_utf8, chunks
from forge_core.sources.titles import Manner, untag

_HTML = re.compile(
    rb'<div class="outer-cell[^>]*>\s*<div class="mdl-grid">\s*<div class="header-cell[^>]*>\s*'
    rb'<p class="mdl-typography--title">([^<]*)'
)
_JSON = re.compile(rb"\s*\[\s*\{")
_HEADER = re.compile(rb'"header"\s*:\s*("(?:[^"\\]|\\.){0,200}")')


def first_header(head: bytes) -> str | None:
    """The product of the first activity, None where the head is of no list of activities."""
    if _JSON.match(head):
        header = _HEADER.search(head)
        if header and b'"title"' in head and b'"time"' in head:
            try:
                return json.loads(header[1].decode("utf-8", "replace"), strict=False)
            except ValueError:
                return None
        return None
    match = _HTML.search(head)
    return unescape(match[1].decode("utf-8", "replace")).strip() if match else None


def split_activities(stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
    """Parts of a member of either layout, each tagged with the manner of the first."""
    from forge_core.sources.activity_html import look_html, split_html
    from forge_core.sources.activity_json import ANCHOR, look_json
    from forge_core.sources.json_parts import json_parts

    first = stream.read(CHUNK)
    is_json = _JSON.match(as_utf8(first))
    pieces = (
        json_parts(stream, sink, [], ANCHOR, first, begin=ANCHOR)
        if is_json
        else split_html(chunks(stream, first=first), sink)
    )
    manner: Manner | None = None
    for piece in pieces:
        manner = manner or (look_json if is_json else look_html)(piece)
        yield manner.tag(piece)


def parse_activities(part: bytes, sink: Sink) -> Iterator[Batch]:
    """The rows of a part of either layout."""
    from forge_core.sources.activity_html import MARK, parse_html
    from forge_core.sources.activity_json import parse_json

    manner, part = untag(part)
    return (parse_html if part.startswith(MARK) else parse_json)(part, sink, manner)
