"""A calendar file without folds, cut into entries; a long one into parts that hold whole series.

All entries with one UID must be seen together: an occurrence that was moved replaces one of its series,
wherever it stands in the file. A long file is held without what is not read of it (descriptions,
attachments) and dealt out by UID. Of more than ``HELD`` bytes, single entries go out as they come and only
series are held; where these alone pass half of that, they go out too, and a change that stands further behind
is an event beside the one it changes. A zone must then stand before the entries that use it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from zlib import crc32

from forge_core.sources.base import Sink

ENTRY_MAX = 16 << 20  # an entry may have attachments inside
HELD = 40 << 20
_ENTRY_COST = 150  # bytes of memory that go with each entry held
_DEFINITION_MAX, _DEFINITIONS_MAX = 256 << 10, 4 << 20
_BEGIN, _END = b"\nBEGIN:VEVENT\n", b"\nEND:VEVENT"
_ODD_MARK = re.compile(rb"\n(begin|end|BEGIN|END):[ \t]*(\w+)[ \t]*(?=\n)", re.I)
_IS_ODD = re.compile(rb"\n(?:begin:|Begin:|BEGIN:(?:[a-z ]|[A-Z]+[ \t]))")
_OTHERS = (b"\nBEGIN:VTODO\n", b"\nBEGIN:VJOURNAL\n", b"\nBEGIN:VFREEBUSY\n", b"\nBEGIN:VAVAILABILITY\n")
_SETTING = re.compile(rb"\n(X-WR-TIMEZONE|METHOD)(?:;[^:\n]*)?:([^\n]{0,200})", re.I)
_BULK = re.compile(
    rb"\n(?:DESCRIPTION|X-ALT-DESC|ATTACH|COMMENT|STYLED-DESCRIPTION|X-(?!MICROSOFT-CDO-ALL|WR-)[^\n:;]*)[:;][^\n]*"
)
_UID = re.compile(rb"\nUID[^:\n]*:([^\n]*)", re.I)
_SERIES = re.compile(rb"\n(?:RRULE|RDATE|RECURRENCE-ID)[:;]", re.I)


def unfold(data: bytes) -> bytes:
    """Lines ended by LF alone, joined where they were folded (by a line that begins with a blank)."""
    if b"\r" in data:
        data = data.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n")
        if b"\r" in data:
            data = data.replace(b"\r", b" " if b"\n" in data else b"\n")
    while b"\n\n" in data:  # an empty line between two folds is still the same line
        data = data.replace(b"\n\n", b"\n")
    return data.replace(b"\n ", b"").replace(b"\n\t", b"")


def parts(pieces: Iterable[bytes], sink: Sink) -> Iterator[bytes]:
    """Unfolded parts: the whole file where it is short."""
    buffer, source = b"", iter(pieces)
    for piece in source:
        buffer += piece
        if len(buffer) > sink.options.part_bytes:
            yield from _dealt(_whole_entries(buffer, source, sink), sink)
            return
    if buffer:
        yield unfold(buffer)


def cut(data: bytes) -> Iterator[tuple[bytes, bytes | None, bool]]:
    """(what stands before an entry, its lines, whether it has an end) of unfolded bytes, the rest at last."""
    data = b"\n" + data
    if _IS_ODD.search(data):
        data = _ODD_MARK.sub(lambda mark: b"\n%s:%s" % (mark[1].upper(), mark[2].upper()), data)
    before, *blocks = data.split(_BEGIN)
    for block in blocks:
        lines, end, after = (b"\n" + block).partition(_END)
        yield before, lines, bool(end)
        before = after
    yield before, None, True


def settings(before: bytes, known: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """What the lines between entries say of those that follow: X-WR-TIMEZONE and METHOD."""
    if len(before) < 8:
        return known
    if b"\nBEGIN:VCALENDAR" in before:
        known = {}
    found = {name.upper(): value.strip() for name, value in _SETTING.findall(before)}
    return known | found if found else known


def definitions(data: bytes) -> dict[str, str]:
    """The texts of VTIMEZONE by name; the first of a name."""
    found: dict[str, str] = {}
    size = 0
    for block in (b"\n" + data).split(b"\nBEGIN:VTIMEZONE\n")[1:]:
        text = b"\n" + block[:_DEFINITION_MAX].partition(b"\nEND:VTIMEZONE")[0]
        name = re.search(rb"\nTZID[^:\n]*:([^\n]*)", text, re.I)
        size += len(text)
        if name and size <= _DEFINITIONS_MAX:
            found.setdefault(name[1].decode("utf-8", "replace").strip(), text.decode("utf-8", "replace"))
    return found


def no_events(data: bytes) -> int:
    """How many tasks, journals and times of absence there are."""
    return sum(data.count(mark) for mark in _OTHERS)


def _whole_entries(buffer: bytes, source: Iterator[bytes], sink: Sink) -> Iterator[bytes]:
    """A long file in unfolded pieces, each ending before a BEGIN:VEVENT or at the end of the file."""
    mark, skipping, last = b"\nBEGIN:VEVENT", False, False
    while not last:
        more = next(source, None)
        last = more is None
        buffer += more or b""
        if skipping:
            place = buffer.find(mark)
            buffer, skipping = buffer[place if place >= 0 else -len(mark) :], place < 0
        elif (place := buffer.rfind(mark)) > 0:
            yield unfold(buffer[:place])
            buffer = buffer[place:]
        elif len(buffer) > ENTRY_MAX:
            sink.quarantine("too long")
            buffer, skipping = buffer[-len(mark) :], True
    if not skipping:
        yield unfold(buffer)


def _dealt(pieces: Iterable[bytes], sink: Sink) -> Iterator[bytes]:
    """The parts of a long file."""
    dealer = _Dealer(sink.options.part_bytes)
    known: dict[bytes, bytes] = {}
    zones: dict[str, str] = {}
    for piece in pieces:
        if sum(map(len, zones.values())) < _DEFINITIONS_MAX:
            zones = definitions(piece) | zones
        if others := no_events(piece):
            sink.pass_over("not an event", others)
        for before, lines, ended in cut(_BULK.sub(b"", piece)):
            known = settings(before, known)
            if not ended:
                sink.quarantine("malformed")
            elif lines is not None:
                dealer.add(known, lines)
        if dealer.size > HELD:
            yield from dealer.deal(zones, keep_series=True)
    yield from dealer.deal(zones)


class _Dealer:
    """Entries that wait to be dealt out, each with the settings it stands under."""

    def __init__(self, part_bytes: int) -> None:
        self.part_bytes = part_bytes
        self.waiting: list[tuple[dict[bytes, bytes], bytes]] = []
        self.size = 0

    def add(self, known: dict[bytes, bytes], lines: bytes) -> None:
        self.waiting.append((known, lines))
        self.size += len(lines) + _ENTRY_COST

    def deal(self, zones: dict[str, str], keep_series: bool = False) -> Iterator[bytes]:
        """Parts of what waits, those of one UID together; series may wait on while there is room."""
        going, staying = self.waiting, []
        if keep_series:
            staying = [one for one in going if _SERIES.search(one[1])]
            if sum(len(lines) + _ENTRY_COST for _, lines in staying) > HELD // 2:
                staying = []
            else:
                going = [one for one in going if not _SERIES.search(one[1])]
        self.waiting, self.size = [], 0
        for known, lines in staying:
            self.add(known, lines)
        count = sum(len(lines) for _, lines in going) // self.part_bytes + 1
        hands: list[list[tuple[dict[bytes, bytes], bytes]]] = [[] for _ in range(count)]
        while going:
            one = going.pop()
            uid = _UID.search(one[1])
            hands[crc32(uid[1].strip() if uid else one[1]) % count].append(one)
        head = b"".join(b"\nBEGIN:VTIMEZONE%s\nEND:VTIMEZONE" % text.encode() for text in zones.values())
        for hand in hands:
            hand.reverse()  # as in the file
            yield from self._parts(head, hand)
            hand.clear()

    def _parts(self, head: bytes, hand: list[tuple[dict[bytes, bytes], bytes]]) -> Iterator[bytes]:
        """One part as a rule; more where one UID has more entries than any series."""
        pieces, size, last = [head], 0, None
        for known, lines in hand:
            if known is not last:
                pieces.append(b"\nBEGIN:VCALENDAR" + b"".join(b"\n%s:%s" % line for line in known.items()))
                last = known
            pieces.append(b"\nBEGIN:VEVENT%s\nEND:VEVENT" % lines)
            size += len(lines) + _ENTRY_COST
            if size > 4 * self.part_bytes:
                yield b"".join(pieces)
                pieces, size, last = [head], 0, None
        if size:
            yield b"".join(pieces)
