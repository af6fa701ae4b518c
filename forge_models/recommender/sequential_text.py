"""Items by their words, for the sequential model: TF-IDF, publisher and categories in one reduced row.

What ``item_text`` reads is put side by side and reduced by a truncated SVD, fitted on the items of training rows. A new
item's words are placed in the same space, so that it has a vector though nobody has watched it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from forge_models import selection
from forge_models.recommender import item_text
from forge_models.recommender.item_text import BLOCKS, Block


@dataclass(frozen=True)
class Words:
    """``keys`` and ``weights`` of each of ``BLOCKS`` as ``item_text.Block`` has them; ``components`` (d, all keys)
    float32. d is 0 where training knew no two items with words."""

    keys: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]
    components: np.ndarray

    @property
    def dims(self) -> int:
        return len(self.components)

    def place(self, table: pa.Table | None, items: Sequence[str]) -> np.ndarray:
        """(len(items), d) float32 rows of length 1, or 0 for an item of which no known word is written."""
        if not self.dims or not items:
            return np.zeros((len(items), self.dims), np.float32)
        read = item_text.read(table, items)
        empty = sp.csr_array((0, 0))
        parts = [
            Block(self.keys[name], self.weights[name], empty).place(*read[name], len(items))
            for name in BLOCKS
        ]
        return _unit(sp.hstack(parts, format="csr") @ self.components.T.astype(np.float64))


def fit(table: pa.Table | None, items: Sequence[str], dims: int, seed: int) -> tuple[Words, np.ndarray]:
    """The reduction, fitted on ``items``, and their rows as ``Words.place`` gives them."""
    blocks = item_text.fit(item_text.read(table, items), len(items))
    bag = sp.hstack([blocks[name].matrix for name in BLOCKS], format="csr")
    described = np.flatnonzero(np.diff(bag.indptr))
    components = np.zeros((0, bag.shape[1]), np.float32)
    if len(described) >= 2 and bag.shape[1] >= 2:
        found = selection.reduce_sparse(bag[described].astype(np.float64), dims, seed)
        components = found.components.astype(np.float32)
    words = Words(
        {name: block.keys for name, block in blocks.items()},
        {name: block.weights for name, block in blocks.items()},
        components,
    )
    return words, _unit(bag @ components.T.astype(np.float64))


def _unit(rows: np.ndarray) -> np.ndarray:
    """float32 rows of length 1; a row of nothing but rounding stays 0."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-6).astype(np.float32)
