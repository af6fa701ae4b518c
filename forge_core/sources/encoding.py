"""Text members as UTF-8 bytes, whatever they were written in, and a stream that can be searched ahead."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

CHUNK = 1 << 20


def encoding_of(head: bytes) -> str | None:
    """The encoding that the first bytes give away, None for UTF-8 and its subsets."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(head) >= 4 and head[0] and not head[1] and head[2] and not head[3]:
        return "utf-16-le"
    if len(head) >= 4 and not head[0] and head[1] and not head[2] and head[3]:
        return "utf-16-be"
    return None


def as_utf8(data: bytes) -> bytes:
    """A head as UTF-8 without byte order mark; what cannot be decoded is left as it is."""
    encoding = encoding_of(data)
    if encoding is None:
        return data.removeprefix(codecs.BOM_UTF8)
    return codecs.getincrementaldecoder(encoding)("replace").decode(data).encode("utf-8", "replace")


def chunks(stream: BinaryIO, size: int = CHUNK, first: bytes = b"") -> Iterator[bytes]:
    """The stream as UTF-8, without byte order mark; ``first`` is what was read of it already."""
    first = first or stream.read(size)
    encoding = encoding_of(first)
    if encoding is None:
        yield first.removeprefix(codecs.BOM_UTF8)
        while data := stream.read(size):
            yield data
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    yield decoder.decode(first).encode("utf-8", "replace")
    while data := stream.read(size):
        yield decoder.decode(data).encode("utf-8", "replace")
