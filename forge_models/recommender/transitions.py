"""Windowed transitions: what came soon after what, counted; sparse, for catalogues of any size.

weight(i -> j) = sum over events of j that follow i within a window of exp(-(distance - 1) / tau), plus
``backward`` times the same for j before i; each row is divided by its sum to the power ``damping`` (0: counts, which
favour items that many know; 1: shares). Item-to-item counting (Linden et al. 2003) with order and distance. A query
is the decayed history times the weights.

Pairs are counted in blocks of items whose work is bounded, and of each row only the largest weights are kept:
memory grows with items x neighbours.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from forge_models.family import TrainingRun
from forge_models.recommender.interactions import Histories, encode
from forge_models.recommender.models import RecommenderModel
from forge_models.recommender.recency import GRAIN, ages, decay, query, training_histories
from forge_models.recommender.stored import Stored, sparse_arrays

AT_ONCE = 10_000_000  # pairs of events counted at once: 240 MB
TIE = 1e-6  # of the score is popularity: it orders what no transition leads to


@dataclass(frozen=True)
class TransitionsModel(RecommenderModel):
    """``weights`` CSR (items, items) float64: row i holds what an event of item i adds to each candidate.

    The configuration has ``tau`` and ``window`` of the query.
    """

    weights: sp.csr_array = field(default_factory=lambda: sp.csr_array((0, 0)))

    kind: ClassVar[str] = "transitions"

    @property
    def view(self) -> tuple[float, int]:
        return float(self.config["query_tau"]), int(self.config["query_window"])

    def personal_scores(self, histories: Histories) -> np.ndarray:
        found = (query(histories, *self.view) @ self.weights).toarray()
        return np.asarray(found + self.prior(np.arange(len(self.items))))

    def contributions(self, history: Histories, items: np.ndarray) -> np.ndarray:
        weight = decay(ages(history), *self.view)
        return np.asarray(self.weights[history.items][:, items].toarray() * weight[:, None])

    def item_vectors(self, items: np.ndarray) -> np.ndarray | None:
        return np.asarray(self.weights[items].toarray())

    def prior(self, items: np.ndarray) -> np.ndarray:
        return TIE * self.counts[items] / max(int(self.counts.max(initial=0)), 1)


@dataclass(frozen=True)
class Counting:
    """How transitions are counted; see the module."""

    window: int
    tau: float
    backward: float
    damping: float
    neighbours: int


def fit(
    rows: pa.Table, counting: Counting, query_window: int, query_tau: float, run: TrainingRun
) -> TransitionsModel:
    """Transitions of the training ``rows``, in the order of their positions."""
    data = encode(rows)
    run.progress(f"transitions between {len(data.items)} items")
    weights = transitions(training_histories(rows, data.items), counting)
    config = {**asdict(counting), "query_window": query_window, "query_tau": query_tau}
    return TransitionsModel(data.items, data.subjects_per_item, len(data.subjects), config, weights)


def transitions(histories: Histories, counting: Counting) -> sp.csr_array:
    """CSR (items, items) float64: see the module; column indices sorted."""
    n = histories.size
    by_item = np.argsort(histories.items, kind="stable")  # events, those of one item together
    often = np.bincount(histories.items, minlength=n)
    block_of = (np.cumsum(often) * 2 * counting.window) // AT_ONCE
    parts = []
    ends = np.concatenate([[0], np.cumsum(often)])
    for block in np.unique(block_of):
        start, stop = np.searchsorted(block_of, [block, block + 1])
        counts = _count(histories, by_item[ends[start] : ends[stop]], start, stop, counting)
        parts.append(_strongest(_damped(counts, counting.damping), counting.neighbours))
    empty = sp.csr_array((0, n))
    return sp.csr_array(sp.vstack(parts, format="csr")) if parts else empty


def _count(
    histories: Histories, events: np.ndarray, start: int, stop: int, counting: Counting
) -> sp.csr_array:
    """(stop - start, items): weights from the items of ``events``, which are those from ``start`` to ``stop``."""
    subject = np.repeat(np.arange(len(histories)), histories.lengths)
    rows, columns, weights = [], [], []
    for step in (1, -1):
        share = 1.0 if step > 0 else counting.backward
        for distance in range(1, counting.window + 1) if share else ():
            others = events + step * distance
            inside = (others >= 0) & (others < len(subject))
            inside[inside] = subject[others[inside]] == subject[events[inside]]
            rows.append(histories.items[events[inside]] - start)
            columns.append(histories.items[others[inside]])
            weight = share * decay(np.array([distance - 1]), counting.tau)
            weights.append(np.repeat(np.round(weight / GRAIN) * GRAIN, len(rows[-1])))
    if not rows:
        return sp.csr_array((stop - start, histories.size))
    flat = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    counts = sp.coo_array(flat, shape=(stop - start, histories.size)).tocsr()
    counts.sum_duplicates()
    return counts


def _damped(counts: sp.csr_array, damping: float) -> sp.csr_array:
    sums = np.asarray(counts.sum(axis=1)).ravel()
    scale = np.divide(1.0, sums**damping, out=np.zeros(len(sums)), where=sums > 0)
    counts.data *= np.repeat(scale, np.diff(counts.indptr))
    return counts


def _strongest(matrix: sp.csr_array, keep: int) -> sp.csr_array:
    """The ``keep`` largest of each row; ties to the lower index."""
    lengths = np.diff(matrix.indptr)
    if lengths.max(initial=0) <= keep:
        return matrix
    rows = np.repeat(np.arange(matrix.shape[0]), lengths)
    order = np.lexsort((matrix.indices, -matrix.data, rows))
    place = np.arange(len(order)) - np.repeat(matrix.indptr[:-1], lengths)
    kept = np.sort(order[place < keep])
    indptr = np.concatenate([[0], np.cumsum(np.minimum(lengths, keep))])
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


# --- storage --------------------------------------------------------------------------------------


def arrays(model: TransitionsModel) -> dict[str, np.ndarray]:
    return sparse_arrays("weights", model.weights)


def from_arrays(stored: Stored) -> TransitionsModel:
    stored.number("query_tau", 1e-9, 1e9)
    stored.number("query_window", 1, 1_000_000_000)
    return TransitionsModel(
        **stored.common, weights=stored.sparse("weights", np.float64, (stored.n, stored.n))
    )
