"""Google Keep notes: one JSON file each. The HTML page of a note whose JSON lies beside it is passed over.

The time of a note is that of its last edit, so that a note edited between two exports is there in both versions,
as one item. Notes in the trash are passed over: their owner threw them away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from forge_core.archives import Archive, Member
from forge_core.sources.base import Batch, Format, Head, MemberReader, Sink, cut
from forge_core.sources.chats import digest
from forge_core.sources.encoding import as_utf8
from forge_core.sources.json_stream import ELEMENT_MAX, one
from forge_core.sources.options import Options
from forge_core.times import parse_epoch

# as keys, not inside a text: there the quotation marks are escaped
_STATES = re.compile(rb'"(?:isTrashed|isPinned|isArchived)"\s*:\s*(?:true|false)\s*[,}]')
_OBJECT = re.compile(rb'\s*\{\s*"')
_PAGE = re.compile(rb"\s*(?:<\?xml[^>]{0,200}\?>\s*)?<(?:!doctype html|html)", re.I)


class Item(msgspec.Struct):
    text: str = ""
    isChecked: bool = False


class Label(msgspec.Struct):
    name: str = ""


class Annotation(msgspec.Struct):
    title: str | None = None
    url: str | None = None


class Note(msgspec.Struct):
    """The fields that are read, by Keep's names."""

    title: str | None = None
    textContent: str | None = None
    listContent: list[Item] | None = None
    labels: list[Label] | None = None
    annotations: list[Annotation] | None = None
    isTrashed: bool = False
    userEditedTimestampUsec: int | str | None = None
    createdTimestampUsec: int | str | None = None


class Keep(MemberReader):
    name = "keep"
    formats = (
        Format("Keep note", "JSON", ("document",), "one file per note: text, checklist, labels, links"),
    )

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        notes = [name for name, head in heads.items() if self.recognise(head.data)]
        pages = [f"{name.removesuffix('.json')}.html" for name in notes]
        return [*notes, *(name for name in pages if name in heads and _PAGE.match(heads[name].data))]

    def recognise(self, head: bytes) -> bool:
        return bool(_OBJECT.match(head)) and len(set(_STATES.findall(head))) >= 2

    def rows(self, archive: Archive, member: Member, sink: Sink) -> Iterator[Batch]:
        with archive.open(member) as stream:
            data = as_utf8(stream.read(ELEMENT_MAX + 1))  # Keep ends a note at 20,000 characters
        if _PAGE.match(data):
            sink.report.status, sink.report.reason = "skipped", "the note is read from its JSON"
        else:
            _row(data, sink)
        yield from sink.rest()


def _row(data: bytes, sink: Sink) -> None:
    note, reason = one(data, Note)
    if note is None:
        sink.quarantine(reason)
        return
    at = None if note.userEditedTimestampUsec is None else parse_epoch(note.userEditedTimestampUsec)
    if note.isTrashed:
        sink.pass_over("in the trash")
    elif at is None:
        sink.quarantine("unknown date")  # every note has been edited once
    else:
        body = _body(note)
        created = note.createdTimestampUsec  # since 2021
        sink.add(
            "document", "keep", f"keep:{created or digest(note.title, body)}", at, 1,
            title=note.title or None, body=cut(body, sink) or None, media_type="text/plain",
            labels=[label.name for label in note.labels or () if label.name] or None,
        )  # fmt: skip


def _body(note: Note) -> str:
    """The text, the checklist and the links, a line each."""
    lines = [note.textContent] if note.textContent else []
    lines += [f"[{'x' if item.isChecked else ' '}] {item.text}" for item in note.listContent or ()]
    lines += [" ".join(filter(None, (one.title, one.url))) for one in note.annotations or ()]
    return "\n".join(filter(None, lines))


READER = Keep()
