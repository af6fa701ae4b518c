"""The HTML layout of YouTube histories and My Activity: a stream of cells, one activity each.

Almost every cell has one shape, which one regular expression checks and takes apart. A cell of another
shape goes to lexbor by itself; what that cannot read either is quarantined, its neighbours untouched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import unescape

from forge_core.sources.activity import ADVERTISEMENTS, Rows, split_title
from forge_core.sources.base import Batch, Sink
from forge_core.times import HtmlDates

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


def parse_html(part: bytes, sink: Sink) -> Iterator[Batch]:
    """The rows of a part of an HTML history."""
    rows, dates, match = Rows(sink), HtmlDates(), _CELL.match
    verbs: dict[str, str | None] = {}
    parse, add = dates.parse, rows.add
    for cell in part.decode("utf-8", "replace").split(MARK.decode())[1:]:
        hit = match(cell)
        if hit is None or _END not in cell:
            _odd(cell, rows, dates, sink)
            continue
        header, before, href, link, after, channel_url, channel, date = hit.groups()
        advertisement = "Ads" in cell and any(mark in cell[hit.end() :] for mark in ADVERTISEMENTS)
        if "&" in hit[0]:
            header, date = unescape(header), unescape(date)
            link, href = link and unescape(link), href and unescape(href)
            channel, channel_url = channel and unescape(channel), channel_url and unescape(channel_url)
        if href is None or (after and not after.isspace()):
            action, text = split_title(plain(before + (link or "") + (after or "")))
        else:
            if before not in verbs:
                if len(verbs) > 1000:
                    verbs.clear()
                verbs[before] = split_title(plain(before) + " ")[0]
            action, text = verbs[before], link.strip()
        add(header, action, text, href, channel, channel_url, parse(date), advertisement)
    yield from sink.rest()


def plain(text: str) -> str:
    """One line of text, entities resolved, all kinds of space made one."""
    return " ".join(unescape(text).split())


def _odd(cell: str, rows: Rows, dates: HtmlDates, sink: Sink) -> None:
    """A cell of another shape, through a real HTML parser."""
    if len(cell) > CELL_MAX // 4 or cell.count("<") > TAGS_MAX:
        rows.position += 1
        sink.quarantine("too many tags")
        return
    lines = _lines(cell) if _END in cell else None
    if lines is None or len(lines[1]) < 2:
        rows.position += 1
        sink.quarantine("malformed")
        return
    header, body, advertisement = lines
    action, text = split_title(body[0][0])
    channel, channel_url = next(((name, url) for name, url in body[1:-1] if url), (None, None))
    rows.add(header, action, text, body[0][1], channel, channel_url, dates.parse(body[-1][0]), advertisement)


def _lines(cell: str) -> tuple[str, list[tuple[str, str | None]], bool] | None:
    """(header, lines of the body as (text, link), whether it is an advertisement)."""
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
    return header.text().strip(), told, any(mark in caption for mark in ADVERTISEMENTS)
