"""The fitted models: what they hold, and how they score. Arrays only; reading and writing is elsewhere.

All three are linear in the history: score = sum of the contributions of the subject's own items. That is
what makes their reasons exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True)
class RecommenderModel:
    """``items`` is sorted; ``counts`` (items,) int64: training subjects that know the item."""

    items: list[str]
    counts: np.ndarray
    subjects: int
    config: Mapping[str, Any] = field(default_factory=dict)

    kind: ClassVar[str]
    personal: ClassVar[bool] = True  # does the answer depend on the history?

    @cached_property
    def index(self) -> dict[str, int]:
        return {item: position for position, item in enumerate(self.items)}

    def linear(self, histories: sp.csr_array) -> np.ndarray:
        """(n, items) float64 scores for CSR ``histories`` (n, items) of ones."""
        raise NotImplementedError

    def knows(self, histories: sp.csr_array) -> np.ndarray:
        """(n,) bool: does the model know any item of this history?"""
        return np.diff(histories.indptr) > 0

    def contributions(self, history: np.ndarray, items: np.ndarray) -> np.ndarray:
        """(len(history), len(items)) float64: what each watched item adds to the score of each item."""
        raise NotImplementedError

    def scores(self, histories: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
        """Scores (n, items), and (n,) bool where popularity had to stand in for an unknown history."""
        scores = self.linear(histories)
        fallback = ~self.knows(histories)
        scores[fallback] = self.counts
        return scores, fallback


@dataclass(frozen=True)
class EaseModel(RecommenderModel):
    """``head`` (m,) int64: the items EASE was solved for, ascending; ``weights`` (m, m) float64, diagonal 0.

    Items outside the head rank after all of the head, by popularity.
    """

    head: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    kind: ClassVar[str] = "ease"

    def linear(self, histories: sp.csr_array) -> np.ndarray:
        if len(self.head) == len(self.items):
            return histories @ self.weights
        head = histories[:, self.head] @ self.weights
        lowest = head.min(axis=1, initial=0.0)[:, None]
        scores = lowest - 2.0 + self.counts / (self.counts.max(initial=0) + 1.0)
        scores[:, self.head] = head
        return scores

    def knows(self, histories: sp.csr_array) -> np.ndarray:
        return np.diff(histories[:, self.head].indptr) > 0

    def contributions(self, history: np.ndarray, items: np.ndarray) -> np.ndarray:
        place = np.full(len(self.items), -1, np.int64)
        place[self.head] = np.arange(len(self.head))
        rows, columns = place[history], place[items]
        values = (
            self.weights[np.ix_(rows, columns)] if len(self.head) else np.zeros((len(rows), len(columns)))
        )
        return np.where((rows >= 0)[:, None] & (columns >= 0)[None, :], values, 0.0)


@dataclass(frozen=True)
class ItemKnnModel(RecommenderModel):
    """``similarity`` CSR (items, items): row i holds what watched item i adds to each candidate."""

    similarity: sp.csr_array = field(default_factory=lambda: sp.csr_array((0, 0)))

    kind: ClassVar[str] = "item_knn"

    def linear(self, histories: sp.csr_array) -> np.ndarray:
        return (histories @ self.similarity).toarray()

    def contributions(self, history: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self.similarity[history][:, items].toarray()


@dataclass(frozen=True)
class PopularityModel(RecommenderModel):
    """Everybody gets what most know."""

    kind: ClassVar[str] = "popularity"
    personal: ClassVar[bool] = False

    def linear(self, histories: sp.csr_array) -> np.ndarray:
        return np.tile(self.counts.astype(np.float64), (histories.shape[0], 1))

    def contributions(self, history: np.ndarray, items: np.ndarray) -> np.ndarray:
        return np.zeros((len(history), len(items)))
