"""Interactions as a sparse binary matrix of subjects by items, with their sorted vocabularies.

The order of both vocabularies is the order of the ids as strings, so that ties are broken by item id
and a refit on the same rows gives the same matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp


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
