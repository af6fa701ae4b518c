"""YouTube comments and live chat messages: CSV of all layouts and languages, and the older HTML lists.

Column names are translated, so columns are told by what stands in them: ids of channels, videos and comments have
shapes of their own. A comment is ``youtube:comment:<id>``, a chat message ``youtube:livechat:<id>``, its thread the
video. The older HTML names no id unless its link does; such a comment is ``youtube:comment:on:<video>``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from forge_core.sources.activity import video_of
from forge_core.sources.base import Batch, Format, Sink, SplitReader, cut
from forge_core.sources.csv_parts import csv_parts, first_records, records
from forge_core.sources.encoding import CHUNK, as_utf8, chunks
from forge_core.sources.text import html_text
from forge_core.times import UNKNOWN, parse_iso

_CHANNEL = re.compile(r"UC[A-Za-z0-9_-]{22}\Z")
_VIDEO = re.compile(r"[A-Za-z0-9_-]{11}\Z")
_COMMENT = re.compile(r"Ug[A-Za-z0-9_-]{10,80}(?:\.[A-Za-z0-9_-]{10,80})?\Z")
_CHAT = re.compile(r"[A-Za-z0-9_%=-]{16,400}\Z")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
_TEXT = re.compile(r'\s*\{"(?:takeoutSegments|text|link|emoji|mention)"')
_LOST = re.compile(r'"text"\s*:\s*"(.*?)"\s*(?:\}\s*,\s*\{|\}\s*\]?\s*\}?\s*\Z)', re.S)
_LINK = re.compile(r'<a\b[^>]{0,200}?href="([^"]{1,500})"', re.I)
_NAMED = re.compile(r"[?&]lc=([\w.-]{10,200})")
_LINE_END = re.compile(r"<br\s*/?>", re.I)
_PAGE = re.compile(rb"<li\b[^>]{0,200}>(?:[^<]|<a\b|</a>){0,600}\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", re.I)
_HTML = b"\0html\n"
LOST_MAX = 20_000  # characters; YouTube ends a comment at 10,000
LOOKED_AT = 50  # records looked at for the kinds of columns


class Columns(NamedTuple):
    """Where in a record things are; -1 where nowhere."""

    item: int
    channel: int
    time: int
    video: int
    text: int
    chat: bool

    @classmethod
    def of(cls, rows: Sequence[Sequence[str]]) -> Columns | None:
        """The columns of these records, the header among them or not; None where they are of no comments."""
        needed = (_CHANNEL, _TIME, _TEXT)
        rows = [row for row in rows if all(any(map(pattern.match, row)) for pattern in needed)]
        if not rows:
            return None
        rows = [row for row in rows if any(map(_COMMENT.match, row))] or rows
        rows = [row for row in rows if len(row) == len(rows[0])]

        def column(pattern: re.Pattern[str], taken: Sequence[int] = ()) -> int:
            width = range(len(rows[0]))
            counts = {i: sum(bool(pattern.match(row[i])) for row in rows) for i in width if i not in taken}
            best = max(counts.values(), default=0)
            # ids of comments stand before those of the comments they answer
            return next(i for i, count in counts.items() if count == best) if best else -1

        channel, time, text = column(_CHANNEL), column(_TIME), column(_TEXT)
        item = next((i for i in range(len(rows[0])) if _COMMENT.match(rows[0][i])), -1)
        chat = item < 0
        taken = [channel, time, text]
        if chat:
            item = column(_CHAT, taken)
        return cls(item, channel, time, column(_VIDEO, [*taken, item]), text, chat)


class YouTubeComments(SplitReader):
    name = "youtube_comments"
    formats = (
        Format("comments", "CSV", ("message",), "comments.csv in any language, old and new columns"),
        Format("live chats", "CSV", ("message",), "live chats.csv in any language"),
        Format("comments", "HTML", ("message",), "my-comments.html and my-live-chat-messages.html"),
    )

    def recognise(self, head: bytes) -> bool:
        if head.lstrip()[:1] == b"<":
            return b"youtube.com/" in head and bool(_PAGE.search(head))
        if b'"{""' not in head or b"UC" not in head:
            return False
        return Columns.of(first_records(head)) is not None

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        first = stream.read(CHUNK)
        if as_utf8(first).lstrip()[:1] != b"<":
            yield from csv_parts(stream, sink, first=first)
            return
        rest = b""
        for piece in chunks(stream, first=first):
            rest += piece
            if len(rest) > sink.options.part_bytes:
                end = rest.rfind(b"<li")
                if end > 0:
                    yield _HTML + rest[:end]
                    rest = rest[end:]
                else:
                    sink.quarantine("too long")
                    rest = b""
        yield _HTML + rest

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        if part.startswith(_HTML):
            _list(part[len(_HTML) :].decode("utf-8", "replace"), sink)
        else:
            _table(part, sink)
        yield from sink.rest()


def _table(part: bytes, sink: Sink) -> None:
    waiting: list[tuple[int, list[str]]] = []
    columns: Columns | None = None
    for number, (line, fields, _) in enumerate(records(part.rstrip() + b"\n", sink)):
        if number == 0 and sink.part > 0:
            continue  # the header, which each part repeats
        waiting.append((line, [field.strip() for field in fields]))
        if columns is None and len(waiting) < LOOKED_AT:
            continue
        columns = columns or Columns.of([row for _, row in waiting])
        _messages(waiting, columns, sink)
        waiting = []
    _messages(waiting, columns or Columns.of([row for _, row in waiting]), sink)


def _messages(rows: Sequence[tuple[int, list[str]]], columns: Columns | None, sink: Sink) -> None:
    for line, row in rows:
        if columns is None or not any(_CHANNEL.match(field) for field in row):
            if not (line == 0 and not any(_TIME.match(field) for field in row)):  # the header
                sink.quarantine("malformed")
            continue
        item, time = row[columns.item] if columns.item >= 0 else "", row[columns.time]
        at = parse_iso(time) if time else UNKNOWN
        if at is None:
            sink.quarantine("unknown date")
        elif not item:
            sink.quarantine("no item")
        else:
            video = row[columns.video] if columns.video >= 0 else ""
            sink.add(
                "message", "youtube", f"youtube:{'livechat' if columns.chat else 'comment'}:{item}", at,
                -sink.position(line), thread=video or None, sender=row[columns.channel] or None,
                body=cut(body(row[columns.text]), sink) or None,
                labels=["live chat" if columns.chat else "comment"],
            )  # fmt: skip


def body(text: str) -> str:
    """The words of a comment, which stands there as pieces of JSON, mostly well formed."""
    try:
        found: Any = json.loads(text if text.startswith('{"takeout') else f"[{text}]", strict=False)
    except (ValueError, RecursionError):
        return "".join(_LOST.findall(text)) or text if len(text) < LOST_MAX else text
    if isinstance(found, dict):
        found = found.get("takeoutSegments")
    pieces = found if isinstance(found, list) else []
    words = [piece.get("text") for piece in pieces if isinstance(piece, dict)]
    return "".join(word for word in words if isinstance(word, str))


def _list(page: str, sink: Sink) -> None:
    """``<li>Sent at 2020-04-27 23:18:23 UTC while watching <a …>a video</a>.<br/>words</li>`` in any language."""
    for number, item in enumerate(page.split("<li")[1:]):
        told, words = _split(item.partition("</li>")[0].partition(">")[2])
        time = _TIME.search(told)
        links = [link.replace("&amp;", "&") for link in _LINK.findall(told)]
        video = next(filter(None, map(video_of, links)), None)
        at = parse_iso(f"{time[0]}Z") if time else None  # always UTC
        if at is None:
            sink.quarantine("unknown date")
        elif video is None:
            sink.quarantine("no item")
        else:
            named = next((found[1] for found in map(_NAMED.search, links) if found), None)
            sink.add(
                "message", "youtube", f"youtube:comment:{named or f'on:{video}'}", at, -sink.position(number),
                thread=video, body=cut(html_text(words), sink) or None, labels=["comment"],
            )  # fmt: skip


def _split(item: str) -> tuple[str, str]:
    """What stands before and after the first line end."""
    end = _LINE_END.search(item)
    return (item[: end.start()], item[end.end() :]) if end else (item, "")


READER = YouTubeComments()
