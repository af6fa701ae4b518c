"""The distance to the third nearest of 64 training rows, in logarithms, averaged over fifty such draws.

Nearest-neighbour ensembles on subsamples (Aggarwal and Sathe 2015; Sugiyama and Borgwardt 2013: a few dozen points
do better than all of them, for anomalies find no company in a small sample). 50 x 64 points and the third
neighbour were chosen once on ADBench tables and are not tuned to any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

DRAWS, POINTS, NEIGHBOUR = 50, 64, 3
FLOOR = 1e-12  # of a squared distance: rows that are equal are near, not infinitely near


@dataclass(frozen=True)
class Neighbours:
    """``points`` (draws, points, d) float64; ``centre`` and ``scale`` (d,) float64, of the training rows.

    ``own`` of ``scores``: for training rows, where each stands among the points, see ``fit``.
    """

    points: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    def scores(self, values: np.ndarray) -> np.ndarray:
        """(n,) float64, higher is stranger, of rows (n, d) that were not trained on."""
        rows = np.ascontiguousarray((values - self.centre) / self.scale)
        return _compiled()(rows, self.points, np.full((len(self.points), 1), -1), 0)

    def one(self, row: np.ndarray) -> float:
        """The same for one row (d,)."""
        return float(_single()(row, self.centre, self.scale, self.points))


def fit(
    values: np.ndarray, seed: int, draws: int = DRAWS, points: int = POINTS
) -> tuple[Neighbours, np.ndarray]:
    """The detector, and the scores (n,) of its own training rows (n, d), none of them its own neighbour."""
    centre = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
    scale = values.std(axis=0) if len(values) else np.ones(values.shape[1])
    scale = np.where(scale > 1e-9, scale, 1.0)
    rows = np.ascontiguousarray((values - centre) / scale)
    rng = np.random.default_rng(seed)
    size = min(points, len(rows))
    drawn = np.array([rng.permutation(len(rows))[:size] for _ in range(draws)], np.int64).reshape(draws, size)
    model = Neighbours(np.ascontiguousarray(rows[drawn]), centre, scale)
    return model, _compiled()(rows, model.points, drawn, 1)


@cache
def _compiled() -> Callable[..., Any]:
    """All rows against all points: products by BLAS, the third smallest in compiled code."""

    def scores(rows: np.ndarray, points: np.ndarray, drawn: np.ndarray, training: int) -> np.ndarray:
        n, d = rows.shape
        draws, size = points.shape[:2]
        total = np.zeros(n)
        if size <= training:  # nobody else to be near to
            return total
        flat = points.reshape(-1, d)
        length = (flat * flat).sum(axis=1)
        step = max(1, 4_000_000 // max(1, len(flat)))
        for start in range(0, n, step):
            part = rows[start : start + step]
            squared = length - 2.0 * (part @ flat.T) + (part * part).sum(axis=1)[:, None]
            if training:
                for draw in range(draws):
                    inside = (drawn[draw] >= start) & (drawn[draw] < start + len(part))
                    squared[drawn[draw][inside] - start, draw * size + np.flatnonzero(inside)] = np.inf
            total[start : start + step] = _select()(squared, draws, size)
        return total

    return scores


@cache
def _select() -> Callable[..., Any]:
    """(n,) the mean over draws of half the logarithm of the third smallest finite squared distance."""
    from numba import njit

    @njit(cache=True, error_model="numpy")
    def select(squared, draws, size):
        n = squared.shape[0]
        found = np.empty(n)
        for row in range(n):
            total = 0.0
            for draw in range(draws):
                a = b = c = np.inf
                for place in range(draw * size, (draw + 1) * size):
                    value = squared[row, place]
                    if value < c:
                        if value < b:
                            c = b
                            if value < a:
                                b = a
                                a = value
                            else:
                                b = value
                        else:
                            c = value
                nearest = c if c < np.inf else (b if b < np.inf else a)
                total += 0.5 * np.log(max(nearest, FLOOR))
            found[row] = total / draws
        return found

    return select


@cache
def _single() -> Callable[..., Any]:
    """One row: no arrays are made on the way."""
    from numba import njit

    @njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "arcp", "nsz"})
    def single(row, centre, scale, points):
        draws, size, d = points.shape
        if size == 0:
            return 0.0
        scaled = (row - centre) / scale
        total = 0.0
        for draw in range(draws):
            a = b = c = np.inf
            for place in range(size):
                value = 0.0
                for j in range(d):
                    distance = scaled[j] - points[draw, place, j]
                    value += distance * distance
                if value < c:
                    if value < b:
                        c = b
                        if value < a:
                            b = a
                            a = value
                        else:
                            b = value
                    else:
                        c = value
            nearest = c if c < np.inf else (b if b < np.inf else a)
            total += 0.5 * np.log(max(nearest, FLOOR))
        return total / draws

    return single
