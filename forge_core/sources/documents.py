"""Documents: the text of txt, md, html, docx, odt and pdf files, whatever their names say they are.

What a file is, its first bytes tell; only prose cannot be told from data by its bytes, so there the name must
say that it is a text. Pictures are never decoded. Files that are parsed by large libraries or unpacked are read
in a child process with a time limit. The same content is the same item in every export.
"""

from __future__ import annotations

import atexit
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import PurePath
from typing import BinaryIO, cast

import msgspec

from forge_core.archives import Archive, Member
from forge_core.sources.base import HEAD, Batch, Format, Head, MemberReader, Sink, cut
from forge_core.sources.child import Child, ChildLost
from forge_core.sources.documents_kind import DOCX, HTML, IMAGE, MARKDOWN, ODT, OLE, PDF, Found, Task, kind_of
from forge_core.sources.encoding import as_utf8
from forge_core.sources.options import Options
from forge_core.sources.survey import KEPT
from forge_core.sources.text import decode, html_text
from forge_core.times import UNKNOWN, Moment, parse_iso

CHUNK = 1 << 20
CHAR_BYTES, MARKUP = 4, 2  # bytes of a character at most; of a page, as many again are markup
_OVERVIEW = re.compile(r'archive_browser|extracted-f(?:older|ile)-name|class="service-detail"')
_ACTIVITY = re.compile(r'class="(?:outer-cell|mdl-grid)|\.mdl-typography')
_TITLE = re.compile(r"<title\b[^>]{0,200}>([^<]{1,1000})</title", re.I)
_META = re.compile(r"<meta\s[^>]{1,1000}>", re.I)
_ATTRIBUTE = re.compile(r"""([\w:.-]{1,40})\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_AUTHOR = ("author", "dc.creator", "dcterms.creator", "article:author")
_TIMES = (
    "article:modified_time", "dcterms.modified", "last-modified", "article:published_time", "dcterms.created",
    "dcterms.date", "dc.date", "date",
)  # fmt: skip
_HEADING = re.compile(r"\A\s*(?:---\n(?:.{0,1000}\n){0,50}?---\n\s*)?# +(.{1,500})")
_PDF_DATE = re.compile(r"D?:?(\d{4})(\d\d)(\d\d)(\d\d)?(\d\d)?(\d\d)?(?:Z|([+-])(\d\d)'?(\d\d)?'?)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z")


class Documents(MemberReader):
    name = "documents"
    system = "documents"
    last = True  # any text is one, if no other reader knows it
    formats = (
        Format("text", "text", ("document",), "txt, md and rst files that hold no table, log or data"),
        Format("web page", "HTML", ("document",), "pages that are no page of activities and no overview"),
        Format("Word document", "docx", ("document",), "text, title, author and time of the last change"),
        Format("OpenDocument text", "odt", ("document",), "text, title, author and time of the last change"),
        Format(
            "PDF",
            "PDF",
            ("document",),
            "text, title, author and time of the last change; no text of pictures",
        ),
    )

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        return [name for name, head in heads.items() if kind_of(head.data, name)]

    def rows(self, archive: Archive, member: Member, sink: Sink) -> Iterator[Batch]:
        with archive.open(member) as stream:
            content = Content(stream, member.name, sink.options)
        found = content.found()
        if found.skip:
            sink.report.status, sink.report.reason = "skipped", found.reason
        elif found.reason:
            sink.report.status, sink.report.reason = "quarantined", found.reason
            sink.quarantine(found.reason)
        else:
            _row(found, content, member, sink)
        yield from sink.rest()


class Content:
    """A document's bytes, as far as they are looked at, and the digest of all of them."""

    def __init__(self, stream: BinaryIO, name: str, options: Options) -> None:
        self.options, head = options, stream.read(HEAD)
        self.kind = kind_of(as_utf8(head)[:KEPT], name)
        self._task = b""
        most = options.document_bytes
        if self.kind in (PDF, DOCX, ODT):
            limits = (options.text_chars, options.document_unpacked_bytes, options.document_seconds * 0.7)
            self._task = msgspec.json.encode(Task(self.kind, *limits)) + b"\n"
        else:
            most = CHAR_BYTES * (options.text_chars + 1) * (MARKUP if self.kind == HTML else 1)
        # one buffer with the task before it, as the child gets it: a document may be large
        self.data = bytearray(self._task)
        digest, size = hashlib.sha256(), 0
        while head and size <= options.document_bytes:
            self.data += head[: max(most - size, 0)]
            digest.update(head)
            size += len(head)
            head = stream.read(CHUNK)
        self.whole, self.digest = size <= most, digest.hexdigest()[:16]
        self.too_long = size > options.document_bytes

    def found(self) -> Found:
        """What is in it, or why nothing is."""
        if self.too_long:
            return Found(reason="too long")
        if self._task:
            return in_child(self.data, self.options.document_seconds)
        if self.kind is None:
            return Found(reason="no document", skip=True)  # its first 4 KiB say so, fewer did not
        if self.kind == IMAGE:
            return Found(reason="an image under the name of a document")
        if self.kind == OLE:
            return Found(reason="encrypted")  # what Word makes of a docx with a password
        if self.kind == HTML:
            return _page(decode(bytes(self._until(b">"))))
        return _text(self._until(b"\n"), self.kind)

    def _until(self, mark: bytes) -> bytearray:
        """All of it, or as much as is kept: to a mark, not to the middle of a character or of a tag."""
        end = len(self.data) if self.whole else self.data.rfind(mark) + 1
        return self.data[:end] if end else self.data


def _row(found: Found, content: Content, member: Member, sink: Sink) -> None:
    path = PurePath(member.name)
    folder = str(path.parent)
    if found.more:
        sink.pass_over("text cut")
    sink.add(
        "document", "documents", f"document:{content.digest}", when(found.time), 1,
        title=" ".join(found.title.split())[:1000] or path.stem, body=cut(found.body, sink) or None,
        media_type=content.kind, author=" ".join(found.author.split())[:300] or None,
        labels=None if folder == "." else [folder],
    )  # fmt: skip


@cache
def _child(seconds: float) -> Child:
    """One for all documents this process reads: it is kept until the process ends."""
    child = Child("forge_core.sources.documents_child:read", seconds)
    atexit.register(child.end)
    return child


def in_child(task: bytearray, seconds: float) -> Found:
    """What a child process finds in the document; a reason where it finds nothing, or is lost over it."""
    try:
        answer = _child(seconds).call(cast(bytes, task))  # any buffer will do, and is not copied
    except ChildLost as lost:
        return Found(reason=str(lost))
    return msgspec.json.decode(answer, type=Found)


def _page(page: str) -> Found:
    if _OVERVIEW.search(page):
        return Found(reason="the overview of an export", skip=True)
    if _ACTIVITY.search(page):
        return Found(reason="a page of activities without any", skip=True)
    from html import unescape

    meta: dict[str, str] = {}
    for tag in _META.findall(page[: 1 << 18]):
        fields = {name.lower(): one or other for name, one, other in _ATTRIBUTE.findall(tag)}
        name = fields.get("name") or fields.get("property") or fields.get("http-equiv") or ""
        meta.setdefault(name.lower(), unescape(fields.get("content", "")))
    title = _TITLE.search(page[: 1 << 20])
    return Found(
        title=unescape(title[1]) if title else "",
        author=next((meta[name] for name in _AUTHOR if meta.get(name)), ""),
        time=next((meta[name] for name in _TIMES if meta.get(name)), ""),
        body=html_text(page),
    )


def _text(data: bytearray, kind: str) -> Found:
    body = decode(bytes(data))
    heading = _HEADING.match(body[:100_000]) if kind == MARKDOWN else None
    return Found(title=heading[1].strip(" #") if heading else "", body=body.strip())


def when(text: str) -> Moment:
    """The moment a document tells of: ISO 8601, a day alone, or a date of PDF; unknown for anything else."""
    text = text.strip()
    if _DAY.match(text):
        text += "T00:00:00"
    if at := parse_iso(text):
        return at
    found = _PDF_DATE.match(text) if len(text) < 40 else None
    if not found:
        return UNKNOWN
    year, month, day, hour, minute, second, sign, hours, minutes = found.groups()
    zone = f"{sign}{hours}:{minutes or '00'}" if sign else "Z" if "Z" in text else ""
    iso = f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone}"
    return parse_iso(iso) or UNKNOWN


READER = Documents()
