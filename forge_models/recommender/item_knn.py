"""Item-based nearest neighbours (Sarwar et al., WWW 2001): cosine with shrinkage, top neighbours per item.

similarity(i, j) = c_ij / (sqrt(n_i n_j) + shrinkage), where c_ij subjects know both items. Co-occurrences are
counted in blocks of items whose work is bounded, and of each item only the nearest are kept, so memory
grows with items x neighbours and not with items squared.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from forge_models.family import TrainingRun
from forge_models.recommender.interactions import encode
from forge_models.recommender.models import ItemKnnModel

WORK = 10_000_000  # co-occurrences counted at once: 160 MB

# (item, other items, their co-occurrences) -> weights
Weight = Callable[[int, np.ndarray, np.ndarray], np.ndarray]


def fit(rows: pa.Table, neighbours: int, shrinkage: float, run: TrainingRun) -> ItemKnnModel:
    """Item-kNN on the training ``rows``."""
    data = encode(rows)
    counts = data.subjects_per_item
    root = np.sqrt(counts)
    run.progress(f"item-kNN: neighbours of {len(counts)} items")
    nearest = neighbourhoods(
        data.matrix, neighbours, lambda item, others, both: both / (root[item] * root[others] + shrinkage)
    )
    config = {"neighbours": neighbours, "shrinkage": shrinkage}
    return ItemKnnModel(data.items, counts, len(data.subjects), config, nearest.T.tocsr())


def neighbourhoods(matrix: sp.csr_array, neighbours: int, weight: Weight) -> sp.csr_array:
    """CSR (items, items): row j holds the largest positive weights; ties to the lower index."""
    items = matrix.shape[1]
    columns = matrix.T.tocsr()
    work = columns @ np.diff(matrix.indptr).astype(np.float64)  # co-occurrences to count for each item
    block_of = (np.cumsum(work) // WORK).astype(np.int64)
    data, indices, lengths = [], [], np.zeros(items + 1, np.int64)
    for block in np.unique(block_of):
        start, stop = np.searchsorted(block_of, [block, block + 1])
        both = (columns[start:stop] @ matrix).tocsr()
        both.sort_indices()
        for row in range(stop - start):
            item = start + row
            span = slice(both.indptr[row], both.indptr[row + 1])
            others, values = both.indices[span], both.data[span]
            weights = weight(item, others, values)
            kept = (weights > 0) & (others != item)
            others, weights = others[kept], weights[kept]
            if len(weights) > neighbours:
                best = np.sort(np.argsort(-weights, kind="stable")[:neighbours])
                others, weights = others[best], weights[best]
            data.append(weights)
            indices.append(others.astype(np.int64))
            lengths[item + 1] = len(others)
    flat = (
        np.concatenate(data) if data else np.zeros(0),
        np.concatenate(indices) if data else np.zeros(0, np.int64),
    )
    return sp.csr_array((*flat, np.cumsum(lengths)), shape=(items, items))
