"""A long JSON array cut into parts at about 1 GB/s, as exactly as ``json_stream`` cuts it.

Where no string holds a bracket, dropping all but structure leaves pairs of quotation marks, and dropping
those leaves brackets alone: two passes in C give the depth anywhere. Only the last few KB of a part are looked
at byte by byte, for the end of its last element. From the first buffer where this does not hold on, or that
holds the end of the array, ``json_stream`` goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO, cast

from forge_core.sources import json_stream
from forge_core.sources.base import Sink
from forge_core.sources.encoding import chunks

TAIL = 64 * 1024
_DROPPED = bytes(sorted(set(range(256)) - set(b'"{}[]')))
_BETWEEN = b" \t\r\n,"


def parts(stream: BinaryIO, sink: Sink, array: bytes | None, anchor: bytes) -> Iterator[bytes]:
    """As ``json_stream.parts``: the array under the key ``array``, or the top-level one."""
    pieces = chunks(stream)
    opening = re.compile(rb'"' + re.escape(array) + rb'"\s*:\s*\[' if array else rb"\A\s*\[")
    first = next(pieces, b"")
    found = opening.search(first)
    if found is None:  # an opening far off is rare, and no opening is for json_stream to report
        yield from json_stream.parts(as_stream(chain([first], pieces)), sink, array, anchor)
        return
    waiting, size = [first[found.end() :]], len(first)
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= sink.options.part_bytes:
            buffer = b"".join(waiting)
            end = last_end(buffer)
            if not end:
                waiting = [buffer]
                break
            if part := buffer[:end].strip(_BETWEEN):
                yield part
            waiting, size = [buffer[end:].lstrip(_BETWEEN)], len(buffer) - end
    head = b'"' + array + b'":[' if array else b"["
    yield from json_stream.parts(as_stream(chain([head, *waiting], pieces)), sink, array, anchor)


class _Pieces:
    """Pieces that are read as a stream; ``read`` gives the next one, of whatever size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int = -1) -> bytes:
        return next(self._pieces, b"")


def as_stream(pieces: Iterable[bytes]) -> BinaryIO:
    """UTF-8 that was read already, and more to come, as what ``parts`` reads from."""
    return cast(BinaryIO, _Pieces(filter(None, pieces)))


def last_end(buffer: bytes) -> int:
    """One past the last complete element of a buffer that begins between elements; 0 where it is not sure.

    Sure means: no string holds a bracket, the array does not end here, and an element ends in the last 64 KiB.
    """
    border = max(len(buffer) - TAIL, 0)
    # a backslash that ends the first piece would be parted from what it escapes
    while border and buffer[border - 1] == 0x5C:
        border -= 1
    depth, inside = _state(buffer[:border])
    if depth is None:
        return 0
    tail = (b'"' if inside else b"") + buffer[border:]
    where, depths = _brackets(tail)
    depths += depth
    if not where.size or depths.min() < 0:
        return 0
    closed = where[depths == 0]
    return int(closed[-1]) + 1 - inside + border if closed.size else 0


def _state(data: bytes) -> tuple[int | None, bool]:
    """(depth at the end, whether a string is open there); depth is None where it is not sure."""
    import numpy as np

    if b"\\" in data:
        data = data.replace(rb"\\", b"").replace(rb"\"", b"")
    rest = data.translate(None, _DROPPED).replace(b'""', b"")
    quotes = rest.count(b'"')
    if quotes > 1 or (quotes and not rest.endswith(b'"')):
        return None, False
    codes = np.frombuffer(rest[: len(rest) - quotes], dtype=np.uint8)
    steps = np.where(codes & 2, 1, -1) * (codes != 0)  # [ and { have the bit that ] and } lack
    if not steps.size:
        return 0, bool(quotes)
    depths = np.cumsum(steps)
    return (None if depths.min() < 0 else int(depths[-1])), bool(quotes)


def _brackets(data: bytes) -> tuple[Any, Any]:
    """Where brackets outside strings are, and the depth after each; exact."""
    import numpy as np

    plain = data.replace(rb"\\", b"..").replace(rb"\"", b"..") if b"\\" in data else data
    codes = np.frombuffer(plain, dtype=np.uint8)
    inside = (np.cumsum(codes == 0x22, dtype=np.int64) & 1).astype(bool)
    lower = codes | 0x20  # [ and { are alike then, ] and } too
    steps = np.where(lower == 0x7B, 1, np.where(lower == 0x7D, -1, 0))
    steps[inside] = 0
    where = np.flatnonzero(steps)
    return where, np.cumsum(steps[where])
