"""What is written of items (words, publisher, categories) as sparse rows of length 1.

Words are kept as their CRC-32, not as themselves: an artifact then holds nobody's titles, and needs no list of strings.
It hides nothing from somebody who guesses, so a model stays as personal as the item ids in it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from forge_models.recommender.interactions import codes, text

BLOCKS = ("text", "channel", "categories")  # of the columns content, channel and categories of features/items
CHARACTERS = 4_000  # of one item that are read: more is no title, and one could be 10 MB
MOST_KEYS = 50_000  # of one block: the most frequent
_WORD = re.compile(r"\w{2,}")

# per block, the keys of each item: (entries,) int64 row of the item, and (entries,) int64 key
Keys = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Block:
    """``keys`` (v,) int64, rising; ``weights`` (v,), ``matrix`` CSR (items, v): float32, rows of length 1 or 0."""

    keys: np.ndarray
    weights: np.ndarray
    matrix: sp.csr_array

    def place(self, rows: np.ndarray, keys: np.ndarray, items: int) -> sp.csr_array:
        """Rows for ``items`` others, by the keys and weights of this block; keys it does not know are left out."""
        return _rows(self.keys, self.weights, rows, keys, items)


def read(table: pa.Table | None, items: Sequence[str]) -> Keys:
    """The keys of ``items`` in ``features/items``; a column or an item that is not there has none.

    Nothing else of the table is read: its counts know the future.
    """
    vocabulary = pa.array(items, pa.string())
    found = {}
    for block, column, parts in (
        ("text", "content", _words),
        ("channel", "channel", _whole),
        ("categories", "categories", _each),
    ):
        rows, keys = [], []
        if table is not None and {"item", column} <= set(table.column_names):
            place = codes(text(table["item"]), vocabulary)
            kept = np.flatnonzero(place >= 0)
            for row, value in zip(place[kept], table[column].take(pa.array(kept)).to_pylist(), strict=True):
                for part in parts(value) if value else ():
                    rows.append(row)
                    keys.append(zlib.crc32(part.encode("utf-8", "replace")))
        found[block] = (np.array(rows, np.int64), np.array(keys, np.int64))
    return found


def fit(keys: Keys, items: int) -> dict[str, Block]:
    """TF-IDF of the words (smoothed as in scikit-learn: ln((1 + n) / (1 + df)) + 1); sets for the others."""
    blocks = {}
    for name in BLOCKS:
        rows, values = keys[name]
        pairs = np.unique(np.stack([rows, values]), axis=1)
        vocabulary, frequency = np.unique(pairs[1], return_counts=True)
        most = np.sort(np.argsort(-frequency, kind="stable")[:MOST_KEYS])
        vocabulary, frequency = vocabulary[most], frequency[most]
        rarity = np.log((1 + items) / (1 + frequency)) + 1 if name == "text" else np.ones(len(vocabulary))
        weights = rarity.astype(np.float32)
        blocks[name] = Block(vocabulary, weights, _rows(vocabulary, weights, *keys[name], items))
    return blocks


def _rows(
    vocabulary: np.ndarray, weights: np.ndarray, rows: np.ndarray, keys: np.ndarray, items: int
) -> sp.csr_array:
    place = np.searchsorted(vocabulary, keys)
    known = np.isin(keys, vocabulary)
    values = weights[place[known]].astype(np.float64)
    matrix = sp.coo_array((values, (rows[known], place[known])), shape=(items, len(vocabulary))).tocsr()
    matrix.sum_duplicates()  # a word said twice counts twice
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    matrix.data /= np.repeat(length, np.diff(matrix.indptr))
    matrix = matrix.astype(np.float32)
    matrix.sort_indices()
    return matrix


def _words(value: str) -> list[str]:
    return _WORD.findall(value[:CHARACTERS].casefold())


def _whole(value: str) -> tuple[str, ...]:
    return (value.casefold(),)


def _each(value: Sequence[str]) -> set[str]:
    return {part.casefold() for part in value if part}
