"""Unit vectors in groups: spherical k-means, how many groups, and the same numbers from run to run. Plain NumPy.

Spherical k-means (Dhillon and Modha 2001) with k-means++ seeding (Arthur and Vassilvitskii 2007), from a fixed seed.
How many groups: the count with the best simplified silhouette (Hruschka et al. 2006), which needs centroids alone.
Groups of a new run take the numbers of the old ones that they lie nearest to (Hungarian assignment; Kuhn 1955).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ROUNDS = 40
STARTS = 4
SAMPLE = 20_000  # vectors that centroids are learned from
SAME = 0.6  # cosine of two centroids, from which on they are one topic


def normal(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row of zeros stays."""
    found: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return found


def k_means(vectors: np.ndarray, k: int, seed: int = 0, starts: int = STARTS) -> np.ndarray:
    """(k', d) centroids of length 1, the largest group first; fewer than ``k`` where vectors repeat."""
    rng = np.random.default_rng(seed)
    if len(vectors) > SAMPLE:
        vectors = vectors[np.sort(rng.choice(len(vectors), SAMPLE, replace=False))]
    best: tuple[float, np.ndarray] | None = None
    for _ in range(starts):
        centroids = _seeds(vectors, k, rng)
        assigned = np.full(len(vectors), -1)
        for _ in range(ROUNDS):
            now = assign(vectors, centroids)[0]
            if (now == assigned).all():
                break
            assigned = now
            summed = np.zeros_like(centroids)
            np.add.at(summed, assigned, vectors)
            empty = np.linalg.norm(summed, axis=1) < 1e-9
            centroids = normal(np.where(empty[:, None], centroids, summed))
        close = float(assign(vectors, centroids)[1].sum())
        if best is None or close > best[0]:
            best = (close, centroids)
    assert best is not None
    sizes = np.bincount(assign(vectors, best[1])[0], minlength=len(best[1]))
    order = np.argsort(-sizes, kind="stable")
    found: np.ndarray = best[1][order[sizes[order] > 0]]
    return found


def drawn(vectors: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """(k', d): different vectors, drawn as seeds are; nothing is learned."""
    return normal(_seeds(vectors, k, np.random.default_rng(seed)))


def assign(vectors: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest centroid of each vector, int64 (n,), and the cosine to it (n,)."""
    cosine = vectors @ centroids.T
    nearest = cosine.argmax(axis=1)
    return nearest, cosine[np.arange(len(vectors)), nearest]


def silhouette(vectors: np.ndarray, centroids: np.ndarray) -> float:
    """The mean simplified silhouette, -1 to 1: how much nearer the own centroid is than the next one."""
    if len(centroids) < 2:
        return -1.0
    distance = 1.0 - vectors @ centroids.T
    two = np.partition(distance, 1, axis=1)[:, :2]
    return float(np.mean((two[:, 1] - two[:, 0]) / np.maximum(two[:, 1], 1e-9)))


def choose(
    vectors: np.ndarray, counts: Sequence[int], seed: int = 0
) -> tuple[np.ndarray, list[dict[str, float]]]:
    """The centroids of the count with the best silhouette, and the silhouette of each count."""
    rng = np.random.default_rng(seed)
    few = vectors
    if len(few) > SAMPLE // 4:  # enough to compare counts by
        few = few[np.sort(rng.choice(len(few), SAMPLE // 4, replace=False))]
    table, best = [], (-2.0, 0)
    for k in counts:
        if k < len(few):
            value = silhouette(few, k_means(few, k, seed, 2))
            table.append({"topics": float(k), "silhouette": value})
            best = max(best, (value, k))
    return k_means(vectors, max(1, best[1]), seed), table


def matched(new: np.ndarray, old: np.ndarray, old_ids: Sequence[int]) -> list[int]:
    """The ids of the ``new`` centroids: those of the ``old`` ones they match, and fresh ones for what is new.

    An old topic is matched at most once, and only above a cosine of ``SAME``.
    """
    from scipy.optimize import linear_sum_assignment

    ids = [-1] * len(new)
    if len(old) and new.shape[1] == old.shape[1]:
        cosine = new @ old.T
        for row, column in zip(*linear_sum_assignment(-cosine), strict=True):
            if cosine[row, column] >= SAME:
                ids[row] = int(old_ids[column])
    fresh = max([-1, *old_ids]) + 1
    for row, known in enumerate(ids):
        if known < 0:
            ids[row], fresh = fresh, fresh + 1
    return ids


def _seeds(vectors: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    chosen = [int(rng.integers(len(vectors)))]
    distance = np.maximum(0.0, 1.0 - vectors @ vectors[chosen[0]])
    while len(chosen) < k:
        total = distance.sum()
        if total <= 1e-9:  # all that is left stands at a seed already
            break
        at = int(np.searchsorted(np.cumsum(distance), rng.random() * total))
        chosen.append(min(at, len(vectors) - 1))
        distance = np.minimum(distance, np.maximum(0.0, 1.0 - vectors @ vectors[chosen[-1]]))
    return vectors[chosen].astype(vectors.dtype)
