"""YouTube subscriptions and the older lists of liked videos: what a person chose to follow or keep.

``subscription:youtube:<channel id>`` with the channel's name; the CSV of today has no times, the JSON of years ago
has. Columns are told by the ids and addresses in them, in any language. Videos of old playlists are
``playlist:youtube:<playlist id>:<video id>`` with the title.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import msgspec

from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.csv_parts import csv_parts, first_records, records
from forge_core.sources.encoding import CHUNK, as_utf8
from forge_core.sources.json_parts import json_parts
from forge_core.sources.json_stream import Decoder
from forge_core.times import UNKNOWN, parse_iso

_ID = re.compile(r"UC[A-Za-z0-9_-]{22}\Z")
_ADDRESS = re.compile(r"https?://(?:www\.|m\.)?youtube\.com/channel/(UC[A-Za-z0-9_-]{22})/?\Z")
_JSON = re.compile(rb"\s*\[\s*\{")
_KIND = re.compile(rb'"kind"\s*:\s*"youtube#(?:subscription|playlistItem)"')
ANCHOR = rb'"(?:contentDetails|etag|id|kind|snippet|status)"'


class Resource(msgspec.Struct, gc=False):
    channelId: str | None = None
    videoId: str | None = None


class Snippet(msgspec.Struct, gc=False):
    title: str = ""
    publishedAt: str | None = None
    playlistId: str | None = None
    resourceId: Resource | None = None


class Entry(msgspec.Struct, gc=False):
    """The fields that are read of an entry of YouTube's API."""

    kind: str = ""
    snippet: Snippet | None = None


DECODE = Decoder(Entry, ANCHOR)


class YouTubeLists(SplitReader):
    name = "youtube_lists"
    formats = (
        Format("subscriptions", "CSV", ("preference",), "subscriptions.csv in any language"),
        Format("subscriptions", "JSON", ("preference",), "subscriptions.json, until about 2020"),
        Format("playlists", "JSON", ("preference",), "likes.json and other playlists, until about 2020"),
    )

    def recognise(self, head: bytes) -> bool:
        if _JSON.match(head):
            return bool(_KIND.search(head)) and b'"snippet"' in head
        if b"youtube.com/channel/UC" not in head:
            return False
        return any(_channel(row) for row in first_records(head))

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        first = stream.read(CHUNK)
        if _JSON.match(as_utf8(first)):
            return json_parts(stream, sink, [], ANCHOR, first)
        return csv_parts(stream, sink, first=first)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        if part.lstrip()[:1] == b"{":
            for number, entry in enumerate(entry for found in DECODE(part, sink) for entry in found):
                _entry(entry, sink.position(number), sink)
                yield from sink.full()
        else:
            _table(part, sink)
        yield from sink.rest()


def _channel(row: Sequence[str]) -> tuple[str, str] | None:
    """(id, name) of the channel in a row: the id and the address that holds it are known by their shape."""
    ids = [field for field in row if _ID.match(field)]
    addresses = [match[1] for match in map(_ADDRESS.match, row) if match]
    if not ids or ids[0] not in addresses:
        return None
    names = [field for field in row if field and not _ID.match(field) and not _ADDRESS.match(field)]
    return ids[0], names[0] if names else ""


def _table(part: bytes, sink: Sink) -> None:
    for number, (line, fields, _) in enumerate(records(part.rstrip() + b"\n", sink)):
        if number == 0 and sink.part > 0:
            continue  # the header, which each part repeats
        if found := _channel([field.strip() for field in fields]):
            item = f"subscription:youtube:{found[0]}"
            sink.add("preference", "youtube", item, UNKNOWN, sink.position(line), value=found[1] or None)
        elif number:
            sink.quarantine("no item")


def _entry(entry: Entry, position: int, sink: Sink) -> None:
    snippet = entry.snippet or Snippet()
    resource = snippet.resourceId or Resource()
    at = parse_iso(snippet.publishedAt) if snippet.publishedAt else UNKNOWN
    if entry.kind == "youtube#subscription" and resource.channelId:
        item = f"subscription:youtube:{resource.channelId}"
    elif entry.kind == "youtube#playlistItem" and resource.videoId and snippet.playlistId:
        item = f"playlist:youtube:{snippet.playlistId}:{resource.videoId}"
    else:
        sink.quarantine("no item")
        return
    if at is None:
        sink.quarantine("unknown date")
    else:
        sink.add("preference", "youtube", item, at, position, value=snippet.title or None)


READER = YouTubeLists()
