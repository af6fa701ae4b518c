"""XML of any length as elements that begin and end, in bounded memory, with nothing declared and nothing fetched.

expat with its hazards shut off: an entity declaration ends the reading (billion laughs, external entities), as do
elements nested too deep and a token that will not end. Where the text is broken, reading resumes at the next
element that can stand by itself.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO
from xml.parsers import expat

from forge_core.sources.base import Sink
from forge_core.sources.encoding import chunks

DEPTH_MAX = 64
TOKEN_MAX = 4 << 20  # bytes of one tag or comment
TEXT_MAX = 1 << 20  # characters of one element's text; a path without times may be long
RESUMED_MAX = 1000  # a file that is broken more often is given up
PIECE = 256 * 1024
RESUMED = b"<resumed>"

# encodings that a declaration may name, besides UTF-8 and what a byte order mark tells; all are safe to decode
_DECLARED = re.compile(
    rb"<\?xml[^>]{0,100}encoding\s*=\s*[\"'](iso-8859-(?:1[013-6]|[1-9])|windows-125[0-8]|koi8-[ru]|shift_jis|euc-jp|euc-kr|"
    rb"gb2312|gbk|gb18030|big5)[\"']",
    re.I,
)

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str, str], None]


class _Stop(Exception):
    """Reading ends here; the message is the reason."""


class Elements:
    """Calls ``start(name, attributes)`` and ``end(name, text)``, names without prefix.

    Text is collected for the names in ``leaves`` alone. ``anchor`` is a pattern of tags at which reading may
    resume.
    """

    def __init__(self, start: Start, end: End, leaves: frozenset[str], anchor: bytes) -> None:
        self._start, self._end, self._leaves = start, end, leaves
        self._anchor = re.compile(anchor)
        self._text: list[str] | None = None
        self._size = self._depth = 0

    def read(self, stream: BinaryIO, sink: Sink) -> Iterator[None]:
        """Go through the stream; a stop after each piece, for batches to be handed over."""
        self._parser, self._fed, self._resumed, self._lost = self._fresh(), 0, 0, b""
        try:
            for piece in _as_utf8(stream):
                left: bytes | None = self._lost + piece
                if self._lost:
                    left = self._after(left or b"", 0)
                while left is not None:
                    left = self._feed(left, sink)
                yield
            if not self._lost:
                self._finish(sink)
        except _Stop as reason:
            sink.quarantine(str(reason))

    def _feed(self, piece: bytes, sink: Sink) -> bytes | None:
        """None when the piece is done with, else what is to be tried after a break in it."""
        try:
            self._parser.Parse(piece, False)
        except expat.ExpatError:
            sink.quarantine("malformed")
            at = max(self._parser.ErrorByteIndex - self._fed, 0) + 1
            self._resumed += 1
            if self._resumed > RESUMED_MAX:
                raise _Stop("given up") from None
            self._parser = self._fresh()
            self._text, self._depth = None, 0
            self._parser.Parse(RESUMED, False)
            self._fed = len(RESUMED)
            self._start("", {})
            return self._after(piece, at)
        self._fed += len(piece)
        if self._fed - self._parser.CurrentByteIndex > TOKEN_MAX:
            raise _Stop("too long")
        return None

    def _after(self, piece: bytes, at: int) -> bytes | None:
        """The piece from the next element that can stand by itself."""
        if found := self._anchor.search(piece, at):
            self._lost = b""
            return piece[found.start() :]
        self._lost = piece[at:][-256:] or b" "
        return None

    def _finish(self, sink: Sink) -> None:
        try:
            self._parser.Parse(b"", True)
        except expat.ExpatError:
            if not self._resumed:  # else the root was left open long ago
                sink.quarantine("truncated")

    def _fresh(self) -> Any:
        parser = expat.ParserCreate("utf-8")  # whatever it declares: see ``_as_utf8``
        parser.buffer_text = True
        parser.StartElementHandler = self._open
        parser.EndElementHandler = self._close
        parser.CharacterDataHandler = self._more
        parser.EntityDeclHandler = _refuse
        parser.UnparsedEntityDeclHandler = _refuse
        parser.ExternalEntityRefHandler = _refuse
        return parser

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise _Stop("too deep")
        if ":" in name:
            name = name.rpartition(":")[2]
        self._text, self._size = ([], 0) if name in self._leaves else (None, 0)
        self._start(name, attributes)

    def _close(self, name: str) -> None:
        self._depth -= 1
        if ":" in name:
            name = name.rpartition(":")[2]
        text, self._text = "".join(self._text).strip() if self._text else "", None
        self._end(name, text)

    def _more(self, text: str) -> None:
        if self._text is not None and self._size <= TEXT_MAX:
            self._size += len(text)
            self._text.append(text[:TEXT_MAX])


def _as_utf8(stream: BinaryIO) -> Iterator[bytes]:
    """The text in UTF-8, from what its first bytes or its declaration say that it is written in."""
    first = stream.read(PIECE)
    declared = _DECLARED.match(first)
    if declared is None:
        yield from chunks(stream, PIECE, first)
        return
    decoder = codecs.getincrementaldecoder(declared[1].decode("ascii"))("replace")
    while first:
        yield decoder.decode(first).encode("utf-8", "replace")
        first = stream.read(PIECE)


def _refuse(*declared: Any) -> int:
    raise _Stop("entity declaration")
