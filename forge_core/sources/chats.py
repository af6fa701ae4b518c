"""What readers of chats share: lines of any length, names of attachments, ids made of what does not change."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterator
from typing import BinaryIO

from forge_core.sources.base import Sink
from forge_core.sources.encoding import chunks

UNNAMED = "unknown"  # an attachment that was left out of the export
_TYPES = mimetypes.MimeTypes()  # the library's own table: the same on every machine


def lines(stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
    """Lines as UTF-8 without their ends; of one longer than ``line_bytes`` the beginning, counted."""
    limit, rest, skipping = sink.options.line_bytes, b"", False
    for piece in chunks(stream):
        if skipping:
            _, newline, piece = piece.partition(b"\n")
            if not newline:
                continue
            skipping = False
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if len(line) > limit:
                sink.pass_over("line cut")
            yield line[:limit].removesuffix(b"\r")
        if len(rest) > limit:
            sink.pass_over("line cut")
            yield rest[:limit]
            rest, skipping = b"", True
    if rest:
        yield rest.removesuffix(b"\r")


def digest(*parts: str | None) -> str:
    """16 hex digits of what the parts say together; ``None`` and "" are the same."""
    text = "\0".join(part or "" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def attachment(name: str | None, media: str | None = None, size: int | None = None) -> str:
    """``media type; bytes; name``, with ``?`` where the export does not say."""
    if not media and name:
        media = _TYPES.guess_type(name)[0]
    return f"{media or '?'}; {'?' if size is None else size}; {name or UNNAMED}"
