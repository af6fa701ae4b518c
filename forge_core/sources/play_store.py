"""Google Play: apps installed on devices (Installs.json) and apps acquired (Library.json).

These files name apps by their titles alone: an app is ``app:<title>``, in lower case. My Activity, which links to the
store, has package names. Books, films and music of the library are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from forge_core.sources.activity import normal
from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.json_parts import json_parts
from forge_core.sources.json_stream import Decoder
from forge_core.times import UNKNOWN, parse_iso

_TOP = re.compile(rb'\s*\[\s*\{\s*"(?:install|libraryDoc)"\s*:\s*\{')
_FIELDS = re.compile(rb'"(?:firstInstallationTime|acquisitionTime|lastUpdateTime|documentType)"')
ANCHOR = rb'"(?:install|libraryDoc)"'


class Doc(msgspec.Struct, gc=False):
    documentType: str = ""
    title: str = ""


class Install(msgspec.Struct, gc=False):
    doc: Doc | None = None
    firstInstallationTime: str | None = None


class LibraryDoc(msgspec.Struct, gc=False):
    doc: Doc | None = None
    acquisitionTime: str | None = None


class Entry(msgspec.Struct, gc=False):
    """An entry of either file."""

    install: Install | None = None
    libraryDoc: LibraryDoc | None = None


DECODE = Decoder(Entry, ANCHOR)


class PlayStore(SplitReader):
    name = "play_store"
    formats = (
        Format("installed apps", "JSON", ("app_usage",), "Google Play Store/Installs.json"),
        Format("library", "JSON", ("app_usage",), "Google Play Store/Library.json"),
    )

    def recognise(self, head: bytes) -> bool:
        return bool(_TOP.match(head)) and bool(_FIELDS.search(head))

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return json_parts(stream, sink, [], ANCHOR, begin=ANCHOR)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        for number, entry in enumerate(entry for found in DECODE(part, sink) for entry in found):
            if entry.install:
                _row(entry.install.doc, entry.install.firstInstallationTime, "installed", sink, number)
            elif entry.libraryDoc:
                _row(entry.libraryDoc.doc, entry.libraryDoc.acquisitionTime, "acquired", sink, number)
            else:
                sink.quarantine("no item")
            yield from sink.full()
        yield from sink.rest()


def _row(doc: Doc | None, time: str | None, action: str, sink: Sink, number: int) -> None:
    at = parse_iso(time) if time else UNKNOWN
    if doc is None or not (name := normal(doc.title)):
        sink.quarantine("no item")
    elif doc.documentType and "android" not in doc.documentType.lower():
        sink.pass_over("not an app")
    elif at is None:
        sink.quarantine("unknown date")
    else:
        sink.add(
            "app_usage",
            "google_play",
            f"app:{name}",
            at,
            -sink.position(number),
            title=doc.title,
            action=action,
        )


READER = PlayStore()
