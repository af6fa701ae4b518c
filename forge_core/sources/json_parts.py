"""Long JSON arrays cut into parts of whole elements at about 1 GB/s, without a look at each byte.

Two ways, both exact on valid JSON; what is not valid ``Decoder`` sorts out:

- Where no string holds a bracket, dropping all but structure leaves pairs of quotation marks, and dropping those
  leaves brackets alone: two passes in C give the depth anywhere. Only the last few KB of a part are looked at byte
  by byte, for the end of its last element.
- Where elements begin with keys that begin no other object, ``,{"header":`` is where an element begins: it cannot
  stand inside a string of valid JSON.

Where neither is sure, and around the end of an array, the exact scan of ``json_stream.runs`` goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from forge_core.sources.base import Sink
from forge_core.sources.encoding import CHUNK, chunks
from forge_core.sources.json_stream import BETWEEN, RESYNC_AFTER, joined, opening_of, resume_at, runs

TAIL = 64 * 1024
_CLOSING = re.compile(rb'\]\s*(?:,\s*"|\})')  # an array under a key may end here
_DROPPED = bytes(sorted(set(range(256)) - set(b'"{}[]')))


def json_parts(
    stream: BinaryIO, sink: Sink, arrays: Sequence[bytes], anchor: bytes,
    first: bytes = b"", begin: bytes = b"", alone: bool = False,
) -> Iterator[bytes]:  # fmt: skip
    """The arrays under the keys ``arrays``, or with none the top-level one, in parts for ``Decoder``.

    ``anchor`` is a pattern of the quoted keys an element may begin with; ``begin`` one of what follows the brace of
    elements and of nothing within them, if there is such a thing. ``first`` was read from the stream already.
    ``alone`` says that the file has no other list, so that the end need not be looked for.
    """
    pieces = _Pieces(chunks(stream, first=first))
    wanted = list(arrays)
    while found := pieces.seek(opening_of(*wanted), bool(wanted)):
        name = found[1] if wanted else None
        cut = _cut_at(resume_at(begin), None if alone or name is None else _CLOSING) if begin else last_end
        yield from _quick_parts(pieces, found[0], sink, cut)
        yield from joined(runs(pieces, sink, name, anchor, pieces.back), sink.options.part_bytes)
        if name is None or wanted == [name]:
            return
        wanted.remove(name)
    if len(wanted) == len(arrays):
        sink.quarantine("no list in it" if arrays else "not a list")


def _quick_parts(pieces: _Pieces, opening: bytes, sink: Sink, cut: Callable[[bytes], int]) -> Iterator[bytes]:
    """Parts as long as it is sure where to cut; the rest is given back, with the opening of the array before it."""
    waiting, size = [next(pieces)[len(opening) :]], 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size < sink.options.part_bytes:
            continue
        buffer = b"".join(waiting)
        end = cut(buffer)
        waiting, size = [buffer[end:].lstrip(BETWEEN)], len(buffer) - end
        if not end:
            break
        if part := buffer[:end].strip(BETWEEN):
            yield part
    pieces.back(b"".join((opening, *waiting)))


def _cut_at(resume: re.Pattern[bytes], closing: re.Pattern[bytes] | None) -> Callable[[bytes], int]:
    """Where the last element of a buffer begins; the exact way where the array may end before."""

    def cut(buffer: bytes) -> int:
        if closing and closing.search(buffer):
            return last_end(buffer)
        return max(
            (at.start() for at in resume.finditer(buffer, max(len(buffer) - RESYNC_AFTER, 1))), default=0
        )

    return cut


class _Pieces:
    """Pieces of a stream, some of them given back."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._back: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._back.pop() if self._back else next(self._pieces)

    def back(self, data: bytes) -> None:
        """``data`` comes next, in pieces that ``runs`` can take at once in little memory."""
        self._back += [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)][::-1]

    def seek(self, opening: re.Pattern[bytes], anywhere: bool) -> re.Match[bytes] | None:
        """Go to where ``opening`` is, which comes next then; None where it is not, or not first of all."""
        buffer = b""
        for piece in self:
            buffer += piece
            if found := opening.search(buffer):
                self._back.append(buffer[found.start() :])  # in one piece: what follows begins with all of it
                return found
            if anywhere:
                buffer = buffer[-256:]
            elif buffer.strip():
                return None
        return None


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
