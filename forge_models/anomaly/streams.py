"""Rows of a table as streams: those of one subject and source, in the order of time; and running sums over them.

Streams are numbered by a hash of when things happened, never by what their subject is called, so that the same data
under other pseudonyms gives the same model. Everything here is vectorised: a million events take seconds.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SECOND = 1_000_000
DAY = 86_400 * SECOND


@dataclass(frozen=True)
class Streams:
    """``table`` in order; ``stream`` (n,) int64 ascending, ``time`` (n,) int64 microseconds ascending within each;
    ``starts`` (streams + 1,) int64; ``names``: (subject, source) of each; ``digests``: 16 bytes of each."""

    table: pa.Table
    stream: np.ndarray
    time: np.ndarray
    starts: np.ndarray
    names: Sequence[tuple[str, str]]
    digests: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.stream)

    @property
    def day(self) -> np.ndarray:
        """(n,) int64: days since 1970, UTC."""
        return self.time // DAY

    @property
    def place(self) -> np.ndarray:
        """(n,) int64: how many events of the stream came before."""
        return np.arange(len(self.stream)) - self.starts[self.stream]

    @property
    def age(self) -> np.ndarray:
        """(n,) float64: days since the stream began."""
        return (self.time - self.time[self.starts[self.stream]]) / DAY

    def before(self, values: np.ndarray) -> np.ndarray:
        """(n,) sums of ``values`` (n,) over the earlier events of the same stream."""
        total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
        return total[:-1] - total[self.starts[self.stream]]

    def window(self, seconds: int) -> np.ndarray:
        """(n,) int64: the first event of the stream that is at most ``seconds`` before each."""
        at = (self.time - (self.time.min() if len(self.time) else 0)) // SECOND
        span = int(at.max(initial=0)) + seconds + 1
        key = self.stream * span + at
        found = np.searchsorted(key, key - seconds, side="left")
        return np.maximum(found, self.starts[self.stream])

    def within(self, values: np.ndarray, seconds: int) -> np.ndarray:
        """(n,) sums of ``values`` over the last ``seconds``, this event included."""
        total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
        return total[1:] - total[self.window(seconds)]


def streams(table: pa.Table) -> Streams:
    """In order of stream, time and, where the table has it, ``earlier``; rows without subject or time are left out."""
    table = table.filter(pc.and_(table["subject"].is_valid(), table["time"].is_valid()))
    if table.num_rows == 0:
        empty = np.zeros(0, np.int64)
        return Streams(table, empty, empty, np.zeros(1, np.int64), [], [])
    subjects = table["subject"].combine_chunks().dictionary_encode()
    sources = pc.fill_null(table["source"], "").combine_chunks().dictionary_encode()
    people, systems = subjects.dictionary.to_pylist(), sources.dictionary.to_pylist()
    pair = numbers(subjects.indices) * len(systems) + numbers(sources.indices)
    found, code = np.unique(pair, return_inverse=True)
    time = numbers(table["time"].cast(pa.int64()))
    place = numbers(table["earlier"]) if "earlier" in table.column_names else np.zeros(len(time), np.int64)
    order = np.lexsort((place, time, code))
    starts = np.concatenate([[0], np.cumsum(np.bincount(code, minlength=len(found)))])
    sorted_time = time[order]
    bounds = starts.tolist()
    digests = [
        hashlib.blake2b(sorted_time[low:high].tobytes(), digest_size=16).digest()
        for low, high in itertools.pairwise(bounds)
    ]
    named = [(people[int(one) // len(systems)], systems[int(one) % len(systems)]) for one in found]
    rank = sorted(range(len(found)), key=lambda one: (digests[one], named[one]))
    renumber = np.empty(len(found), np.int64)
    renumber[rank] = np.arange(len(found))
    code = renumber[code]
    order = np.lexsort((place, time, code))
    starts = np.concatenate([[0], np.cumsum(np.bincount(code, minlength=len(found)))]).astype(np.int64)
    return Streams(
        table.take(pa.array(order)),
        code[order],
        time[order],
        starts,
        [named[one] for one in rank],
        [digests[one] for one in rank],
    )


def numbers(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """(n,) int64; null is 0."""
    return np.asarray(pc.fill_null(column, 0).to_numpy(zero_copy_only=False)).astype(np.int64)


def floats(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """(n,) float64; null is NaN."""
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def cumcount(keys: np.ndarray) -> np.ndarray:
    """(n,) int64: how often the same key stood earlier in ``keys`` (n,) int64."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = np.searchsorted(ordered, ordered, side="left")
    counts = np.empty(len(keys), np.int64)
    counts[order] = np.arange(len(keys)) - first
    return counts


def earlier_with(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(n,) int64: how many of the rows before each row have the key that the row names in ``wanted`` (n,)."""
    n = len(keys)
    composite = np.sort(keys * n + np.arange(n))
    low = np.searchsorted(composite, wanted * n)
    return np.searchsorted(composite, wanted * n + np.arange(n)) - low
