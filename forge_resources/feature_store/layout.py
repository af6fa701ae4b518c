"""Where and how a feature value stands in Redis: the bytes that Feast's own Redis store writes and reads.

One hash per entity, shared by all views of that entity. Its key is the serialised entity key (Feast's version 3)
and the project; a field is the murmur3 hash of ``view:feature``, its value a ``feast.types.Value`` message, empty
for null; ``_ts:view`` is when the row was known. See docs/specs/online_store_format.md of Feast 0.67. Written by
hand, because ``import feast`` takes seconds, which a service that reads online must not spend.

A field of ours, ``_forge:view``, holds a digest of the row, so that only changed rows are written again.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

STRING = 2  # feast.types.ValueType.Enum
INT, DOUBLE, BOOL, TEXT = (
    b"\x20",
    b"\x29",
    b"\x38",
    b"\x12",
)  # field number and wire type in feast.types.Value
NULL = b""

Value = int | float | bool | str | None


def key_prefix(names: Sequence[str]) -> bytes:
    """What all keys of this entity begin with."""
    parts = [struct.pack("<I", len(names))]
    for name in sorted(names):
        encoded = name.encode()
        parts.append(struct.pack("<II", STRING, len(encoded)) + encoded)
    return b"".join(parts)


def key(prefix: bytes, values: Sequence[str], project: bytes) -> bytes:
    """The key of one entity; ``values`` in the order of the sorted names."""
    parts = [prefix]
    for value in values:
        encoded = value.encode()
        parts += (struct.pack("<II", STRING, len(encoded)), encoded)
    parts.append(project)
    return b"".join(parts)


def entity_of(key: bytes, prefix: bytes, project: bytes) -> list[str] | None:
    """The values of a key, in the order of the sorted names; None where it is no key of this entity and project."""
    if not key.startswith(prefix):
        return None
    (count,) = struct.unpack_from("<I", prefix)
    values, at = [], len(prefix)
    for _ in range(count):
        if len(key) < at + 8:
            return None
        kind, length = struct.unpack_from("<II", key, at)
        at += 8 + length
        if kind != STRING or len(key) < at:
            return None
        values.append(key[at - length : at].decode("utf-8", "replace"))
    return values if key[at:] == project else None


def field(view: str, feature: str) -> bytes:
    """The field of a feature: murmur3, 32 bits, little-endian."""
    import mmh3

    return struct.pack("<I", mmh3.hash(f"{view}:{feature}", signed=False))


def known_at_field(view: str) -> bytes:
    return f"_ts:{view}".encode()


def digest_field(view: str) -> bytes:
    return f"_forge:{view}".encode()


def varint(number: int) -> bytes:
    """Protobuf's base 128; a negative number as its 64-bit complement."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def timestamp(micros: int) -> bytes:
    """A ``google.protobuf.Timestamp`` of microseconds since 1970."""
    seconds, rest = divmod(micros, 1_000_000)
    encoded = b"\x08" + varint(seconds) if seconds else b""
    return encoded + b"\x10" + varint(rest * 1000) if rest else encoded


def encode(value: Value) -> bytes:
    """A ``feast.types.Value``: int64, double, bool, string or nothing."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOL + (b"\x01" if value else b"\x00")
    if isinstance(value, int):
        return INT + varint(value)
    if isinstance(value, float):
        return DOUBLE + struct.pack("<d", value)
    encoded = value.encode()
    return TEXT + varint(len(encoded)) + encoded


def decode(data: bytes | None) -> Value:
    """The value of a message that :func:`encode` or Feast wrote; None for null and for none."""
    if not data:
        return None
    tag = data[:1]
    if tag == DOUBLE and len(data) == 9:
        return struct.unpack_from("<d", data, 1)[0]
    if tag in (INT, BOOL):
        number, end = _number(data, 1)
        if end == len(data):
            return bool(number) if tag == BOOL else number - (1 << 64) if number >> 63 else number
    if tag == TEXT:
        length, start = _number(data, 1)
        if start + length == len(data):
            return data[start:].decode()
    raise ValueError("no value of the feature store")


def decode_timestamp(data: bytes) -> int:
    """Microseconds since 1970 of a ``google.protobuf.Timestamp``."""
    found, at = {0x08: 0, 0x10: 0}, 0
    while at < len(data):
        tag = data[at]
        if tag not in found:
            raise ValueError("no timestamp of the feature store")
        found[tag], at = _number(data, at + 1)
    seconds = found[0x08] - (1 << 64) if found[0x08] >> 63 else found[0x08]
    return seconds * 1_000_000 + found[0x10] // 1000


def _number(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return number, at
        shift += 7
    raise ValueError("no number of the feature store")


def bulk(data: bytes) -> bytes:
    """An argument of a Redis command on the wire."""
    return b"$%d\r\n%b\r\n" % (len(data), data)


def command(*arguments: Any) -> bytes:
    """A Redis command on the wire (RESP)."""
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in arguments]
    return b"*%d\r\n%b" % (len(parts), b"".join(map(bulk, parts)))
