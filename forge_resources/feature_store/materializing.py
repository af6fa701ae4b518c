"""The newest row of each entity, from PostgreSQL into Redis, in bulk and only where it changed.

Feast goes through Python objects for each value. Here columns are encoded as arrays and commands are joined from
ready bytes. What is in Redis is compared by digest, so a flushed or evicted key is written again, a row that was
built anew in the past is too, and an entity without a row is taken out.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from forge_core.features import FeatureTable
from forge_resources.feature_store import layout
from forge_resources.feature_store.queries import newest
from forge_resources.feature_store.wire import Wire
from forge_resources.postgres import Database

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 10_000  # rows whose commands are in memory at a time


@dataclass(frozen=True)
class Pushed:
    """What a materialization did: entities with a row, rows written, entities taken out."""

    entities: int
    written: int
    removed: int


def push(database: Database, wire: Wire, table: FeatureTable, project: bytes, at: datetime) -> Pushed:
    """Make the online values of ``table`` what was known at ``at``."""
    seed = zlib.crc32(
        repr([(c.name, c.type) for c in table.served]).encode()
    )  # another layout is another digest
    rows = database.read(newest(table, at, seed))
    order = sorted(table.entity)
    prefix = layout.key_prefix(table.entity)
    columns = [rows[name].to_pylist() for name in order]
    keys = [layout.key(prefix, values, project) for values in zip(*columns, strict=True)]
    moments = [layout.timestamp(micros) for micros in _micros(rows["known_at"])]
    digests = [struct.pack("<q", digest) for digest in rows["digest"].to_pylist()]

    there = stored(wire, table, prefix, project)
    changed = [
        row
        for row, (key, *stamp) in enumerate(zip(keys, moments, digests, strict=True))
        if there.get(key) != stamp
    ]
    for start in range(0, len(changed), CHUNK):
        wire.exchange(_writes(table, rows, keys, moments, digests, changed[start : start + CHUNK]))
    gone = sorted(there.keys() - set(keys))
    forget(wire, table, gone)
    return Pushed(len(keys), len(changed), len(gone))


def stored(wire: Wire, table: FeatureTable, prefix: bytes, project: bytes) -> dict[bytes, list[bytes | None]]:
    """Keys that hold values of ``table``, each with when its row was known and the row's digest."""
    keys = [key for key in wire.keys(prefix) if layout.entity_of(key, prefix, project) is not None]
    fields = (layout.known_at_field(table.name), layout.digest_field(table.name))
    answers = wire.exchange([layout.command("HMGET", key, *fields) for key in keys])
    return {key: found for key, found in zip(keys, answers, strict=True) if any(f is not None for f in found)}


def forget(wire: Wire, table: FeatureTable, keys: Sequence[bytes]) -> None:
    """Take the values of ``table`` out of these keys; other tables of the same entity stay."""
    fields = [layout.field(table.name, column.name) for column in table.served]
    fields += [layout.known_at_field(table.name), layout.digest_field(table.name)]
    wire.exchange([layout.command("HDEL", key, *fields) for key in keys])


def _writes(
    table: FeatureTable,
    rows: pa.Table,
    keys: Sequence[bytes],
    moments: Sequence[bytes],
    digests: Sequence[bytes],
    changed: Sequence[int],
) -> list[bytes]:
    """HSET commands of the changed rows; each column as a list of ready bytes, field and value."""
    if len(changed) < rows.num_rows:
        rows = rows.take(changed)
    count = 2 + 2 * (len(table.served) + 2)
    head = b"*%d\r\n$4\r\nHSET\r\n" % count
    known_at = layout.bulk(layout.known_at_field(table.name))
    digest = layout.bulk(layout.digest_field(table.name))
    stamps = [
        b"".join(
            (head, layout.bulk(keys[r]), known_at, layout.bulk(moments[r]), digest, layout.bulk(digests[r]))
        )
        for r in changed
    ]
    columns = [
        _encoded(rows[c.name].combine_chunks(), c.type, layout.bulk(layout.field(table.name, c.name)))
        for c in table.served
    ]
    return list(map(b"".join, zip(stamps, *columns, strict=True)))


def _encoded(column: pa.Array, kind: str, field: bytes) -> list[bytes]:
    """Field and value of each row on the wire; an empty value for null."""
    import numpy as np
    import pyarrow.compute as pc

    if kind == "float":
        values = pc.fill_null(pc.cast(column, "float64"), 0.0).to_numpy(zero_copy_only=False)
        start = np.frombuffer(field + b"$9\r\n" + layout.DOUBLE, np.uint8)
        lines = np.empty((len(values), len(start) + 10), np.uint8)
        lines[:, : len(start)] = start
        lines[:, len(start) : -2] = values.astype("<f8").view(np.uint8).reshape(len(values), 8)
        lines[:, -2:] = np.frombuffer(b"\r\n", np.uint8)
        encoded = lines.view(f"V{lines.shape[1]}").ravel().tolist()
        for row in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)):
            encoded[row] = field + layout.bulk(layout.NULL)
        return encoded
    # counts are few different numbers: each is encoded once
    distinct = column.dictionary_encode(null_encoding="encode")
    ready: list[Any] = [
        field + layout.bulk(layout.encode(value)) for value in distinct.dictionary.to_pylist()
    ]
    return np.array(ready, object)[distinct.indices.to_numpy(zero_copy_only=False)].tolist()


def _micros(moments: pa.ChunkedArray) -> list[int]:
    import pyarrow as pa

    return moments.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_pylist()
