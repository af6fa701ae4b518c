"""The HTML layout of YouTube histories and My Activity: a stream of cells, one activity each.

Almost every cell has one shape, which one regular expression checks and takes apart. A cell of another
shape goes to lexbor by itself; what that cannot read either is quarantined, its neighbours untouched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from typing import Any, cast

from forge_core.dates import HtmlDates
from forge_core.sources.activity import YOUTUBE, Rows
from forge_core.sources.base import Batch, Sink
from forge_core.sources.titles import SAMPLE, Manner, Titles, language_of
from forge_core.sources.watches import usual, watched
from forge_core.sources.wording import WATCHED, advertisements
from forge_core.times import Moment

MARK = b'<div class="outer-cell'
CELL_MAX = 1 << 20  # a cell has about 800 bytes
TAGS_MAX = 2_000  # lexbor is for odd cells, not for five million nested tags
_END = "</div></div></div>"
_CELL = re.compile(
    r'[^">]*"><div class="mdl-grid">\s*'
    r'<div class="header-cell[^">]*"><p class="mdl-typography--title">([^<]*)<br></p></div>\s*'
    r'<div class="content-cell mdl-cell mdl-cell--6-col mdl-typography--body-1">'
    r'([^<]*)(?:<a href="([^"<>]*)">([^<]*)</a>([^<]*))?'
    r'(?:<br><a href="([^"<>]*)">([^<]*)</a>)?<br>([^<]+)(?:<br>)?</div>\s*'
    r'<div class="content-cell mdl-cell mdl-cell--6-col mdl-typography--body-1 mdl-typography--text-right">'
    r'</div>\s*<div class="content-cell mdl-cell mdl-cell--12-col mdl-typography--caption">'
)
_DATE = re.compile(rb'<br>([^<>]{8,120})(?:<br>)?</div>\s*<div class="[^"]*text-right"')


def split_html(pieces: Iterable[bytes], sink: Sink) -> Iterator[bytes]:
    """Parts that begin with the mark of a cell; a cell that never ends is dropped."""
    buffer, inside = b"", False
    for piece in pieces:
        buffer += piece
        if not inside:
            start = buffer.find(MARK)
            buffer, inside = buffer[start if start >= 0 else -len(MARK) :], start >= 0
        if inside and len(buffer) > max(sink.options.part_bytes, CELL_MAX):
            cut = buffer.rfind(MARK)
            if cut > 0:
                yield buffer[:cut]
                buffer = buffer[cut:]
            else:
                sink.quarantine("too long")
                buffer, inside = buffer[-len(MARK) :], False
    if inside:
        yield buffer


def look_html(part: bytes) -> Manner:
    """The manner of a member that begins with this part."""
    titles, dates = [], []
    for cell in part.split(MARK, SAMPLE + 1)[1 : SAMPLE + 1]:
        if hit := _CELL.match(cell.decode("utf-8", "replace")):
            titles.append(plain(unescape("".join(text or "" for text in hit.group(2, 4, 5)))))
            dates.append(unescape(hit[8]))
    language = language_of(titles)
    seen = HtmlDates(language, evidence=lambda: dates_of(part))
    for date in dates:
        seen.parse(date)
    return Manner(language, frozenset(seen.ruled_out))


def dates_of(part: bytes) -> Iterator[str]:
    """All dates of a part, for what they say about their layout."""
    return (unescape(match[1].decode("utf-8", "replace")) for match in _DATE.finditer(part))


def parse_html(part: bytes, sink: Sink, manner: Manner) -> Iterator[Batch]:
    """The rows of a part of an HTML history."""
    rows, titles, match = Rows(sink, manner), Titles(manner.language), _CELL.match
    dates = HtmlDates(*manner, evidence=lambda: dates_of(part))
    parse, add, around = dates.told, rows.add, titles.around
    text = part.decode("utf-8", "replace")
    marks = [mark for mark in advertisements(manner.language) if mark.encode() in part]
    videos: list[tuple[Any, ...]] = []
    for number, cell in enumerate(text.split(MARK.decode())[1:]):
        hit = match(cell)
        rows.position = number
        if hit is None or _END not in cell:
            _odd(cell, rows, dates, titles, marks)
            continue
        fields = hit.groups()
        if "&" in cell[: hit.end()]:
            fields = tuple([unescape(field) if field and "&" in field else field for field in fields])
        header, before, href, link, after, channel_url, channel, date = fields
        action = around(before, after) if href is not None else None
        at = parse(date)
        if marks and any(mark in cell[hit.end() :] for mark in marks):
            sink.pass_over("advertisement")
        elif action == WATCHED and at is not None and header in YOUTUBE:
            videos.append((link, href, (channel, channel_url), *at, number))
        else:
            if action is None:
                action, link = titles.split(plain(before + (link or "") + (after or "")))
            add(header, action, link.strip(), href, channel, channel_url, at, False)
    if videos:
        yield from _videos(videos, rows)
    yield from sink.rest()


def _videos(videos: list[tuple[Any, ...]], rows: Rows) -> Iterator[Batch]:
    """Videos watched: in columns, and the ones with other links each by itself."""
    import pyarrow as pa
    import pyarrow.compute as pc

    fits = usual(pa.array([video[1] for video in videos], pa.string()))
    if not pc.all(fits).as_py():
        for video, fit in zip(videos, fits.to_pylist(), strict=True):
            if not fit:
                title, url, (channel, channel_url), *at, number = video
                rows.position = number
                moment = cast(Moment, tuple(at))
                rows.add("YouTube", WATCHED, title.strip(), url, channel, channel_url, moment, False)
        videos = [video for video, fit in zip(videos, fits.to_pylist(), strict=True) if fit]
        if not videos:
            return
    titles, urls, publishers, micros, zones, flags, numbers = zip(*videos, strict=True)
    columns = {
        "time": micros,
        "zone": zones,
        "time_flag": flags,
        "sequence": pc.subtract(-rows.sink.position(0), pa.array(numbers, pa.int64())),
    }
    yield watched(
        rows.sink,
        rows.channels,
        pa.array(titles, pa.string()),
        pa.array(urls, pa.string()),
        publishers,
        columns,
    )


def plain(text: str) -> str:
    """One line of text, all kinds of space made one."""
    return " ".join(text.split())


def _odd(cell: str, rows: Rows, dates: HtmlDates, titles: Titles, marks: Sequence[str]) -> None:
    """A cell of another shape, through a real HTML parser."""
    if len(cell) > CELL_MAX // 4 or cell.count("<") > TAGS_MAX:
        rows.sink.quarantine("too many tags")
        return
    lines = _lines(cell) if _END in cell else None
    if lines is None or len(lines[1]) < 2:
        rows.sink.quarantine("malformed")
        return
    header, body, caption = lines
    advertisement = any(mark in caption for mark in marks)
    action, text = titles.split(body[0][0])
    channel, channel_url = next(((name, url) for name, url in body[1:-1] if url), (None, None))
    rows.add(header, action, text, body[0][1], channel, channel_url, dates.parse(body[-1][0]), advertisement)


def _lines(cell: str) -> tuple[str, list[tuple[str, str | None]], str] | None:
    """(header, lines of the body as (text, link), caption)."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(MARK.decode() + cell)
    tree.strip_tags(["script", "style", "template", "iframe", "object"])
    header = tree.css_first(".header-cell p")
    body = next(
        (
            node
            for node in tree.css(".content-cell")
            if "mdl-typography--body-1" in (kinds := node.attributes.get("class") or "")
            and "text-right" not in kinds
        ),
        None,
    )
    if header is None or body is None:
        return None
    lines: list[tuple[str, str | None]] = [("", None)]
    for node in body.iter(include_text=True):
        text, link = lines[-1]
        if node.tag == "br":
            lines.append(("", None))
        elif node.tag == "a":
            lines[-1] = (text + (node.text() or ""), link or node.attributes.get("href"))
        else:
            lines[-1] = (text + (node.text() or ""), link)
    caption = " ".join(node.text() for node in tree.css(".mdl-typography--caption"))
    told = [(" ".join(text.split()), link) for text, link in lines if text.strip()]
    return header.text().strip(), told, caption
