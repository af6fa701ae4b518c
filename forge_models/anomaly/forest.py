"""Isolation forest (Liu, Ting and Zhou, ICDM 2008): how few random cuts set a row apart from a small sample.

Trees are grown here and kept as arrays, so that a stored forest is numbers and no pickle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

TREES, SAMPLE = 100, 256  # the paper's


@dataclass(frozen=True)
class Forest:
    """``feature`` (nodes,) int64, -1 at a leaf; ``cut`` (nodes,) float64, at a leaf the expected depth from the root;
    ``right`` (nodes,) int64, the left child is the next node; ``roots`` (trees,) int64; ``usual``: depth to compare
    with.
    """

    feature: np.ndarray
    cut: np.ndarray
    right: np.ndarray
    roots: np.ndarray
    usual: float

    def scores(self, values: np.ndarray) -> np.ndarray:
        """(n,) float64 between 0 and 1, higher is stranger, of rows (n, d)."""
        depth = _depths()(np.ascontiguousarray(values), self.feature, self.cut, self.right, self.roots)
        return np.exp2(-depth / self.usual)


def fit(values: np.ndarray, seed: int, trees: int = TREES) -> Forest:
    """``values`` (n, d) of the training rows."""
    rng = np.random.default_rng(seed)
    size = min(SAMPLE, len(values))
    limit = int(np.ceil(np.log2(max(size, 2))))
    feature: list[int] = []
    cut: list[float] = []
    right: list[int] = []

    def grow(rows: np.ndarray, depth: int) -> None:
        node = len(feature)
        feature.append(-1)
        right.append(-1)
        cut.append(depth + average_path(len(rows)))
        if depth >= limit or len(rows) <= 1:
            return
        low, high = rows.min(axis=0), rows.max(axis=0)
        able = np.flatnonzero(high > low)
        if not len(able):
            return
        chosen = int(able[rng.integers(len(able))])
        at = float(rng.uniform(low[chosen], high[chosen]))
        left = rows[:, chosen] <= at
        feature[node], cut[node] = chosen, at
        grow(rows[left], depth + 1)
        right[node] = len(feature)
        grow(rows[~left], depth + 1)

    roots = []
    for _ in range(trees):
        roots.append(len(feature))
        grow(values[rng.permutation(len(values))[:size]], 0)
    return Forest(
        np.array(feature, np.int64),
        np.array(cut, np.float64),
        np.array(right, np.int64),
        np.array(roots, np.int64),
        max(average_path(size), 1.0),
    )


def average_path(n: int) -> float:
    """Mean depth of an unsuccessful search in a binary tree of ``n`` values: equation 1 of the paper."""
    if n <= 1:
        return 0.0
    return 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n if n > 2 else 1.0


@cache
def _depths() -> Callable[..., Any]:
    from numba import njit

    @njit(cache=True, error_model="numpy")
    def depths(values, feature, cut, right, roots):
        found = np.zeros(values.shape[0])
        for row in range(values.shape[0]):
            for root in roots:
                node = root
                while feature[node] >= 0:
                    node = node + 1 if values[row, feature[node]] <= cut[node] else right[node]
                found[row] += cut[node]
            found[row] /= len(roots)
        return found

    return depths
