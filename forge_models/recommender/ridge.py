"""Sequential ridge: the next item from two decayed views of the history, in closed form.

A view is the history with every event weighted exp(-age / tau) inside a window; the short one (tau 1) knows what was
just done, the long one (tau 8) what it was part of. F (events, 2 m) holds both views before each event, Y (events, m)
the event that came; the weights are W = (F'F + lambda I)^-1 F'Y: multi-output ridge regression (Hoerl and Kennard,
1970) of one-hot next items, EASE's idea (Steck, WWW 2019) turned from "what belongs together" to "what comes next".

F is never made. An entry of F'F is a sum over pairs of events of one subject, and how often both are in view is a
geometric series that depends on how far they are apart and how near to the end: so events x window pairs are counted
instead of events x window^2. Sums are exact (``recency.GRAIN``); the solve is Cholesky in float32.

The cut. F'F has (2 m)^2 entries: the solve is for the ``max_items`` items that most training subjects know, and
all others score their share of all events, which is what a ridge without features would give them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from scipy.linalg.lapack import spotrf, spotrs

from forge_core.errors import ForgeError
from forge_models.family import TrainingRun
from forge_models.recommender.interactions import Histories, encode
from forge_models.recommender.models import RecommenderModel
from forge_models.recommender.recency import GRAIN, ages, among, decay, query, training_histories
from forge_models.recommender.stored import Stored, require

AT_ONCE = 8_000_000  # pairs of events counted at once: 200 MB
View = tuple[float, int]  # tau, window
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # items, items, weights


@dataclass(frozen=True)
class RidgeModel(RecommenderModel):
    """``head`` (m,) int64: the items it was solved for, ascending; ``weights`` (views x m, m) float32.

    Its views are in the configuration: ``taus`` and ``windows``.
    """

    head: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    kind: ClassVar[str] = "ridge"

    @property
    def views(self) -> list[View]:
        return list(zip(self.config["taus"], self.config["windows"], strict=True))

    def personal_scores(self, histories: Histories) -> np.ndarray:
        inside = among(histories, self.head)
        features = sp.hstack([query(inside, tau, window) for tau, window in self.views], format="csr")
        found = features.astype(np.float32) @ self.weights
        if len(self.head) == len(self.items):
            return np.asarray(found)
        scores = np.tile(self._shares(), (len(histories), 1))
        scores[:, self.head] = found
        return scores

    def knows(self, histories: Histories) -> np.ndarray:
        return among(histories, self.head).lengths > 0

    def contributions(self, history: Histories, items: np.ndarray) -> np.ndarray:
        found = np.zeros((len(history.items), len(items)))
        m = len(self.head)
        place = np.full(len(self.items), -1, np.int64)
        place[self.head] = np.arange(m)
        rows, columns = np.flatnonzero(place[history.items] >= 0), np.flatnonzero(place[items] >= 0)
        inside = among(history, self.head)
        for number, (tau, window) in enumerate(self.views):
            part = self.weights[np.ix_(number * m + inside.items, place[items[columns]])].astype(np.float64)
            found[np.ix_(rows, columns)] += part * decay(ages(inside), tau, window)[:, None]
        return found

    def item_vectors(self, items: np.ndarray) -> np.ndarray | None:
        """What follows an item, in the first view."""
        place = np.full(len(self.items), -1, np.int64)
        place[self.head] = np.arange(len(self.head))
        rows = place[items]
        known = self.weights[rows] if len(self.head) else np.zeros((len(items), 0), np.float32)
        return np.where((rows >= 0)[:, None], known, np.float32(0.0))

    def prior(self, items: np.ndarray) -> np.ndarray:
        shares = self._shares()
        shares[self.head] = 0.0
        return shares[items]

    def _shares(self) -> np.ndarray:
        return self.counts / max(int(self.counts.sum()), 1)


def fit(
    rows: pa.Table,
    taus: Sequence[float],
    windows: Sequence[int],
    regularisation: float,
    dropout: float,
    max_items: int,
    run: TrainingRun,
) -> RidgeModel:
    """Sequential ridge on the training ``rows``, in the order of their positions."""
    data = encode(rows)
    counts = data.subjects_per_item
    head = np.sort(np.argsort(-counts, kind="stable")[:max_items])
    histories = among(training_histories(rows, data.items), head)
    views = list(zip(taus, windows, strict=True))
    run.progress(f"sequential ridge: pairs of {len(head)} items")
    gram, product = gram_of(histories, views), product_of(histories, views)
    run.progress(f"sequential ridge: solving for {len(head)} items")
    config = {
        "taus": list(taus),
        "windows": list(windows),
        "lambda": regularisation,
        "dropout": dropout,
        "max_items": max_items,
    }
    weights = solve(gram, product, regularisation, dropout)
    return RidgeModel(data.items, counts, len(data.subjects), config, head, weights)


def gram_of(histories: Histories, views: Sequence[View]) -> np.ndarray:
    """F'F (views x m, views x m) float32, Fortran order, of which the lower triangle of blocks is filled."""
    m = histories.size
    gram = np.zeros((len(views) * m, len(views) * m), np.float32, order="F")
    for p, view in enumerate(views):
        for q, other in enumerate(views[: p + 1]):
            block = _counted(m, _both_in_view(histories, view, other))
            block += block.T if p == q else _counted(m, _both_in_view(histories, other, view)).T
            gram[p * m : (p + 1) * m, q * m : (q + 1) * m] = block
    return gram


def product_of(histories: Histories, views: Sequence[View]) -> np.ndarray:
    """F'Y (views x m, m) float32, Fortran order."""
    m = histories.size
    product = np.zeros((len(views) * m, m), np.float32, order="F")
    for p, (tau, window) in enumerate(views):

        def followed(tau: float = tau, window: int = window) -> Iterator[Pairs]:
            for lag in range(1, window + 1):
                older, newer = _apart(histories, lag)
                yield histories.items[older], histories.items[newer], decay(np.full(len(older), lag - 1), tau)

        product[p * m : (p + 1) * m] = _counted(m, followed())
    return product


def solve(gram: np.ndarray, product: np.ndarray, regularisation: float, dropout: float = 0.0) -> np.ndarray:
    """The weights, in the memory of ``product``; that of ``gram`` is destroyed too.

    ``dropout`` of inputs, in expectation, is more regularisation for what is often in view (Steck, NeurIPS 2020).
    """
    if not len(gram):
        return product
    gram[np.diag_indices(len(gram))] *= np.float32(1.0 / (1.0 - dropout))
    gram[np.diag_indices(len(gram))] += np.float32(regularisation)
    factor, failed = spotrf(gram, lower=1, overwrite_a=1, clean=0)
    if not failed:
        product, failed = spotrs(factor, product, lower=1, overwrite_b=1)
    if failed:
        raise ForgeError(
            "FORGE-RIDGE-SINGULAR",
            "The sequential ridge could not be solved.",
            "Its Gram matrix with this lambda is not positive definite.",
            "Use a larger lambda.",
        )
    return np.ascontiguousarray(product)


def _both_in_view(histories: Histories, view: View, other: View) -> Iterator[Pairs]:
    """Pairs of events with the older one in ``view`` and the newer one in ``other``, at all the moments when both are.

    A pair of an event with itself has half its weight: it is found from both sides.
    """
    (tau, window), (tau_other, window_other) = view, other
    left = ages(histories)  # moments that come after an event and have a next item
    series = np.exp(-1.0 / tau - 1.0 / tau_other) ** np.arange(max(window, window_other))
    upto = np.concatenate([[0.0], np.cumsum(series)])
    for lag in range(window):
        older, newer = _apart(histories, lag)
        often = np.minimum(min(window - lag, window_other), left[newer])
        weight = upto[often] * (np.exp(-lag / tau) if lag else 0.5)
        yield histories.items[older], histories.items[newer], np.round(weight / GRAIN) * GRAIN


def _apart(histories: Histories, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the events of a subject that are ``lag`` events apart, the older and the newer."""
    newer = np.arange(len(histories.items))
    newer = newer[newer - np.repeat(histories.indptr[:-1], histories.lengths) >= lag]
    return newer - lag, newer


def _counted(m: int, found: Iterable[Pairs]) -> np.ndarray:
    """(m, m) float64: the weights of pairs, added up."""
    total = np.zeros(m * m)
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    for rows, columns, weights in found:
        waiting.append((rows * m + columns, weights))
        if sum(len(keys) for keys, _ in waiting) > AT_ONCE:
            _empty(waiting, total)
    _empty(waiting, total)
    return total.reshape(m, m)


def _empty(waiting: list[tuple[np.ndarray, np.ndarray]], total: np.ndarray) -> None:
    if waiting:
        keys, weights = (np.concatenate(part) for part in zip(*waiting, strict=True))
        total += np.bincount(keys, weights, minlength=len(total))
        waiting.clear()


# --- storage --------------------------------------------------------------------------------------


def arrays(model: RidgeModel) -> dict[str, np.ndarray]:
    return {"head": model.head, "weights": model.weights}


def from_arrays(stored: Stored) -> RidgeModel:
    head = stored.head()
    taus, windows = (stored.common["config"].get(name) for name in ("taus", "windows"))
    require(
        isinstance(taus, list)
        and isinstance(windows, list)
        and 0 < len(taus) == len(windows)
        and all(type(tau) is float and tau > 0 for tau in taus)
        and all(type(window) is int and window > 0 for window in windows),
        "Its views are missing or out of bounds.",
    )
    m = len(head)
    weights = stored.array("weights", np.float32, (len(taus) * m, m))
    return RidgeModel(**stored.common, head=head, weights=weights)
