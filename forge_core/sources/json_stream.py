"""A JSON array of any length as a stream of typed records, in bounded memory.

``runs`` cuts the bytes at element borders by an exact scan for structure (numpy, no Python per byte); whole
runs of elements are decoded at once by msgspec into a Struct. Where a run does not decode, its elements are
tried one by one, so that a broken record leaves its neighbours alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from forge_core.sources.base import Sink
from forge_core.sources.encoding import CHUNK

ELEMENT_MAX = 1 << 20  # a record of a history has a few hundred bytes
DEPTH_MAX = 64
BETWEEN = b" \t\r\n,"  # what may stand between elements
_MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)
RESYNC_AFTER = 64 * 1024  # an element this long is looked at for a lost quotation mark


@dataclass
class _Scan:
    """Structure found in a buffer that begins between elements."""

    starts: list[int]
    ends: list[int]  # one past the element
    closed: int | None  # where the array ends, if it does
    deepest: int


class Lost(bytes):
    """A run around a lost quotation mark or bracket: joined to others it would spoil them."""


def opening_of(*names: bytes) -> re.Pattern[bytes]:
    """Where the array under one of these keys begins, or with none the top-level one."""
    keys = b"|".join(map(re.escape, names))
    return re.compile(rb'"(' + keys + rb')"\s*:\s*\[' if names else rb"\A\s*\[")


def _pieces(data: bytes) -> Iterator[bytes]:
    """Of the size that ``runs`` can take at once in little memory."""
    return (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))


def joined(found: Iterable[bytes], size_max: int) -> Iterator[bytes]:
    """Runs put together to parts."""
    waiting: list[bytes] = []
    size = 0
    for run in found:
        if isinstance(run, Lost) or size + len(run) > size_max:
            if waiting:
                yield b",".join(waiting)
            waiting, size = [], 0
        if isinstance(run, Lost):
            yield bytes(run)
        else:
            waiting.append(run)
            size += len(run)
    if waiting:
        yield b",".join(waiting)


def runs(
    pieces: Iterable[bytes], sink: Sink, array: bytes | None, anchor: bytes,
    after: Callable[[bytes], None] | None = None,
) -> Iterator[bytes]:  # fmt: skip
    """The array cut at element borders: runs of whole elements, with the commas between them.

    ``pieces`` are read no further than the array goes on; what was read beyond it is given to ``after``.

    ``anchor`` is a pattern of the quoted keys an element may begin with: ``,{"header":`` cannot occur inside
    a string of valid JSON, so it is where reading resumes after a lost quotation mark or bracket. A run around
    such a place holds what was lost; ``Decoder`` counts it.
    """
    resume = resume_at(anchor)
    buffer, skipping = b"", False
    source = iter(pieces)
    opening = opening_of(*[array] if array else [])
    for piece in source:
        buffer += piece
        if found := opening.search(buffer):
            buffer = buffer[found.end() :]
            break
        if array is None and buffer.strip():
            sink.quarantine("not a list")
            return
        buffer = buffer[-256:] if array else b""
    else:
        if array is None or buffer.strip():
            sink.quarantine("no list in it")
        return
    last = False
    while not last:
        more = next(source, None)
        last = more is None
        buffer += more or b""
        if skipping:  # inside an element that is too long: only its end is wanted
            if found := resume.search(buffer):
                buffer, skipping = buffer[found.end() :], False
            else:
                buffer = buffer[-512:]
                continue
        while True:
            scan = _scan(buffer)
            end = scan.closed if scan.closed is not None else (scan.ends[-1] if scan.ends else 0)
            if run := buffer[:end].strip(BETWEEN):
                yield run
            if scan.closed is not None:
                tail = buffer[scan.closed :]
                if array is not None and tail.startswith(b"]"):
                    if after:
                        after(tail)
                    return
                if found := resume.search(tail):  # closed by a stray bracket
                    sink.quarantine("malformed")
                    buffer = tail[found.end() :]
                    continue
                buffer, skipping = tail[-512:], True
                break
            buffer = buffer[end:].lstrip(BETWEEN)
            if not last and len(buffer) <= RESYNC_AFTER:
                break
            if not buffer:
                break
            *lost, rest = resume.split(buffer)
            if lost:  # a quotation mark or a bracket is missing: cut where elements begin
                yield from map(Lost, lost)
                buffer = rest
                continue
            if len(buffer) > ELEMENT_MAX:
                sink.quarantine("too long")
                buffer, skipping = buffer[-512:], True
            break
    if not skipping:
        sink.quarantine("truncated")


def resume_at(anchor: bytes) -> re.Pattern[bytes]:
    return re.compile(rb",\s*(?=\{\s*(?:" + anchor + rb")\s*:)")


def _tables() -> tuple[Any, Any]:
    import numpy as np

    structural = np.zeros(256, dtype=bool)
    step = np.zeros(256, dtype=np.int8)
    for char in b'"{}[]':
        structural[char] = True
    for char in b"{[":
        step[char] = 1
    for char in b"}]":
        step[char] = -1
    return structural, step


_TABLES: list[tuple[Any, Any]] = []


def _scan(buffer: bytes) -> _Scan:
    """Borders of the complete elements; exact for valid JSON."""
    import numpy as np

    if not _TABLES:
        _TABLES.append(_tables())
    structural, step = _TABLES[0]
    # escaped backslashes, then escaped quotes, are blanked; left to right, as a parser would
    plain = buffer.replace(rb"\\", b"..").replace(rb"\"", b"..") if b"\\" in buffer else buffer
    data = np.frombuffer(plain, dtype=np.uint8)
    where = np.flatnonzero(structural[data])
    chars = data[where]
    quotes = chars == 34
    inside = (np.cumsum(quotes) & 1).astype(bool)
    kept = ~quotes & ~inside
    where, steps = where[kept], step[chars[kept]]
    depth = np.cumsum(steps, dtype=np.int64)
    closed = None
    below = np.flatnonzero(depth < 0)
    if below.size:
        closed = int(where[below[0]])
        where, steps, depth = where[: below[0]], steps[: below[0]], depth[: below[0]]
    ends = where[(depth == 0) & (steps < 0)] + 1
    starts = where[(depth == 1) & (steps > 0)][: ends.size]
    return _Scan(starts.tolist(), ends.tolist(), closed, int(depth.max()) if depth.size else 0)


class Decoder:
    """Decodes runs of elements into Structs; what does not decode is tried element by element."""

    def __init__(self, struct: Any, anchor: bytes) -> None:
        self._struct, self._resume, self._anchor = struct, resume_at(anchor), anchor
        self._decode = msgspec.json.Decoder(list[struct]).decode

    def __call__(self, part: bytes, sink: Sink) -> Iterator[list[Any]]:
        whole = b"".join((b"[", part, b"]"))
        try:
            yield self._decode(whole)
            return
        except _MALFORMED:
            pass
        for run in runs(_pieces(whole), sink, None, self._anchor):  # some element is broken: find out which
            yield from self._run(run, sink)

    def _run(self, run: bytes, sink: Sink) -> Iterator[list[Any]]:
        try:
            yield self._decode(b"".join((b"[", run, b"]")))
            return
        except _MALFORMED:
            scan = _scan(run)
        elements, previous = [], 0
        for start, stop in [*zip(scan.starts, scan.ends, strict=True), (len(run), len(run))]:
            if between := run[previous:start].strip(BETWEEN):
                if between.startswith(b"{"):
                    elements.append(between)  # its end is lost
                else:
                    sink.quarantine("not an object")
            previous = stop
            if start < stop:
                elements.append(run[start:stop])
        yield from _each(elements, self._resume, self._struct, sink)


def _each(elements: list[bytes], resume: re.Pattern[bytes], struct: Any, sink: Sink) -> Iterator[list[Any]]:
    """The elements that can be decoded, the others quarantined."""
    kept = []
    for element in elements:
        record, reason = one(element, struct)
        if record is not None:
            kept.append(record)
            continue
        *parts, rest = resume.split(element)  # several, where a quotation mark or a bracket is missing
        sink.quarantine(reason, 0 if parts else 1)
        for part in [*parts, rest[: rest.rfind(b"}") + 1]] if parts else ():
            record, reason = one(part, struct)
            if record is not None:
                kept.append(record)
            else:
                sink.quarantine(reason)
    if kept:
        yield kept


def one(element: bytes, struct: Any) -> tuple[Any, str]:
    """(record, "") of a single element, or (None, reason)."""
    if len(element) > ELEMENT_MAX:
        return None, "too long"
    if element.count(b"{") + element.count(b"[") > DEPTH_MAX and _scan(element).deepest > DEPTH_MAX:
        return None, "too deep"
    try:
        return msgspec.json.decode(element, type=struct), ""
    except msgspec.ValidationError:
        return None, "wrong type"
    except _MALFORMED:
        if b"\\u" not in element:
            return None, "malformed"
    try:  # the standard parser takes lone surrogates
        loose = json.loads(element, parse_constant=_no_constant)
        return msgspec.convert(loose, type=struct), ""
    except msgspec.ValidationError:
        return None, "wrong type"
    except UnicodeDecodeError:
        return None, "not UTF-8"
    except (ValueError, RecursionError):
        return None, "malformed"


def _no_constant(name: str) -> float:
    raise ValueError("NaN and Infinity are not JSON")
