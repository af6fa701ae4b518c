"""Interactions as a sparse binary matrix of subjects by items, with their sorted vocabularies; and in their order.

The order of both vocabularies is the order of the ids as strings, so that ties are broken by item id
and a refit on the same rows gives the same matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

NO_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Histories:
    """What subjects did, each from the oldest, in codes of a vocabulary of ``size`` items.

    ``indptr`` (n + 1,) int64; ``items`` (events,) int64, no item twice in a row; ``times`` (events,) int64
    microseconds since 1970, ``NO_TIME`` where unknown.
    """

    indptr: np.ndarray
    items: np.ndarray
    times: np.ndarray
    size: int

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, rows: slice) -> Histories:
        """Consecutive subjects."""
        start, stop, _ = rows.indices(len(self))
        stop = max(start, stop)
        part = slice(self.indptr[start], self.indptr[stop])
        return Histories(
            self.indptr[start : stop + 1] - self.indptr[start], self.items[part], self.times[part], self.size
        )

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.indptr)

    @cached_property
    def matrix(self) -> sp.csr_array:
        """CSR (n, size) of ones, float64, column indices sorted: what they did, whatever the order."""
        matrix = sp.csr_array(
            (np.ones(len(self.items)), self.items.copy(), self.indptr.copy()), (len(self), self.size)
        )
        matrix.sort_indices()
        return matrix

    @classmethod
    def one(cls, items: Sequence[int], size: int, times: Sequence[int] = ()) -> Histories:
        """One subject's."""
        known = np.array(times if len(times) else [NO_TIME] * len(items), np.int64)
        return cls(np.array([0, len(items)]), np.array(items, np.int64), known, size)

    @classmethod
    def of(cls, rows: pa.Table, subjects: pa.Array, vocabulary: pa.Array) -> Histories:
        """Of ``subjects``, in that order, from rows with subject, item, position and first_time.

        Rows of other subjects and of items outside the vocabulary are left out.
        """
        subject, item = codes(text(rows["subject"]), subjects), codes(text(rows["item"]), vocabulary)
        position = pc.fill_null(rows["position"].cast(pa.int64()), 0).to_numpy()
        times = pc.fill_null(rows["first_time"].cast(pa.int64()), int(NO_TIME)).to_numpy()
        kept = (subject >= 0) & (item >= 0)
        subject, item, position, times = subject[kept], item[kept], position[kept], times[kept]
        order = np.lexsort((item, position, subject))
        counts = np.bincount(subject, minlength=len(subjects))
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(indptr, item[order], times[order], len(vocabulary))


@dataclass(frozen=True)
class Interactions:
    """``matrix`` is CSR (subjects, items) of ones, float64, column indices sorted."""

    subjects: list[str]
    items: list[str]
    matrix: sp.csr_array

    @property
    def subjects_per_item(self) -> np.ndarray:
        return np.bincount(self.matrix.indices, minlength=len(self.items)).astype(np.int64)


def sorted_unique(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The distinct values in the order of their code points; nulls are left out."""
    values = pc.unique(column)
    values = values.filter(values.is_valid())
    return values.take(pc.sort_indices(values))


def codes(column: pa.ChunkedArray | pa.Array, vocabulary: pa.Array) -> np.ndarray:
    """Index of each value in ``vocabulary``, -1 where it is not there."""
    found = pc.fill_null(pc.index_in(column, value_set=vocabulary), -1)
    return found.to_numpy().astype(np.int64)


def binary(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sp.csr_array:
    """CSR of ones; a pair given twice is one; a code of -1 is left out."""
    kept = (rows >= 0) & (columns >= 0)
    matrix = sp.coo_array((np.ones(int(kept.sum())), (rows[kept], columns[kept])), shape=shape).tocsr()
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def text(column: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The column as plain strings, whether it came as text, large text or a dictionary."""
    return column if column.type == pa.string() else column.cast(pa.string())


def encode(rows: pa.Table) -> Interactions:
    """All of ``rows`` (columns subject, item)."""
    subject, item = text(rows["subject"]), text(rows["item"])
    subjects, items = sorted_unique(subject), sorted_unique(item)
    matrix = binary(codes(subject, subjects), codes(item, items), (len(subjects), len(items)))
    return Interactions(subjects.to_pylist(), items.to_pylist(), matrix)
