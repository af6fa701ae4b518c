"""What all subjects together say of a label: how popular it is, and what comes after what. Counts, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from forge_models.behavior.timelines import Timeline

SMOOTHING = 5.0  # events of general popularity that stand behind what was seen after a label


@dataclass(frozen=True)
class Population:
    """``counts`` (V,) int64 events of each label; ``after`` (V, V) float64: row x, what came next."""

    counts: np.ndarray
    after: sp.csr_array

    @classmethod
    def of(cls, lines: Sequence[Timeline], vocabulary: int) -> Population:
        """Of all events of ``lines`` whose labels the vocabulary has."""
        counts = np.zeros(vocabulary, np.int64)
        pairs: list[np.ndarray] = []
        for line in lines:
            inside = line.labels[line.labels < vocabulary]
            counts += np.bincount(inside, minlength=vocabulary)
            both = (line.labels[:-1] < vocabulary) & (line.labels[1:] < vocabulary)
            pairs.append(np.stack([line.labels[:-1][both], line.labels[1:][both]]))
        joined = np.concatenate(pairs, 1) if pairs else np.zeros((2, 0), np.int64)
        ones = np.ones(joined.shape[1])
        after = sp.csr_array((ones, (joined[0], joined[1])), shape=(vocabulary, vocabulary))
        after.sum_duplicates()
        return cls(counts, after)

    def next(self, previous: np.ndarray, size: int) -> np.ndarray:
        """(b, size) float64: shares of what comes after ``previous`` (b,) codes; -1 or unknown: what is popular.

        Labels that training did not know have the share of half an event.
        """
        known = len(self.counts)
        popular = np.full(size, 0.5)
        popular[:known] = self.counts + 0.5
        popular /= popular.sum()
        found = np.tile(SMOOTHING * popular, (len(previous), 1))
        there = (previous >= 0) & (previous < known)
        if there.any():
            found[np.flatnonzero(there), :known] += self.after[previous[there]].toarray()
        return found / found.sum(1, keepdims=True)
