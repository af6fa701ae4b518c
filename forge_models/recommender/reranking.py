"""Lists that are not ten times the same: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from forge_core.evaluation import ranking

POOL = 10  # candidates per place of the list: what is far down is no choice, however different
LEAST_POOL = 100


def diverse(
    scores: np.ndarray, k: int, diversity: float, vectors: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """The codes of at most ``k`` items, best first; ``scores`` (items,), -inf for what may not be offered.

    ``vectors`` gives (n, d) float rows for codes. Of the best ``POOL * k`` items the list takes, one after the other,
    the one with the largest (1 - diversity) * relevance - diversity * similarity: relevance is the score brought to
    0..1 within the pool, similarity the largest cosine with what is on the list. Ties go to the better score.
    """
    pool = ranking.top_k(scores[None, :], max(LEAST_POOL, POOL * k))[0]
    pool = pool[pool >= 0]
    k = min(k, len(pool))
    if diversity <= 0.0 or k <= 1:
        return pool[:k]
    rows = np.asarray(vectors(pool), np.float64)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    relevance = scores[pool].astype(np.float64)
    spread = relevance[0] - relevance[-1]
    relevance = (relevance - relevance[-1]) / (spread if spread > 0 else 1.0)
    nearest = np.zeros(len(pool))  # an item unlike all on the list neither gains nor loses
    open_ = np.ones(len(pool), bool)
    chosen: list[int] = []
    for _ in range(k):
        value = np.where(open_, (1.0 - diversity) * relevance - diversity * nearest, -np.inf)
        best = int(value.argmax())
        chosen.append(best)
        open_[best] = False
        nearest = np.maximum(nearest, rows @ rows[best])
    return pool[chosen]
