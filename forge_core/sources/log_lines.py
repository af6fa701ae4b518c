"""Lines of logs: parts of whole lines of any size of file, and text that a terminal can show safely."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from forge_core.sources.base import Sink
from forge_core.sources.encoding import chunks

# control characters but the tab, and what changes the direction of writing or cannot be seen
_UNSEEN = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)


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
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
