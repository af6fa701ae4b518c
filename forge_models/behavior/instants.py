"""Times and parts of Arrow columns as arrays: microseconds since 1970, UTC; the part of a row as a number."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
WEEK = 7 * DAY
MONDAY = 4 * DAY  # the first Monday of 1970 was the fifth of January
PARTS = ("train", "validation", "test")
TIME = pa.timestamp("us", "UTC")


def micros(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """(n,) int64; no value may be null."""
    if pa.types.is_timestamp(column.type) and column.type.tz is None:
        column = column.cast(pa.timestamp("us"))
    elif pa.types.is_timestamp(column.type):
        column = column.cast(TIME)
    return np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)


def parts(rows: pa.Table) -> np.ndarray:
    """(n,) int8: 0 train, 1 validation, 2 test, -1 for anything else."""
    found = pc.fill_null(pc.index_in(rows["split"], value_set=pa.array(PARTS)), -1)
    return found.to_numpy().astype(np.int8)


def hour_of_day(time: np.ndarray) -> np.ndarray:
    """Hours since midnight UTC, float64 in [0, 24)."""
    return (time % DAY) / HOUR


def hour_of_week(time: np.ndarray) -> np.ndarray:
    """(n,) int64 in [0, 168): 0 is Monday at midnight, UTC."""
    return ((time - MONDAY) % WEEK) // HOUR


def day_of_week(time: np.ndarray) -> np.ndarray:
    """(n,) int64: 0 is Monday."""
    return ((time - MONDAY) % WEEK) // DAY
