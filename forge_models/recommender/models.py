"""The fitted models: what they hold, and how they score. Arrays only; reading and writing is elsewhere.

Those of this module are linear in the history, whatever its order: score = what the model thinks of the item for
anybody (the prior, 0 for most of them) + the sum of the contributions of the subject's own items. That is what
makes their reasons exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import scipy.sparse as sp

from forge_models.recommender.interactions import Histories
from forge_models.recommender.item_text import BLOCKS, Block
from forge_models.recommender.recency import ages, decay, query

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Remembered:
    """A person's state, read: ``scores`` (items,), or None where it holds no event that the model knows.

    ``history``: the last events, which reasons can name; ``seen``: codes of all items known. ``weights(items)`` gives
    (len(history.items), len(items)): what each of these events adds.
    """

    scores: np.ndarray | None
    history: Histories
    seen: np.ndarray
    weights: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class RecommenderModel:
    """``items`` is sorted; ``counts`` (items,) int64: training subjects that know the item."""

    items: list[str]
    counts: np.ndarray
    subjects: int
    config: Mapping[str, Any] = field(default_factory=dict)

    kind: ClassVar[str]

    @property
    def personal(self) -> bool:
        """Does the answer depend on the history?"""
        return True

    @property
    def stateful(self) -> bool:
        """Can a state of fixed size stand in for the history (``recall``)?"""
        return False

    @cached_property
    def index(self) -> dict[str, int]:
        return {item: position for position, item in enumerate(self.items)}

    def personal_scores(self, histories: Histories) -> np.ndarray:
        """(n, items) floating scores of every item, those of the history too."""
        raise NotImplementedError

    def knows(self, histories: Histories) -> np.ndarray:
        """(n,) bool: does the model know any item of this history?"""
        return histories.lengths > 0

    def contributions(self, history: Histories, items: np.ndarray) -> np.ndarray:
        """(events, len(items)) float64: what each event of one subject adds to the score of each item."""
        raise NotImplementedError

    def prior(self, items: np.ndarray) -> np.ndarray:
        """(len(items),) float64: the part of each score that no watched item adds."""
        return np.zeros(len(items))

    @property
    def reasons_mean(self) -> str:
        """What the weights of reasons are, where they do not add up to the score; empty where they do."""
        return ""

    @property
    def impersonal_note(self) -> str:
        """Why the answer is the same for everybody, where the model knows a reason."""
        return ""

    def item_vectors(self, items: np.ndarray) -> np.ndarray | None:
        """(len(items), d): rows whose cosine says how alike two items are; None where the model cannot tell."""
        return None

    def with_newcomers(self, table: pa.Table, wanted: Sequence[str]) -> RecommenderModel:
        """The model with those of the ``wanted`` items that it can place by ``table``, which is ``features/items``."""
        return self

    def recall(self, state: Any) -> Remembered:
        """What a person's recurrent state says; only models that keep one (``stateful``) are asked."""
        raise NotImplementedError

    def scores(self, histories: Histories) -> tuple[np.ndarray, np.ndarray]:
        """Scores (n, items), and (n,) bool where popularity had to stand in for an unknown history."""
        scores = self.personal_scores(histories)
        fallback = ~self.knows(histories)
        scores[fallback] = self.counts
        return scores, fallback


@dataclass(frozen=True)
class LinearModel(RecommenderModel):
    """A model that sees which items were watched and not when."""

    def linear(self, histories: sp.csr_array) -> np.ndarray:
        """(n, items) float64 scores for CSR ``histories`` (n, items) of ones."""
        raise NotImplementedError

    def personal_scores(self, histories: Histories) -> np.ndarray:
        return self.linear(histories.matrix)


@dataclass(frozen=True)
class EaseModel(LinearModel):
    """``head`` (m,) int64: the items EASE was solved for, ascending; ``weights`` (m, m) float64, diagonal 0.

    Items outside the head rank after all of the head, by popularity. ``config["recency"]``, where above 0, is the
    ``tau`` with which older events count less in a query (``recency.query``).
    """

    head: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    kind: ClassVar[str] = "ease"

    @property
    def recency(self) -> float:
        return float(self.config.get("recency", 0.0))

    def personal_scores(self, histories: Histories) -> np.ndarray:
        return self.linear(query(histories, self.recency))

    def linear(self, histories: sp.csr_array) -> np.ndarray:
        if len(self.head) == len(self.items):
            return histories @ self.weights
        head = histories[:, self.head] @ self.weights
        lowest = head.min(axis=1, initial=0.0)[:, None]
        scores = lowest - 2.0 + self.counts / (self.counts.max(initial=0) + 1.0)
        scores[:, self.head] = head
        return scores

    def knows(self, histories: Histories) -> np.ndarray:
        return np.diff(histories.matrix[:, self.head].indptr) > 0

    def item_vectors(self, items: np.ndarray) -> np.ndarray | None:
        place = np.full(len(self.items), -1, np.int64)
        place[self.head] = np.arange(len(self.head))
        rows = place[items]
        known = self.weights[rows] if len(self.head) else np.zeros((len(items), 0))
        return np.where((rows >= 0)[:, None], known, 0.0)

    def contributions(self, history: Histories, items: np.ndarray) -> np.ndarray:
        place = np.full(len(self.items), -1, np.int64)
        place[self.head] = np.arange(len(self.head))
        rows, columns = place[history.items], place[items]
        values = (
            self.weights[np.ix_(rows, columns)] if len(self.head) else np.zeros((len(rows), len(columns)))
        )
        values = values * decay(ages(history), self.recency)[:, None]
        return np.where((rows >= 0)[:, None] & (columns >= 0)[None, :], values, 0.0)


@dataclass(frozen=True)
class ItemKnnModel(LinearModel):
    """``similarity`` CSR (items, items): row i holds what watched item i adds to each candidate."""

    similarity: sp.csr_array = field(default_factory=lambda: sp.csr_array((0, 0)))

    kind: ClassVar[str] = "item_knn"

    def item_vectors(self, items: np.ndarray) -> np.ndarray | None:
        return self.similarity[items].toarray()

    def linear(self, histories: sp.csr_array) -> np.ndarray:
        return (histories @ self.similarity).toarray()

    def contributions(self, history: Histories, items: np.ndarray) -> np.ndarray:
        return self.similarity[history.items][:, items].toarray()


@dataclass(frozen=True)
class PopularityModel(LinearModel):
    """Everybody gets what most know."""

    kind: ClassVar[str] = "popularity"

    @property
    def personal(self) -> bool:
        return False

    def linear(self, histories: sp.csr_array) -> np.ndarray:
        return np.tile(self.counts.astype(np.float64), (histories.shape[0], 1))

    def contributions(self, history: Histories, items: np.ndarray) -> np.ndarray:
        return np.zeros((len(history.items), len(items)))


@dataclass(frozen=True)
class ContentModel(LinearModel):
    """Items like those of the history in words, publisher and categories, and how popular they are.

    ``blocks`` as ``item_text.fit`` gives them; ``components`` (d, words) float32: the text's reduction, and ``reduced``
    (items, d) float32: its rows, of length 1 or 0. ``weights`` (5,) float64, one for each of ``FEATURES``; the score
    is their weighted sum, each but popularity being the mean over the history of the cosine of two rows.
    """

    blocks: Mapping[str, Block] = field(default_factory=dict)
    components: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    reduced: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    weights: np.ndarray = field(default_factory=lambda: np.zeros(5))
    report: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    kind: ClassVar[str] = "content"
    FEATURES: ClassVar[tuple[str, ...]] = (*BLOCKS, "reduced_text", "popularity")

    @property
    def personal(self) -> bool:
        return bool(self.weights[:-1].any())

    @cached_property
    def bag(self) -> sp.csr_array:
        """(items, keys of all blocks) float64: the rows of the blocks, side by side."""
        parts = [self.blocks[name].matrix.astype(np.float64) for name in BLOCKS]
        return sp.hstack(parts, format="csr")

    @cached_property
    def bag_weights(self) -> np.ndarray:
        """(keys of all blocks,) float64: the weight of its feature, for each column of ``bag``."""
        return np.repeat(self.weights[: len(BLOCKS)], [self.blocks[name].matrix.shape[1] for name in BLOCKS])

    @cached_property
    def by_key(self) -> tuple[sp.csr_array, np.ndarray]:
        """``bag`` and ``reduced``, float64, with items as columns."""
        return self.bag.T.tocsr(), np.ascontiguousarray(self.reduced.T, np.float64)

    def item_vectors(self, items: np.ndarray) -> np.ndarray | None:
        return self.reduced[items] if self.reduced.shape[1] else None

    def with_newcomers(self, table: pa.Table, wanted: Sequence[str]) -> RecommenderModel:
        from forge_models.recommender.content import with_newcomers

        return with_newcomers(self, table, wanted)

    def linear(self, histories: sp.csr_array) -> np.ndarray:
        lengths = np.maximum(np.diff(histories.indptr), 1)
        mean = sp.csr_array(
            (np.repeat(1.0 / lengths, np.diff(histories.indptr)), histories.indices, histories.indptr),
            shape=histories.shape,
        )
        return self._votes(mean) + self.prior(np.arange(len(self.items)))

    def contributions(self, history: Histories, items: np.ndarray) -> np.ndarray:
        n = len(history.items)
        one = sp.csr_array(
            (np.full(n, 1.0 / max(n, 1)), history.items, np.arange(n + 1)), shape=(n, len(self.items))
        )
        return self._votes(one)[:, items]

    def prior(self, items: np.ndarray) -> np.ndarray:
        return self.weights[-1] * np.log1p(self.counts[items])

    def _votes(self, mean: sp.csr_array) -> np.ndarray:
        """(n, items): rows of ``mean`` (n, items) against all items.

        Sparse products alone: they add up in one order whatever the number of rows, so that two items with the
        same words stay equal and one answer is the same among many.
        """
        bag, reduced = self.by_key
        profile = mean @ self.bag
        profile.data *= self.bag_weights[profile.indices]
        votes = (profile @ bag).toarray()
        if self.weights[len(BLOCKS)]:
            votes += (
                sp.csr_array(mean @ self.reduced.astype(np.float64)) @ reduced * self.weights[len(BLOCKS)]
            )
        return votes
