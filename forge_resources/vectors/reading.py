"""A whole space out of PostgreSQL at once: for exact figures, and for the index in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import psycopg

_HEADER = 19  # of binary COPY: a signature, flags, the length of an extension
_END = 2  # the word -1


def vectors(
    connection: psycopg.Connection, space: str, dimensions: int, where: str = "true", block: int = 1 << 25
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(numbers int64 (m,), vectors float16 (m, d)) of all rows that have a direction, some ten thousand at a time.

    Every record of COPY has the same length, so that records are read as one array. ``where`` is SQL of our own.
    """
    record = np.dtype(
        [
            ("columns", ">i2"),
            ("l1", ">i4"),
            ("number", ">i8"),
            ("l2", ">i4"),
            ("head", ">i4"),
            ("halves", ">f2", (dimensions,)),
        ]
    )
    rows_asked = f"select number, vector from embeddings.{space} where vector is not null and {where}"
    query = f"copy ({rows_asked}) to stdout (format binary)"
    kept, size, skip = [], 0, _HEADER

    def rows(data: bytes) -> tuple[np.ndarray, np.ndarray]:
        found = np.frombuffer(data, record, len(data) // record.itemsize)
        return found["number"].astype(np.int64), found["halves"].astype(np.float16)

    with connection.cursor().copy(query) as copy:
        for piece in copy:
            kept.append(bytes(piece)[skip:] if skip else piece)
            size += len(kept[-1])
            skip = max(skip - len(piece), 0)
            if size >= block:
                data = b"".join(kept)
                whole = len(data) // record.itemsize * record.itemsize
                yield rows(data[:whole])
                kept, size = [data[whole:]], len(data) - whole
    data = b"".join(kept)[:-_END]
    if data:
        yield rows(data)
