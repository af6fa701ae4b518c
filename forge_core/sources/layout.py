"""Which layout of activities a member has, told from its first bytes, and the reader for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from itertools import chain

from forge_core.archives import Archive, Member
from forge_core.sources.base import Batch, Sink
from forge_core.sources.encoding import chunks

_HTML = re.compile(
    rb'<div class="outer-cell[^>]*>\s*<div class="mdl-grid">\s*<div class="header-cell[^>]*>\s*'
    rb'<p class="mdl-typography--title">([^<]*)'
)
_JSON = re.compile(rb"\s*\[\s*\{")
_HEADER = re.compile(rb'"header"\s*:\s*"([^"\\]{0,200})"')


def first_header(head: bytes) -> str | None:
    """The product of the first activity, None where the head is of no list of activities."""
    if _JSON.match(head):
        header = _HEADER.search(head)
        if header and b'"title"' in head and b'"time"' in head:
            return header[1].decode("utf-8", "replace")
        return None
    match = _HTML.search(head)
    return unescape(match[1].decode("utf-8", "replace")).strip() if match else None


def read_activities(archive: Archive, member: Member, sink: Sink) -> Iterator[Batch]:
    """The rows of a member of either layout."""
    from forge_core.sources.activity_html import read_html
    from forge_core.sources.activity_json import read_json

    with archive.open(member) as stream:
        pieces = chunks(stream)
        first = next(pieces, b"")
        yield from (read_json if _JSON.match(first) else read_html)(chain([first], pieces), sink)
