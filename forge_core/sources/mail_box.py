"""An mbox as a stream: where its messages begin, parts of whole messages, long attachments left out.

A part begins with one line of JSON that says what was left out of it: [[offset, bytes, line ends], …]; the
offsets count from the end of that line. So no byte of a message is ever taken for a word of ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from forge_core.sources.options import Options

_MONTHS = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
# "From address ctime": the address is one word, in list archives "user at host"; the date is English in any
# locale, with a zone before or after the year, or in the order of RFC 5322. Then comes a header line.
_FROM_LINE = (
    rb"From [ ]{0,8}[^\s]{1,512}(?: at [^\s]{1,512})?[ \t]{1,8}"
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?[ ]{1,4}"
    rb"(?:" + _MONTHS + rb"[ ]{1,4}\d{1,2}|\d{1,2}[ -]" + _MONTHS + rb"[ -]\d{4})[ ]{1,4}"
    rb"\d{1,2}:\d\d(?::\d\d)?(?:[ ][^\r\n]{0,128})?\r?\n"
)
FROM_LINE = re.compile(_FROM_LINE + rb"(?=(?:>From |[A-Za-z][!-9;-~]{0,76}[ \t]{0,8}:))")
_BORDER = re.compile(rb"\n" + FROM_LINE.pattern)
MARK = b"\nFrom "
_AHEAD = 4096  # a From_ line and the header line after it are shorter
_BLOCK = 16 * 1024
_STRUCTURE_MAX = 4 << 20  # of a message that is left out for the most part

Omission = tuple[int, int, int]  # offset, bytes, line ends among them


def starts(data: bytes | bytearray, begin: int, end: int) -> Iterator[int]:
    """Where From_ lines stand after an empty line; ``begin`` itself is not looked at."""
    for border in _BORDER.finditer(data, begin, end):
        if _after_empty(data, border.start()):
            yield border.start() + 1


def _after_empty(data: bytes | bytearray, newline: int) -> bool:
    """Whether the line that ends here is empty."""
    if newline and data[newline - 1] == 13:
        newline -= 1
    return newline > 0 and data[newline - 1] == 10


def boxes(pieces: Iterable[bytes], options: Options) -> Iterator[bytes]:
    """Parts of whole messages, of about ``part_bytes``; of a message longer than ``message_bytes`` its frame."""
    buffer, seen = bytearray(), 0  # no message begins in buffer[1:seen]
    left: Left | None = None
    for piece in pieces:
        buffer += piece
        while True:
            if left is not None:
                border = next(starts(buffer, 0, len(buffer)), None)
                left.take(buffer, border)
                if border is None:
                    break
                yield left.part()
                left, seen = None, 0
            elif len(buffer) < options.part_bytes:
                break
            elif border := _last_start(buffer, seen):
                with memoryview(buffer) as view:  # copied once: a part is most of what a reader holds
                    part = framed(view[:border])
                del buffer[:border]
                yield part
                seen = 0
            elif len(buffer) > options.message_bytes + _AHEAD:
                left = Left(buffer, options.message_bytes)
            else:
                seen = max(len(buffer) - _AHEAD, 0)
                break
    if left is not None:
        left.take(buffer, len(buffer))
        yield left.part()
    elif buffer:
        yield framed(buffer)


def one(pieces: Iterable[bytes], options: Options) -> bytes:
    """The part of a file that is one message."""
    buffer = bytearray()
    left: Left | None = None
    for piece in pieces:
        buffer += piece
        if left is None and len(buffer) > options.message_bytes + _AHEAD:
            left = Left(buffer, options.message_bytes)
        if left is not None:
            left.take(buffer)
    if left is None:
        return framed(buffer)
    left.take(buffer, len(buffer))
    return left.part()


def framed(data: bytes | bytearray | memoryview, omitted: Iterable[Omission] = ()) -> bytes:
    return b"".join((json.dumps(list(omitted)).encode(), b"\n", data))


def unframed(part: bytes) -> tuple[int, list[Omission]]:
    """Where the messages of a part begin, and what was left out, by offset in the part."""
    begin = part.index(b"\n") + 1
    return begin, [(begin + at, size, ends) for at, size, ends in json.loads(part[: begin - 1])]


def _last_start(buffer: bytearray, seen: int) -> int:
    """The last start of a message, 0 where there is none but the first."""
    at = len(buffer)
    while (at := buffer.rfind(MARK, seen, at)) >= 0:
        if _after_empty(buffer, at) and FROM_LINE.match(buffer, at + 1):
            return at + 1
    return 0


class Left:
    """A message too long to be held: its beginning, then only what may be a border of its parts."""

    def __init__(self, buffer: bytearray, limit: int) -> None:
        """Takes ``limit`` bytes from the front of ``buffer``, up to the end of a line where there is one."""
        edge = buffer.rfind(b"\n", max(limit - _BLOCK, 1), limit)
        edge = limit if edge < 0 else edge
        self._kept = buffer[:edge]
        del buffer[:edge]
        self._most = edge + _STRUCTURE_MAX
        self._omitted: list[Omission] = []
        self._wanted = True  # the headers of a part may reach into the block after its border

    def take(self, buffer: bytearray, end: int | None = None) -> None:
        """Consume what is sure to be of this message: all up to ``end``, else all but the last lines."""
        if end is None:
            end = len(buffer) - _AHEAD
            if end <= 0:
                return
            line = buffer.rfind(b"\n", 0, end)
            end = line if line > 0 else end
        if buffer.find(b"\n--", 0, end) < 0 and not self._wanted:
            self._omit(buffer, 0, end)
        else:
            self._sift(buffer, end)
        del buffer[:end]

    def _sift(self, buffer: bytearray, end: int) -> None:
        at = 0
        while at < end:
            edge = min(at + _BLOCK, end)
            if edge < end:  # blocks begin with a line end, so that no border is cut in two
                line = buffer.rfind(b"\n", at + 1, edge)
                edge = line if line > 0 else edge
            border = buffer.find(b"\n--", at, edge) >= 0
            if (border or self._wanted) and len(self._kept) < self._most:
                self._kept += buffer[at:edge]
            else:
                self._omit(buffer, at, edge)
            self._wanted = border
            at = edge

    def _omit(self, buffer: bytearray, begin: int, end: int) -> None:
        size = end - begin
        ends = buffer.count(b"\n", begin, end) + buffer.count(b"\r", begin, end)
        if self._omitted and self._omitted[-1][0] == len(self._kept):
            _, before, ends_before = self._omitted.pop()
            size, ends = size + before, ends + ends_before
        self._omitted.append((len(self._kept), size, ends))

    def part(self) -> bytes:
        return framed(self._kept, self._omitted)
