"""EASE, "Embarrassingly Shallow Autoencoders for Sparse Data" (Steck, WWW 2019).

X (subjects, items) is binary, G = X'X, P = (G + lambda I)^-1, and the weights are B = -P / diag(P) by
column, with a zero diagonal. The inverse of a positive definite matrix comes from its Cholesky factor
(LAPACK potrf, potri), in float64 and in place.

The cut. P is dense: memory is 8 m^2 bytes and one block, time some m^3 multiplications. So the solve is for
the ``max_items`` items that most training subjects know (8,000: 512 MB, and some 10 s on two cores), and all
others rank after them, by popularity. The tail that is cut has few interactions each, which is where
EASE has least to say. Subjects are never a dimension of anything dense but one block.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from scipy.linalg.lapack import dpotrf, dpotri

from forge_core.errors import ForgeError
from forge_models.family import TrainingRun
from forge_models.recommender.interactions import encode
from forge_models.recommender.models import EaseModel

BLOCK_BYTES = 128 << 20
# Measured on two cores: a dense multiply-add in float32 costs some 0.02 ns, a sparse one some 5 ns.
DENSE_NS, SPARSE_NS = 0.02, 5.0


def fit(
    rows: pa.Table, regularisation: float, max_items: int, run: TrainingRun, recency: float = 0.0
) -> EaseModel:
    """EASE on the training ``rows``; ``recency`` counts in its answers alone, see ``EaseModel``."""
    data = encode(rows)
    counts = data.subjects_per_item
    head = np.sort(np.argsort(-counts, kind="stable")[:max_items])
    run.progress(f"EASE: Gram matrix of {len(head)} items")
    matrix = gram(data.matrix[:, head] if len(head) < len(counts) else data.matrix)
    run.progress(f"EASE: solving for {len(head)} items")
    weights = solve(matrix, regularisation)
    config = {"lambda": regularisation, "max_items": max_items, "recency": recency}
    return EaseModel(data.items, counts, len(data.subjects), config, head, weights)


def gram(matrix: sp.csr_array) -> np.ndarray:
    """X'X as a dense, Fortran-ordered float64 matrix; exact, since its entries are counts.

    Dense blocks of subjects in float32 (exact below 2^24) where BLAS is cheaper, else sparse blocks.
    """
    n, m = matrix.shape
    lengths = np.diff(matrix.indptr).astype(np.float64)
    result = np.zeros((m, m), order="F")
    if DENSE_NS * n * m * m <= SPARSE_NS * float((lengths**2).sum()):
        step = max(1, BLOCK_BYTES // (4 * max(m, 1)))
        single = matrix.astype(np.float32)
        for start in range(0, n, step):
            block = single[start : start + step].toarray()
            result += block.T @ block
        return result
    columns = matrix.T.tocsr()
    step = max(1, BLOCK_BYTES // (16 * max(m, 1)))
    for start in range(0, m, step):
        result[:, start : start + step] = (columns[start : start + step] @ matrix).toarray().T
    return result


def solve(gram: np.ndarray, regularisation: float) -> np.ndarray:
    """The weights, in the memory of ``gram``, which is destroyed."""
    m = len(gram)
    if m == 0:
        return gram
    gram[np.diag_indices(m)] += regularisation
    factor, failed = dpotrf(gram, lower=1, overwrite_a=1, clean=0)
    if not failed:
        inverse, failed = dpotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise ForgeError(
            "FORGE-EASE-SINGULAR",
            "EASE could not be solved.",
            "The Gram matrix with this lambda is not positive definite.",
            "Use a larger lambda.",
        )
    for column in range(m):  # the upper triangle from the lower one, without a second matrix
        inverse[column, column + 1 :] = inverse[column + 1 :, column]
    inverse /= -np.diag(inverse).copy()
    inverse[np.diag_indices(m)] = 0.0
    return np.ascontiguousarray(inverse)
