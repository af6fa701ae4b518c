"""Bootstrap intervals of means over subjects (percentile method: Efron and Tibshirani 1993, chapter 13).

The unit that is resampled is the subject, since rows of one person are not independent. All metrics of
one call share their resamples, and so do the two sides of a paired difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 1000  # the ends of a 95 % interval then rest on 25 resamples each
CELLS = 4_000_000  # resampling weights held at once: 32 MB of float64, whatever the number of subjects


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap interval; ``n`` is the number of subjects behind it."""

    value: float
    low: float
    high: float
    n: int

    def overlaps(self, other: Interval) -> bool:
        return self.low <= other.high and other.low <= self.high


def weights(n: int, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[np.ndarray]:
    """Resampling weights in blocks (rows, n): how often each of ``n`` subjects was drawn; rows sum to n."""
    import numpy as np

    rng = np.random.default_rng(seed)
    step = max(1, CELLS // max(n, 1))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = rng.integers(0, n, size=(rows, n), dtype=np.int64)
        drawn += np.arange(rows, dtype=np.int64)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def mean_intervals(
    values: Mapping[str, np.ndarray], confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """The mean of each array (n,) over subjects with its interval; NaN with ``n = 0`` where there is none."""
    import numpy as np

    if not values:
        return {}
    matrix = np.column_stack([np.asarray(array, np.float64) for array in values.values()])
    n = len(matrix)
    if n == 0:
        return {name: Interval(np.nan, np.nan, np.nan, 0) for name in values}
    means = np.concatenate([block @ matrix for block in weights(n, resamples, seed)]) / n
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    # the mean of a constant may differ from its resampled mean in the last bit
    value = matrix.mean(axis=0)
    return {
        name: Interval(float(v), float(min(lo, v)), float(max(hi, v)), n)
        for name, v, lo, hi in zip(values, value, low, high, strict=True)
    }


def mean_interval(
    values: np.ndarray, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The mean of ``values`` (n,) with its interval."""
    return mean_intervals({"": values}, confidence, resamples, seed)[""]


def paired_difference(
    ours: np.ndarray,
    theirs: np.ndarray,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Mean of ``ours - theirs`` over the same subjects, with its interval: better when ``low > 0``."""
    import numpy as np

    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        raise ValueError("a paired difference needs the same subjects on both sides")
    return mean_interval(ours - theirs, confidence, resamples, seed)
