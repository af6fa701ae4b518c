"""Full-ranking metrics of a recommender: every unseen item of the catalogue is ranked, none is sampled.

Sampled metrics (100 random negatives) order models differently from full ranking (Krichene and Rendle,
KDD 2020), so there are none here. An order is exactly that of a stable sort by (-score, item index): ties
go to the lower index, on every machine. Relevance is binary.

Shapes: ``scores`` (n, items) float, one row per subject; ``seen`` and ``targets`` CSR matrices of the same
shape; ``top`` (n, k) item indices, best first, -1 where fewer than k items are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import scipy.sparse as sp

    from forge_core.evaluation.intervals import Interval

BATCH_BYTES = 64 << 20  # one batch of float64 scores


def batch_rows(items: int) -> int:
    """How many subjects to score at once, so that a batch of scores stays within ``BATCH_BYTES``."""
    return max(1, BATCH_BYTES // (8 * max(items, 1)))


def hide(scores: np.ndarray, seen: sp.csr_array) -> None:
    """Set the seen items to minus infinity, in place."""
    import numpy as np

    rows = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
    scores[rows, seen.indices] = -np.inf


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` best items per row, exactly as a stable sort by (-score, index) would give them.

    Items at minus infinity are never returned; their places hold -1.
    """
    import numpy as np

    if np.isnan(scores).any():
        raise ValueError("scores hold NaN")
    n, items = scores.shape
    width = min(k, items)
    top = np.full((n, k), -1, np.int64)
    if width == 0 or n == 0:
        return top
    threshold = np.partition(scores, items - width, axis=1)[:, items - width, None]  # the width-th largest
    chosen = scores >= threshold
    crowded = np.flatnonzero(chosen.sum(axis=1) > width)  # ties at the border: lower index wins
    if len(crowded):
        part, border = scores[crowded], threshold[crowded]
        above = part > border
        tied = part == border
        room = width - above.sum(axis=1, keepdims=True)
        chosen[crowded] = above | (tied & (np.cumsum(tied, axis=1) <= room))
    columns = np.nonzero(chosen)[1].reshape(n, width)  # ascending index within a row
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    best = np.take_along_axis(columns, order, axis=1)
    reached = np.take_along_axis(values, order, axis=1) > -np.inf
    top[:, :width] = np.where(reached, best, -1)
    return top


def hits(top: np.ndarray, targets: sp.csr_array) -> np.ndarray:
    """(n, k) bool: is the item at this place one of the subject's targets?"""
    import numpy as np

    items = targets.shape[1]
    rows = np.repeat(np.arange(targets.shape[0], dtype=np.int64), np.diff(targets.indptr))
    wanted = rows * items + targets.indices
    given = np.arange(len(top), dtype=np.int64)[:, None] * items + top
    return np.isin(given, wanted) & (top >= 0)


def ndcg(hit: np.ndarray, n_targets: np.ndarray, k: int) -> np.ndarray:
    """(n,) NDCG@k (Järvelin and Kekäläinen 2002), ideal over min(k, targets); 0 without targets."""
    import numpy as np

    gain = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(gain)])[np.minimum(n_targets, k)]
    return np.divide(hit[:, :k] @ gain[: hit[:, :k].shape[1]], ideal, out=np.zeros(len(hit)), where=ideal > 0)


def recall(hit: np.ndarray, n_targets: np.ndarray, k: int) -> np.ndarray:
    """(n,) share of all targets found in the first k; divided by their number, not by min(k, it)."""
    import numpy as np

    found = hit[:, :k].sum(axis=1).astype(np.float64)
    return np.divide(found, n_targets, out=np.zeros(len(hit)), where=np.asarray(n_targets) > 0)


def hit_rate(hit: np.ndarray, k: int) -> np.ndarray:
    """(n,) 1 where any target is in the first k."""
    import numpy as np

    return np.asarray(hit[:, :k].any(axis=1), np.float64)


def reciprocal_rank(scores: np.ndarray, targets: sp.csr_array) -> np.ndarray:
    """(n,) 1 / rank of the best ranked target over the whole catalogue; 0 where none can be ranked."""
    import numpy as np

    marked = np.full(scores.shape, -np.inf)
    rows = np.repeat(np.arange(targets.shape[0]), np.diff(targets.indptr))
    marked[rows, targets.indices] = scores[rows, targets.indices]
    best = marked.argmax(axis=1)  # the first of equals: the lower index, which is the better ranked
    value = marked[np.arange(len(marked)), best][:, None]
    before = np.arange(scores.shape[1])[None, :] < best[:, None]
    rank = 1 + (scores > value).sum(axis=1) + ((scores == value) & before).sum(axis=1)
    return np.where(value[:, 0] > -np.inf, 1.0 / rank, 0.0)


def novelty(top: np.ndarray, self_information: np.ndarray, k: int) -> np.ndarray:
    """(n,) mean self-information, in bits, of the first k items (Zhou et al. 2010); 0 where none is given."""
    import numpy as np

    first = top[:, :k]
    given = first >= 0
    bits: np.ndarray = np.where(given, self_information[np.maximum(first, 0)], 0.0).sum(axis=1)
    return bits / np.maximum(given.sum(axis=1), 1)


def self_information(subjects_per_item: np.ndarray, subjects: int) -> np.ndarray:
    """(items,) -log2 of the share of subjects that know the item, in bits; never seen counts as seen once."""
    import numpy as np

    return -np.log2(np.maximum(subjects_per_item, 1) / max(subjects, 1))


def coverage_interval(tops: Sequence[np.ndarray], items: int, k: int, seed: int = 0) -> Interval:
    """Share of the catalogue that appears in at least one subject's first k, as an ``Interval``.

    A set's size is no mean, and a resample holds about 63 % of the subjects, so it covers less: the
    interval is the spread of the resamples around the value itself.
    """
    import numpy as np
    import scipy.sparse as sp

    from forge_core.evaluation.intervals import RESAMPLES, Interval, weights

    first = np.concatenate([top[:, :k] for top in tops]) if len(tops) else np.empty((0, k), np.int64)
    n = len(first)
    if n == 0 or items == 0:
        return Interval(np.nan, np.nan, np.nan, n)
    rows, columns = np.nonzero(first >= 0)
    given, inverse = np.unique(first[rows, columns], return_inverse=True)
    value = len(given) / items
    shown = sp.csr_array((np.ones(len(rows)), (rows, inverse)), shape=(n, len(given))).T.tocsr()
    covered = np.concatenate(
        [((shown @ block.T) > 0).sum(axis=0) for block in weights(n, RESAMPLES // 5, seed)]
    )
    low, high = np.quantile(covered / items, [0.025, 0.975]) - covered.mean() / items
    return Interval(value, float(max(0.0, value + min(low, 0.0))), float(min(1.0, value + max(high, 0.0))), n)
