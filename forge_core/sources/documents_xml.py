"""Text of docx and odt: zipped XML, read as a stream with defusedxml.

No tree is built and no entity is resolved, so neither a bomb nor a reference to another file has any effect.
(python-docx and odfdo hold the whole tree in memory, and leave out the text of boxes.)
"""

from __future__ import annotations

import io
import re
import time
import xml.sax
import zipfile
from typing import Any
from xml.sax.handler import ContentHandler

from forge_core.sources.documents_kind import DOCX, Found, Task, Unreadable

MEMBERS_MAX = 10_000
RATIO_MAX, RATIO_FLOOR = 200, 16 << 20  # real documents reach 40:1
META_MAX = 1 << 20
CHUNK = 1 << 16
_MAIN = re.compile(r"word/document\d*\.xml\Z")
_SKIPPED = {"Fallback", "moveFrom", "tracked-changes", "annotation"}  # what is there twice, or no longer


def zipped(data: bytes, task: Task) -> Found:
    """Text and metadata; raises ``Unreadable``, and what zipfile raises."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if len(names) > MEMBERS_MAX:
            raise Unreadable("too large")
        word = task.kind == DOCX
        main = next(filter(_MAIN.match, sorted(names)), "") if word else "content.xml"
        if main not in names:
            raise Unreadable("malformed")
        if not word and "META-INF/manifest.xml" in names:
            with archive.open("META-INF/manifest.xml") as stream:
                if b"encryption-data" in stream.read(META_MAX):
                    raise Unreadable("encrypted")
        about: dict[str, str] = {}
        meta = "docProps/core.xml" if word else "meta.xml"
        if meta in names:
            try:
                about = _parse(archive, meta, Fields(), task, META_MAX).fields
            except Unreadable:
                about = {}
        body = _parse(archive, main, Text(task.chars), task, task.unpacked)
    return Found(
        clean(about.get("title", "")), clean(about.get("initial-creator") or about.get("creator", "")),
        about.get("modified") or about.get("date") or about.get("created") or about.get("creation-date") or "",
        clean("".join(body.texts).strip())[: task.chars], body.full,
    )  # fmt: skip


def _parse(archive: zipfile.ZipFile, name: str, handler: Any, task: Task, limit: int) -> Any:
    """Feed a member to the handler, until it has enough or the time is up."""
    from defusedxml import DefusedXmlException
    from defusedxml.expatreader import DefusedExpatParser

    info = archive.getinfo(name)
    if info.file_size > max(RATIO_FLOOR, RATIO_MAX * info.compress_size):
        raise Unreadable("a decompression bomb")
    until = time.monotonic() + task.seconds
    parser = DefusedExpatParser(
        namespaceHandling=1, forbid_dtd=True, forbid_entities=True, forbid_external=True
    )
    parser.setContentHandler(handler)
    read = 0
    try:
        with archive.open(name) as stream:
            while chunk := stream.read(CHUNK):
                read += len(chunk)
                if read > limit:
                    raise Unreadable("too large")
                parser.feed(chunk)
                if handler.full:
                    return handler
                if time.monotonic() > until:
                    raise Unreadable("took too long")
        parser.close()
    except DefusedXmlException:
        raise Unreadable("declares entities") from None
    except xml.sax.SAXException:
        raise Unreadable("malformed") from None
    return handler


def clean(text: str) -> str:
    """Without lone surrogates, which JSON cannot carry, and without PDFium's mark of a hyphen."""
    return text.replace("\ufffe", "-").replace("\0", "").encode("utf-8", "replace").decode("utf-8")


class Fields(ContentHandler):
    """The first text of each element, by its name without namespace."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.full = False
        self._name = ""

    def startElementNS(self, name: Any, qname: Any, attrs: Any) -> None:
        self._name = name[1]

    def endElementNS(self, name: Any, qname: Any) -> None:
        self._name = ""

    def characters(self, content: str) -> None:
        if self._name and len(self.fields) < 1000:
            self.fields[self._name] = (self.fields.get(self._name, "") + content)[:2000]


class Text(ContentHandler):
    """The words of paragraphs, a line each, as far as ``chars`` goes."""

    def __init__(self, chars: int) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.full = False
        self._left, self._skipped, self._inside = chars, 0, 0

    def startElementNS(self, name: Any, qname: Any, attrs: Any) -> None:
        space, local = name
        if self._skipped or local in _SKIPPED:
            self._skipped += 1
        elif local == "t" or (local in ("p", "h") and "opendocument" in (space or "")):
            self._inside += 1
        elif local == "tab":
            self._write("\t")
        elif local in ("br", "cr", "line-break"):
            self._write("\n")
        elif local == "s":
            spaces = next((value for (_, key), value in attrs.items() if key == "c"), "1")
            self._write(" " * (min(int(spaces), 1000) if spaces.isdecimal() else 1))

    def endElementNS(self, name: Any, qname: Any) -> None:
        space, local = name
        if self._skipped:
            self._skipped -= 1
            return
        if local == "t" or (local in ("p", "h") and "opendocument" in (space or "")):
            self._inside -= 1
        if local in ("p", "h"):
            self._write("\n")

    def characters(self, content: str) -> None:
        if self._inside and not self._skipped:
            self._write(content)

    def _write(self, text: str) -> None:
        if self._left > 0:
            self.texts.append(text)
            self._left -= len(text)
        else:
            self.full = True
