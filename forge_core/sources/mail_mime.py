"""The parts of a mail by their borders: where each lies in the bytes and what it is. Nothing is copied or decoded.

One pass over the lines that begin with two hyphens, with a table of the borders that are open: as long for three
thousand nested parts as for three.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from forge_core.sources.mail_box import Omission
from forge_core.sources.mail_headers import (
    charset,
    file_name,
    media_type,
    parameters,
    split,
    to_text,
    unbase64,
)

PARTS_MAX = 10_000
_HYPHENS_MAX = 200_000  # lines that begin with two hyphens are looked at; a long patch has thousands
_BORDER_MAX = 256  # bytes; RFC 2046 allows 70
_CACHED = 512  # bytes of a field whose meaning is kept for the next part that has the same


class TooManyParts(ValueError):
    """More parts than a mail has."""


class Type(NamedTuple):
    """A Content-Type field."""

    media: bytes
    charset: str | None
    border: bytes  # of the parts inside; empty where there are none


class Leaf(NamedTuple):
    """A part without parts: its type, its fields, and where its content lies."""

    type: Type
    fields: dict[bytes, bytes]
    start: int
    end: int


def _type(value: bytes) -> Type:
    media, found = media_type(value), parameters(value)
    border = found.get(b"boundary", b"").rstrip() if media.startswith(b"multipart/") else b""
    if media.startswith(b"multipart/") and not border:
        media = b"text/plain"  # without a border it can only be read as it stands
    return Type(media, charset(found.get(b"charset", b"")[:64]), border[:_BORDER_MAX])


_known_type = lru_cache(4096)(_type)
PLAIN = Type(b"text/plain", None, b"")
_MESSAGE = Type(b"message/rfc822", None, b"")


def type_of(fields: dict[bytes, bytes], missing: Type = PLAIN) -> Type:
    value = fields.get(b"content-type")
    if value is None:
        return missing
    return _known_type(value) if len(value) < _CACHED else _type(value)


def leaves(data: bytes, fields: dict[bytes, bytes], start: int, end: int) -> list[Leaf]:
    """The parts of the mail whose body lies in ``data[start:end]``; raises ``TooManyParts``."""
    whole = type_of(fields)
    if not whole.border:
        return [Leaf(whole, fields, start, end)]
    found: list[Leaf] = []
    stack, levels = [whole], {whole.border: 0}
    current: tuple[Type, dict[bytes, bytes], int] | None = None
    find, at, met = data.find, max(start - 1, 0), False
    for _ in range(_HYPHENS_MAX):
        at = find(b"\n--", at, end)
        if at < 0:
            break
        stop = find(b"\n", at + 3, at + 3 + _BORDER_MAX + 8)
        if stop < 0 or stop > end:
            stop = min(at + 3 + _BORDER_MAX + 8, end)
        text = data[at + 3 : stop].rstrip()
        level, closing = levels.get(text), False
        if level is None and text.endswith(b"--"):
            level, closing = levels.get(text[:-2]), True
        if level is None:
            at += 3
            continue
        met = True
        if current is not None:
            found.append(Leaf(*current, max(_before(data, at), current[2])))
            current = None
            if len(found) > PARTS_MAX:
                raise TooManyParts
        while len(stack) > level + (not closing):
            levels.pop(stack.pop().border)
        if not stack:
            break
        at = stop
        if closing:
            continue
        inner, body = split(data, stop, end)
        if (early := find(b"\n--", stop, body)) >= 0:  # a part without an empty line
            body = early + 1
        type_ = type_of(inner, _MESSAGE if stack[-1].media == b"multipart/digest" else PLAIN)
        if type_.border:
            if type_.border not in levels:  # else its parts are taken for those of the outer one
                levels[type_.border] = len(stack)
                stack.append(type_)
        else:
            current = type_, inner, body
    if current is not None:
        found.append(Leaf(*current, max(end, current[2])))
    # a mail that promises parts and has none is read as it stands
    return found if met else [Leaf(PLAIN, fields, start, end)]


def _before(data: bytes, newline: int) -> int:
    """The end of the content before a border: the line end belongs to the border."""
    return newline - 1 if newline and data[newline - 1] == 13 else newline


def encoding(leaf: Leaf) -> bytes:
    return leaf.fields.get(b"content-transfer-encoding", b"").strip(b' \t\r\n"').lower()


def is_attachment(leaf: Leaf) -> bool:
    """All that is no text to be read with the mail."""
    if leaf.type.media in (b"text/plain", b"text/html"):
        place = leaf.fields.get(b"content-disposition")
        return place is not None and place.partition(b";")[0].strip().lower() == b"attachment"
    return True


def attachment(data: bytes, leaf: Leaf, omitted: Sequence[Omission]) -> str:
    """``media type; bytes; name``; the bytes are counted, not decoded."""
    fields = leaf.fields
    name = file_name((fields.get(b"content-disposition", b""), fields.get(b"content-type", b"")))
    parts = (leaf.type.media.decode("ascii"), str(_size(data, leaf, omitted)), name)
    return "; ".join(parts if name else parts[:2])


def _size(data: bytes, leaf: Leaf, omitted: Sequence[Omission]) -> int:
    """Bytes of the content once decoded."""
    _, _, start, end = leaf
    size, ends, how = end - start, 0, encoding(leaf)
    for at, left_out, line_ends in omitted:
        if start < at <= end:
            size, ends = size + left_out, ends + line_ends
    if how == b"base64":
        digits = size - ends - data.count(b"\n", start, end) - data.count(b"\r", start, end)
        tail = data[max(start, end - 8) : end]
        return max(digits - tail.count(b"="), 0) * 3 // 4
    if how == b"quoted-printable":
        return max(size - 2 * data.count(b"=", start, end), 0)
    return size


def text(data: bytes, leaf: Leaf, most: int, unquote: bool) -> str:
    """The text of a part of which no more than ``most`` bytes are looked at."""
    content, how = data[leaf.start : min(leaf.end, leaf.start + most)], encoding(leaf)
    if how == b"base64":
        return to_text(unbase64(content), leaf.type.charset)
    if unquote and b">From " in content:
        content = unquoted(content)
    if how == b"quoted-printable":
        content = binascii.a2b_qp(content)
    return to_text(content, leaf.type.charset)


def unquoted(content: bytes) -> bytes:
    """Lines that an mbox quotes because they begin with ``From ``, as they were written."""
    lines = content.split(b"\n")
    return b"\n".join(
        line[1:] if line.startswith(b">") and line.lstrip(b">").startswith(b"From ") else line
        for line in lines
    )
