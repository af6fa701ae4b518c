"""What kind of document a file is, by its first bytes; the name decides only what they cannot. What is found in one."""

from __future__ import annotations

import re
from collections import Counter

import msgspec

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ODT = "application/vnd.oasis.opendocument.text"
HTML = "text/html"
MARKDOWN = "text/markdown"
PLAIN = "text/plain"
RST = "text/x-rst"
IMAGE = "image"
OLE = "application/x-ole-storage"
_TEXTS = {".txt": PLAIN, ".text": PLAIN, ".md": MARKDOWN, ".markdown": MARKDOWN, ".rst": RST}
_SUFFIXES = (*_TEXTS, ".pdf", ".docx", ".odt", ".htm", ".html")
_IMAGES = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|BM....\0\0\0\0|II\*\0|MM\0\*|\0\0\x01\0[\x01-\xff]\0|"
    rb"\0\0\0.ftyp(?:heic|heix|mif1|avif)|8BPS|\xff\x0a|\0\0\0\x0cJXL ",
    re.S,
)
_PAGE = re.compile(rb"\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html)\b", re.I | re.S)
_JSON = re.compile(r'\s*(?:\{\s*(?:"|\}|\Z)|\[\s*(?:["{\[\]\d-]|true|false|null|\Z))')
_MARKUP = re.compile(r"\s*<(?:\?xml|!doctype|html|svg|rss|kml|gpx|plist)\b", re.I)
_OTHER = re.compile(r"From \S+ |BEGIN:V|#!|%!PS|\{\\rtf|%PDF|-----BEGIN ")
_HEADER = re.compile(
    r"(?:Return-Path|Received|Delivered-To|Message-ID|MIME-Version|From|To|Date|Subject|X-[\w-]+): "
)
_STAMPED = re.compile(
    r"\W{0,2}(?:\d{4}[-/]\d\d[-/]\d\d[T ,]|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|"
    r"\d{1,3}(?:\.\d{1,3}){3} |\d{10}(?:\.\d+)? )"
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
LINES = 30  # first lines that are looked at
MOST = 0.8  # of them say what they all are


def kind_of(head: bytes, name: str) -> str | None:
    """The media type of a document, ``IMAGE`` or ``OLE`` for one in disguise, None for what is no document."""
    suffix = "." + name.rpartition("/")[2].lower().rpartition(".")[2]
    if head.startswith(b"%PDF-") or (suffix == ".pdf" and b"%PDF-" in head[:1024]):
        return PDF
    if head.startswith(b"PK\x03\x04"):
        return _zipped(head, suffix)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return OLE if suffix == ".docx" else None
    if _IMAGES.match(head):
        return IMAGE if suffix in _SUFFIXES else None
    if _PAGE.match(head):
        return HTML
    if suffix in _TEXTS and is_prose(head):
        return _TEXTS[suffix]
    return None


def _zipped(head: bytes, suffix: str) -> str | None:
    if b"mimetype" + ODT.encode() in head[:200] and b"opendocument.text-" not in head[:200]:
        return ODT
    if b"xl/" in head or b"ppt/" in head:
        return None
    if b"word/" in head or (suffix == ".docx" and (b"[Content_Types].xml" in head or b"_rels/" in head)):
        return DOCX
    return None


def is_prose(head: bytes) -> bool:
    """Whether it is text, and no table, log, mail, markup or data."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4 and _binary(head):
            return False
        text = (
            head.decode("utf-8", "replace")
            if error.start >= len(head) - 4
            else head.decode("cp1252", "replace")
        )
    if not text.strip() or _CONTROL.search(text):
        return False
    if _JSON.match(text) or _MARKUP.match(text) or _OTHER.match(text.lstrip()):
        return False
    lines = [line for line in text.splitlines()[:LINES] if line.strip()]
    return not (
        _is_table(lines) or _is_mail(lines) or _mostly(lines, _STAMPED.match) or _mostly(lines, _is_data)
    )


def _binary(head: bytes) -> bool:
    """Whether bytes that are no UTF-8 are no text of an older encoding either: one of these has few of them."""
    return sum(byte >= 0x80 for byte in head) > 0.9 * len(head) or b"\0" in head


def _is_table(lines: list[str]) -> bool:
    """Whether the first lines have the same number of separators, which those of prose have not."""
    if len(lines) < 2:
        return False
    rows = lines[:-1] if len(lines) > 2 else lines  # the last one may be cut
    for mark, least in (("\t", 1), (",", 2), (";", 2), ("::", 2)):
        marks, times = Counter(line.count(mark) for line in rows).most_common(1)[0]
        if marks >= least and times >= MOST * len(rows):
            return True
    return False


def _is_mail(lines: list[str]) -> bool:
    return sum(bool(_HEADER.match(line)) for line in lines[:8]) >= 3


def _is_data(line: str) -> bool:
    """Whether a line has fewer letters than digits and signs."""
    letters = sum(char.isalpha() for char in line)
    return letters * 2 < sum(not char.isspace() for char in line)


def _mostly(lines: list[str], check: object) -> bool:
    return (
        len(lines) >= 3 and callable(check) and sum(bool(check(line)) for line in lines) >= MOST * len(lines)
    )


class Task(msgspec.Struct):
    """What stands before the bytes of a document, in a line of its own."""

    kind: str
    chars: int
    unpacked: int
    seconds: float


class Found(msgspec.Struct):
    """The text of a document, and what it says of itself; or the reason why there is none."""

    title: str = ""
    author: str = ""
    time: str = ""
    body: str = ""
    more: bool = False  # there is more text: the time or the limit was up
    reason: str = ""
    skip: bool = False  # nothing is wrong with it: it is no document


class Unreadable(Exception):
    """``str`` of it is the reason."""
