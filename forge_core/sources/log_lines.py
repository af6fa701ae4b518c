"""Lines of logs: parts of whole lines of any size of file, and text that a terminal can show safely."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from forge_core.sources.base import Sink
from forge_core.sources.encoding import chunks

# control characters but the tab, and what changes the direction of writing or cannot be seen: first and last
_RANGES = (
    (0x00, 0x08), (0x0A, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200F),
    (0x2028, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0000, 0xE007F),
)  # fmt: skip
_UNSEEN = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _RANGES) + "]")
_WRITTEN = {
    code: chr(code).encode("unicode_escape").decode()
    for first, last in _RANGES
    for code in range(first, last + 1)
}


def line_parts(stream: BinaryIO, sink: Sink, mark: bytes = b"", first: bytes = b"") -> Iterator[bytes]:
    """The stream as UTF-8 in parts of whole lines; a line that outgrows memory is quarantined.

    Each part begins with ``mark``; ``first`` is what was read of the stream already.
    """
    limit, whole, size = sink.options.line_bytes, [], 0
    rest, skipping = b"", False
    for piece in chunks(stream, first=first):
        if skipping:
            _, newline, piece = piece.partition(b"\n")
            if not newline:
                continue
            skipping = False
        data = rest + piece
        end = data.rfind(b"\n") + 1
        rest = data[end:]
        if end:
            whole.append(data[:end])
            size += end
        if len(rest) > limit:
            sink.quarantine("too long")
            rest, skipping = b"", True
        if size >= sink.options.part_bytes:
            yield mark + b"".join(whole)
            whole, size = [], 0
    if rest:
        whole.append(rest)
    if whole:
        yield mark + b"".join(whole)


def lines(part: bytes, sink: Sink) -> Iterator[tuple[int, bytes]]:
    """(number, line) without its end; blank lines are nothing, too long ones are quarantined."""
    limit = sink.options.line_bytes
    for number, line in enumerate(part.split(b"\n")):
        line = line.rstrip(b"\r")
        if len(line) > limit:
            sink.quarantine("too long")
        elif line and not line.isspace():
            yield number, line


def visible(text: str) -> str:
    r"""The text with what cannot be seen written out: ``\x1b``, ``\r``, ``\u202e``.

    So no log line can colour a terminal, turn its words round or end where it does not.
    """
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_WRITTEN) if _UNSEEN.search(text) else text
