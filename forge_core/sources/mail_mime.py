"""The parts of a mail by their borders: where each lies in the bytes and what it is. Nothing is copied or decoded.

One pass over the lines that begin with two hyphens, with a table of the borders that are open: as long for three
thousand nested parts as for three.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
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
_HYPHENS = re.compile(rb"\n--([^\n]{0,264})")
_INSIDE_MAX = 100  # mails in mails
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
    whole, fields, start = _opened(data, type_of(fields), fields, start, end)
    if not whole.border:
        return [Leaf(whole, fields, start, end)]
    found: list[Leaf] = []
    stack, levels = [whole], {whole.border: 0}
    current: tuple[Type, dict[bytes, bytes], int] | None = None
    met = False
    for border in islice(_HYPHENS.finditer(data, max(start - 1, 0), end), _HYPHENS_MAX):
        text = border[1].rstrip()
        level, closing = levels.get(text), False
        if level is None and text.endswith(b"--"):
            level, closing = levels.get(text[:-2]), True
        if level is None:
            continue
        met, at = True, border.start()
        if current is not None:
            found.append(Leaf(*current, max(_before(data, at), current[2])))
            current = None
            if len(found) > PARTS_MAX:
                raise TooManyParts
        while len(stack) > level + (not closing):
            levels.pop(stack.pop().border)
        if not stack:
            break
        if closing:
            continue
        inner, body = _headers(data, border.end(), end)
        missing = _MESSAGE if stack[-1].media == b"multipart/digest" else PLAIN
        type_, inner, body = _opened(data, type_of(inner, missing), inner, body, end)
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


def _headers(data: bytes, newline: int, end: int) -> tuple[dict[bytes, bytes], int]:
    """The fields of a part and where its body begins; a part without an empty line has no body."""
    fields, body = split(data, newline, end)
    early = data.find(b"\n--", newline, body)
    return fields, early + 1 if early >= 0 else body


def _opened(
    data: bytes, kind: Type, fields: dict[bytes, bytes], start: int, end: int
) -> tuple[Type, dict[bytes, bytes], int]:
    """A mail that is shown inside a mail is read with it; one that is attached is not."""
    for _ in range(_INSIDE_MAX):
        if kind.media != b"message/rfc822" or _encoded(fields) or _attached(fields):
            break
        fields, start = _headers(data, start - 1, end)
        kind = type_of(fields)
    return kind, fields, start


def _before(data: bytes, newline: int) -> int:
    """The end of the content before a border: the line end belongs to the border."""
    return newline - 1 if newline and data[newline - 1] == 13 else newline


def encoding(fields: dict[bytes, bytes]) -> bytes:
    value = fields.get(b"content-transfer-encoding")
    return value.strip(b' \t\r\n"').lower() if value else b""


def _encoded(fields: dict[bytes, bytes]) -> bool:
    return encoding(fields) in (b"base64", b"quoted-printable")


def _attached(fields: dict[bytes, bytes]) -> bool:
    place = fields.get(b"content-disposition")
    return place is not None and place.partition(b";")[0].strip().lower() == b"attachment"


def is_attachment(leaf: Leaf) -> bool:
    """All that is no text to be read with the mail."""
    return leaf.type.media not in (b"text/plain", b"text/html") or _attached(leaf.fields)


def attachment(data: bytes, leaf: Leaf, omitted: Sequence[Omission]) -> str:
    """``media type; bytes; name``; the bytes are counted, not decoded."""
    fields = leaf.fields
    name = file_name((fields.get(b"content-disposition", b""), fields.get(b"content-type", b"")))
    parts = (leaf.type.media.decode("ascii"), str(_size(data, leaf, omitted)), name)
    return "; ".join(parts if name else parts[:2])


def _size(data: bytes, leaf: Leaf, omitted: Sequence[Omission]) -> int:
    """Bytes of the content once decoded."""
    _, _, start, end = leaf
    size, ends, how = end - start, 0, encoding(leaf.fields)
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
    content, how = data[leaf.start : min(leaf.end, leaf.start + most)], encoding(leaf.fields)
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
