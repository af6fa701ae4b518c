"""Which features say something of a label, how much a model leans on each, and how many dimensions tell most.

Pure functions on arrays. They are called inside a candidate's ``fit``, with training rows and nothing else; what they
found goes into the model's report (``forge_models.family.report``), which the family's assets show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from forge_core.errors import ForgeError

ROWS = 10_000  # of which the mutual information is estimated: enough to tell 0.005 nats from noise
BINS = 16  # of equal frequency, for a column of more values
ROWS_PER_BIN = 10  # fewer bins where rows are few
SHUFFLES = 30  # of the label, to learn what an estimate is where there is nothing to know
DEVIATIONS = 4.0  # above the mean of those, and a feature says something; the estimate has a long upper tail
REPEATS = 5  # shuffles of each column, averaged


@dataclass(frozen=True)
class Selection:
    """``information`` and ``noise`` (features,) float64 in nats: the estimate, and what it must exceed.

    ``kept`` (k,) int64: the places of the features to use, the most telling first.
    """

    names: tuple[str, ...]
    information: np.ndarray
    noise: np.ndarray
    kept: np.ndarray

    def table(self, importance: Mapping[str, float]) -> list[dict[str, Any]]:
        """One row per feature for a report; ``importance`` as ``permutation`` gives it, for those in use."""
        kept = {self.names[place] for place in self.kept}
        return [
            {
                "feature": name,
                "mutual_information": float(self.information[place]),
                "by_chance": float(self.noise[place]),
                "kept": name in kept,
                "permutation_importance": float(importance.get(name, 0.0)),
            }
            for place, name in enumerate(self.names)
        ]


@dataclass(frozen=True)
class Reduction:
    """``components`` (d, features) and the share of the variance that each explains, (d,), both float64.

    ``mean`` (features,) is taken off first; it is zero for a sparse matrix, which would not stay sparse.
    """

    components: np.ndarray
    explained_variance_ratio: np.ndarray
    mean: np.ndarray

    @property
    def explained(self) -> float:
        """Share of the variance that all dimensions explain together."""
        return min(1.0, float(self.explained_variance_ratio.sum()))

    def apply(self, X: np.ndarray | sp.csr_array) -> np.ndarray:
        """(rows, d) float64."""
        return np.asarray(X @ self.components.T, np.float64) - self.mean @ self.components.T


def select(X: np.ndarray, y: np.ndarray, names: Sequence[str], keep: int, seed: int = 0) -> Selection:
    """The ``keep`` features that tell most of the label, of those that tell anything.

    ``X`` (rows, features) float, NaN where unknown; ``y`` (rows,) classes. Mutual information (Cover and
    Thomas 2006) of the binned feature, on at most ``ROWS`` rows. The estimate is never exactly 0 for noise, so each
    feature is held against itself under shuffled labels. A constant or all-null feature is never kept.

    Raises ForgeError FORGE-SELECTION-DATA for less than two rows of two classes.
    """
    X, y = np.asarray(X, np.float64), np.asarray(y)
    if X.ndim != 2 or X.shape != (len(y), len(names)):
        raise ValueError(f"X is {X.shape}; it needs one row per label and one column per name")
    _require_two_classes(y)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(y), min(ROWS, len(y)), replace=False))
    if len(np.unique(y[rows])) < 2:  # one of the classes is too rare for the sample
        rows = np.union1d(rows, np.unique(y, return_index=True)[1])
    binned = np.stack([_bins(X[rows, place]) for place in range(len(names))], axis=1)
    information = _information(binned, y[rows], seed)
    chance = np.stack([_information(binned, rng.permutation(y[rows]), seed) for _ in range(SHUFFLES)])
    noise = chance.mean(axis=0) + DEVIATIONS * chance.std(axis=0)
    telling = np.flatnonzero(information > noise)
    kept = telling[np.argsort(-information[telling], kind="stable")][: max(0, keep)]
    return Selection(tuple(names), information, noise, kept.astype(np.int64))


def permutation(
    score: Callable[[np.ndarray, np.ndarray], float],
    X: np.ndarray,
    y: np.ndarray,
    names: Sequence[str],
    seed: int = 0,
) -> dict[str, float]:
    """How much ``score(X, y)`` drops when a column is shuffled (Breiman 2001), by name; 0 where it is not used.

    ``X`` are training rows that the fit did not see; the mean of ``REPEATS`` shuffles. Without rows, all are 0.
    """
    X = np.asarray(X, np.float64)
    if len(X) == 0:
        return dict.fromkeys(names, 0.0)
    rng = np.random.default_rng(seed)
    whole, drops = score(X, y), {}
    for place, name in enumerate(names):
        changed, found = X.copy(), []
        for _ in range(REPEATS):
            changed[:, place] = X[rng.permutation(len(X)), place]
            found.append(whole - score(changed, y))
        drops[name] = float(np.mean(found))
    return drops


def reduce_sparse(X: sp.csr_array, dims: int, seed: int = 0) -> Reduction:
    """TruncatedSVD of (rows, features), randomised (Halko, Martinsson and Tropp 2011); at most min(shape) dims."""
    from sklearn.decomposition import TruncatedSVD

    with np.errstate(invalid="ignore"):  # rows that are all equal have no variance to explain a share of
        fitted = TruncatedSVD(_dimensions(X, dims), random_state=seed).fit(sp.csr_matrix(X))
    return _reduction(fitted, np.zeros(X.shape[1]))


def reduce_dense(X: np.ndarray, dims: int, seed: int = 0) -> Reduction:
    """PCA of (rows, features); at most min(shape) dims."""
    from sklearn.decomposition import PCA

    with np.errstate(invalid="ignore"):
        fitted = PCA(_dimensions(X, dims), random_state=seed).fit(X)
    return _reduction(fitted, np.asarray(fitted.mean_, np.float64))


def _reduction(fitted: Any, mean: np.ndarray) -> Reduction:
    ratio = np.nan_to_num(np.asarray(fitted.explained_variance_ratio_, np.float64))
    return Reduction(np.asarray(fitted.components_, np.float64), ratio, mean)


def _dimensions(X: np.ndarray | sp.csr_array, dims: int) -> int:
    if min(X.shape) < 2 or dims < 1:
        raise ForgeError(
            "FORGE-REDUCTION-DATA",
            "There is not enough data to reduce.",
            f"It needs 2 rows of 2 features and 1 dimension; there are {X.shape[0]}, {X.shape[1]} and {dims}.",
        )
    return min(dims, *X.shape)


def _bins(column: np.ndarray) -> np.ndarray:
    """The place of each value among at most ``BINS`` of equal frequency; what is unknown is a bin of its own."""
    known = np.isfinite(column)
    values = np.unique(column[known])
    if len(values) < 2:  # constant, or never known: that it is missing is not what was asked for
        return np.zeros(len(column), np.int64)
    bins = max(2, min(BINS, int(known.sum()) // ROWS_PER_BIN))
    if len(values) > bins:
        values = np.unique(np.quantile(column[known], np.arange(1, bins) / bins, method="lower"))
    return np.where(known, np.searchsorted(values, column, side="right"), BINS + 1)


def _information(binned: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """(features,) nats; exactly 0 for a column of one value."""
    from sklearn.feature_selection import mutual_info_classif

    found = mutual_info_classif(binned, y, discrete_features=True, random_state=seed)
    return np.where(np.ptp(binned, axis=0) > 0, found, 0.0)


def _require_two_classes(y: np.ndarray) -> None:
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2 or counts.min() < 2:
        raise ForgeError(
            "FORGE-SELECTION-DATA",
            "There is not enough data to choose features by.",
            f"It needs 2 classes of 2 rows each; there are {len(y)} rows of {len(classes)} classes,"
            f" {int(counts.min(initial=len(y)))} of the rarest.",
            "Add data, or leave the selection out.",
        )
