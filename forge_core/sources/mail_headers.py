"""Header fields of a mail out of its bytes, and what stands in them: words, addresses, ids, labels, parameters.

Fields are unfolded and read as RFC 5322, 2047 and 2231 have them, and as they are really written. A field never
makes another one: line ends that hide in encoded words become blanks.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterable
from functools import lru_cache

from forge_core.sources.base import clean
from forge_core.sources.encoding import encoding_of
from forge_core.sources.text import decode

_NAMES = (
    rb"From|To|Cc|Bcc|Subject|Date|Message-ID|In-Reply-To|References|X-GM-THRID|X-Gmail-Labels|"
    rb"Content-Type|Content-Transfer-Encoding|Content-Disposition"
)
_FIELD = re.compile(rb"\n((?i:" + _NAMES + rb"))[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)")
_HEADER = re.compile(rb"[!-9;-~]{1,998}[ \t]*:|[ \t]|>?From ")
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_FIELD_MAX = 64 * 1024  # two thousand recipients; what is longer is cut
_CACHED = 1024  # bytes of a field whose meaning is kept for the next mail that has the same

# names that Python knows as codecs and no mail is written in; the first two take quadratic time
_NO_CHARSET = {"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"}
# ASCII bytes mean themselves in these: nearly all text goes the short way
_ASCII_FIRST = re.compile(r"ascii|utf-8|iso8859-\d+|cp125\d|koi8-[ru]|gb2312|gbk|gb18030|big5|euc_(?:kr|jp)")

_ASCII = bytes(range(128))
# A text with one byte in fifty outside ASCII is in a Western language, with a pound sign or typographic quotes:
# others have more. To guess at its encoding takes a millisecond and is wrong more often.
_RARE = 50

_WORD = re.compile(
    rb"=\?([^?\s*]{1,64})(?:\*[^?\s]*)?\?([bBqQ])\?(.{0,4096}?)\?=(?:[ \t\r\n]+(?==\?))?", re.S
)


def split(data: bytes, start: int, end: int) -> tuple[dict[bytes, bytes], int]:
    """The fields that are read, by lower-case name, and where the body begins.

    ``start`` is the line end before the first header. Of a field that is repeated the first counts.
    """
    if not _HEADER.match(data, start + 1, end):
        return {}, min(start + 1, end)
    empty = _EMPTY_LINE.search(data, start, end)
    stop, body = empty.span() if empty else (end, end)
    found = _FIELD.findall(data, start, stop)
    return {name.lower(): value for name, value in reversed(found)}, body


def line(value: bytes, code: str | None = None) -> str:
    """A field as one line of text, encoded words decoded; raw bytes are UTF-8, or in the charset of the mail."""
    value = value[:_FIELD_MAX]
    if b"=?" in value:
        return one_line(_decode_words(value, code))
    return one_line(value.decode("ascii") if value.isascii() else _raw(value, code))


def _raw(value: bytes, code: str | None) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return decode(value, code)


def one_line(text: str) -> str:
    """Blanks made one; no NUL, no lone surrogate."""
    text = " ".join(text.split())
    return text if text.isascii() and "\0" not in text else clean(text)


def _decode_words(value: bytes, raw: str | None) -> str:
    """Neighbours in one charset are joined as bytes: a character may be cut between them."""
    found: list[tuple[str, bytes]] = []
    at = 0
    for word in _WORD.finditer(value):
        if word.start() > at:
            found.append(("", value[at : word.start()]))
        at = word.end()
        code, text = charset(word[1]) or "utf-8", word[3]
        text = unbase64(text) if word[2] in b"bB" else binascii.a2b_qp(text, header=True)
        if found and found[-1][0] == code:
            text = found.pop()[1] + text
        found.append((code, text))
    found.append(("", value[at:]))
    return "".join(to_text(data, code) if code else _raw(data, raw) for code, data in found)


@lru_cache(1024)
def charset(name: bytes) -> str | None:
    """Python's name of a charset; None where there is no such charset of text."""
    try:
        known = codecs.lookup(name.decode("ascii"))
    except (LookupError, ValueError):
        return None
    good = known.name not in _NO_CHARSET and getattr(known, "_is_text_encoding", True)
    return known.name if good else None


@lru_cache(256)
def _plain_ascii(code: str | None) -> bool:
    return code is None or bool(_ASCII_FIRST.fullmatch(code))


def to_text(data: bytes, code: str | None) -> str:
    """Text in a charset that ``charset`` knows, or in none that is declared."""
    if data.isascii() and _plain_ascii(code):
        return data.decode("ascii")
    try:
        return data.decode(code or "utf-8")
    except ValueError:
        if not encoding_of(data) and len(data.translate(None, _ASCII)) * _RARE < len(data):
            return _raw(data, "cp1252")
        return decode(data, code)


def unbase64(data: bytes) -> bytes:
    """What of it is base64; a last group that is cut short is dropped."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        digits = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
        # two or three digits are one or two bytes; one digit is none
        rest = len(digits) % 4
        return binascii.a2b_base64(digits + b"=" * (4 - rest) if rest > 1 else digits[: len(digits) - rest])


_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*+"(?!@)|\\.', re.S)  # a name, not half of an address
_COMMENT = re.compile(rb"\([^()]*+\)")
_COMMENTS_DEEP = 4


def addresses(value: bytes) -> tuple[str, ...]:
    """The addresses of a field, lower-case, each once. Where only a name stands, the name."""
    return _known_addresses(value) if len(value) < _CACHED else _addresses(value[:_FIELD_MAX])


def _addresses(value: bytes) -> tuple[str, ...]:
    if b"=?" in value and b"@" in (rest := _WORD.sub(b" ", value)) and b" @" not in rest:
        value = rest  # a name in encoded words may hold commas and brackets
    if b'"' in value or b"\\" in value:
        value = _QUOTED.sub(b" ", value)
    for _ in range(_COMMENTS_DEEP):
        if b"(" not in value:
            break
        value = _COMMENT.sub(b" ", value)
    found: dict[str, None] = {}
    for piece in value.replace(b";", b",").split(b","):
        before, angle, rest = piece.rpartition(b"<")
        if angle and (address := rest.partition(b">")[0].strip()):
            text = line(address)
        else:
            text = line((before or rest).rpartition(b":")[2]).strip("<>")  # after the name of a group
            if "@" in text and " " in text and not text.startswith('"'):
                text = next(word for word in text.split() if "@" in word)
        if text:
            found[text.lower()] = None
    return tuple(found)


_known_addresses = lru_cache(16384)(_addresses)
_ID = re.compile(rb"<([^<>]*)>")


def message_id(value: bytes) -> str:
    """The first id of a field without its brackets; empty where there is none."""
    found = _ID.search(value)
    if found:
        return line(found[1])
    return line(value).partition(" ")[0].strip("<>")


_LABEL = re.compile(r'\s*(?:"((?:[^"]|"")*+)"|([^,]*))[^,]*(?:,|\Z)')


def labels(value: bytes) -> list[str]:
    """X-Gmail-Labels: separated by commas, quoted where a label has one."""
    return list(_known_labels(value) if len(value) < _CACHED else _labels(value))


def _labels(value: bytes) -> tuple[str, ...]:
    found = (quoted.replace('""', '"') or plain.strip() for quoted, plain in _LABEL.findall(line(value)))
    return tuple(dict.fromkeys(label for label in found if label))


_known_labels = lru_cache(4096)(_labels)


_PARAMETER = re.compile(rb';\s*([!-:<>-~]{1,64}?)\s*=\s*(?:"((?:[^"\\]|\\.)*+)"|([^;]*))', re.S)
_MEDIA = re.compile(rb"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,127}")
_ESCAPED = re.compile(rb"\\(.)", re.S)


def parameters(value: bytes) -> dict[bytes, bytes]:
    """``; name=value`` of a field, by lower-case name; the first of each counts."""
    found: dict[bytes, bytes] = {}
    for name, quoted, plain in _PARAMETER.findall(value[:_FIELD_MAX]):
        found.setdefault(name.lower(), _ESCAPED.sub(rb"\1", quoted) if quoted else plain.strip(b' \t\r\n"'))
    return found


def media_type(value: bytes) -> bytes:
    """``text/html`` of a Content-Type field; ``text/plain`` where it says nothing sensible (RFC 2045, 5.2)."""
    found = _MEDIA.match(value.partition(b";")[0].strip().lower())
    return found[0] if found else b"text/plain"


def file_name(values: Iterable[bytes]) -> str:
    """The name of an attachment by Content-Disposition or Content-Type: RFC 2231, 2047 or plain."""
    for value, key in zip(values, (b"filename", b"name"), strict=True):
        if not value:
            continue
        found = parameters(value)
        plain = found.get(key)
        extended = _extended(found, key)
        text = extended if extended is not None else line(plain) if plain else ""
        if text:
            return one_line(text).replace("/", "_").replace("\\", "_")[:255]
    return ""


def _extended(found: dict[bytes, bytes], key: bytes) -> str | None:
    """``filename*=utf-8''a%20b``, or ``filename*0*=…; filename*1=…`` (RFC 2231)."""
    if key + b"*" in found:
        pieces = [(True, found[key + b"*"])]
    else:
        pieces = []
        while len(pieces) < 1000:
            name = b"%b*%d" % (key, len(pieces))
            if name + b"*" in found:
                pieces.append((True, found[name + b"*"]))
            elif name in found:
                pieces.append((False, found[name]))
            else:
                break
    if not pieces:
        return None
    code = None
    if pieces[0][0]:
        name, mark, rest = pieces[0][1].partition(b"'")
        if mark:
            code, pieces[0] = charset(name), (True, rest.partition(b"'")[2])
    data = b"".join(_percent(value) if coded else value for coded, value in pieces)
    return to_text(data, code or "utf-8")


def _percent(value: bytes) -> bytes:
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), value)
