"""Item vectors from co-occurrence, in closed form, for "more like this" (``embeddings/items``).

Shifted positive pointwise mutual information, factorised by its leading eigenvectors (Levy and Goldberg,
NIPS 2014): pmi(i, j) = log(c_ij N / (n_i n_j)), damped by c_ij / (c_ij + shrinkage) so that two items
that met once do not look like twins. Only the strongest pairs of each item are kept, so 1e5 items stay
sparse. Nothing is fitted that a model is later judged on: the vectors serve search, not evaluation.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from forge_models.recommender.interactions import encode
from forge_models.recommender.item_knn import neighbourhoods

SHRINKAGE = 5.0
NEIGHBOURS = 200
OVERSAMPLING, ITERATIONS = 32, 5
DENSE_BELOW = 512  # items; a full eigendecomposition is then a fraction of a second


def co_occurrence_vectors(
    interactions: pa.Table, dim: int = 64, seed: int = 0
) -> tuple[list[str], np.ndarray]:
    """Item ids (sorted) and their vectors (items, dim) float32 of length 1.

    An item that shares no subject with another has no place among them and is left out. The sign of each
    dimension is fixed: its largest component is positive.
    """
    data = encode(interactions)
    counts = data.subjects_per_item.astype(np.float64)
    total = max(len(data.subjects), 1)

    def weight(item: int, others: np.ndarray, both: np.ndarray) -> np.ndarray:
        pmi = np.log(both * total / (counts[item] * counts[others]))
        return np.maximum(pmi, 0.0) * both / (both + SHRINKAGE)

    nearest = neighbourhoods(data.matrix, NEIGHBOURS, weight)
    matrix = nearest.maximum(nearest.T).tocsr()
    values, vectors = _leading(matrix, dim, seed)
    if vectors.size:
        vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    placed = np.zeros((len(data.items), dim))
    placed[:, : len(values)] = vectors * np.sqrt(np.maximum(values, 0.0))
    length = np.linalg.norm(placed, axis=1)
    kept = np.flatnonzero(length > 1e-9)
    unit = (placed[kept] / length[kept, None]).astype(np.float32)
    return [data.items[i] for i in kept], unit


def _leading(matrix: sp.csr_array, dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``dim`` largest eigenvalues, falling, and their vectors; all of them where there are fewer."""
    n = matrix.shape[0]
    if n == 0 or matrix.nnz == 0:
        return np.zeros(0), np.zeros((n, 0))
    if n <= max(DENSE_BELOW, 2 * dim):
        values, vectors = np.linalg.eigh(matrix.toarray())
    else:
        values, vectors = _subspace(matrix, dim + OVERSAMPLING, seed)
    order = np.argsort(-values)[:dim]
    return values[order], vectors[:, order]


def _subspace(matrix: sp.csr_array, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Randomised subspace iteration (Halko, Martinsson and Tropp 2011): work known beforehand.

    Lanczos took four minutes for 1e5 items whose spectrum is noise beyond the first few hundred values; this
    takes a fixed number of sparse products, and nearness within the leading space is all that is used.
    """
    basis = np.random.default_rng(seed).standard_normal((matrix.shape[0], width))
    for _ in range(ITERATIONS):
        basis, _ = np.linalg.qr(matrix @ basis)
    values, inner = np.linalg.eigh(basis.T @ (matrix @ basis))
    return values, basis @ inner
