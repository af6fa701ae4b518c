"""The baselines of next place and next activity: most frequent, Markov, and Markov within the hour, each with back-off.

Counts of the subject's own past, updated event by event as for every other model; where they are few, the next simpler
distribution stands behind them (interpolated as in Witten and Bell 1991): hour and previous label, previous label, how
often, what is popular with all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from forge_models.behavior.instants import hour_of_day
from forge_models.behavior.kernels import BLOCK
from forge_models.behavior.population import Population
from forge_models.behavior.timelines import Timeline

Kind = Literal["most_frequent", "markov", "hour_markov"]
HOURS = 4  # of one part of the day


@dataclass(frozen=True)
class MarkovModel:
    """``config``: ``backoff``, the events that the simpler distribution behind each counts as."""

    kind: Kind
    vocabulary: Sequence[str]
    population: Population
    config: Mapping[str, Any]
    report: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def probabilities(self, line: Timeline, targets: np.ndarray) -> np.ndarray:
        """(len(targets), line.size) float32: of what event ``targets`` is, given those before it."""
        n, backoff = len(line), float(self.config["backoff"])
        one = sp.csr_array((np.ones(n, np.float32), line.labels, np.arange(n + 1)), (n, line.size))
        before = np.concatenate([[-1], line.labels])
        left = np.concatenate([line.start[:1], line.end])
        hour = (hour_of_day(left) // HOURS).astype(np.int64)
        found = []
        for at in range(0, len(targets), BLOCK):
            i = targets[at : at + BLOCK][:, None]
            j = np.arange(int(i.max()))[None, :]
            past, picked = (j < i).astype(np.float32), one[: j.size].T.tocsr()
            previous = before[i[:, 0]]
            if self.kind == "most_frequent":
                behind = self.population.next(np.full(len(i), -1), line.size)
            else:
                behind = self.population.next(previous, line.size)
            weights = [past]
            if self.kind != "most_frequent":
                weights.append(past * (before[i] == before[j]))
            if self.kind == "hour_markov":
                weights.append(weights[1] * (hour[i] == hour[j]))
            for weight in weights:
                got = (picked @ weight.T).T
                behind = (got + backoff * behind) / (got.sum(1, keepdims=True) + backoff)
            found.append(behind.astype(np.float32))
        return np.concatenate(found) if found else np.zeros((0, line.size), np.float32)


def fit(
    lines: Sequence[Timeline], vocabulary: Sequence[str], kind: Kind, config: Mapping[str, Any]
) -> MarkovModel:
    return MarkovModel(kind, vocabulary, Population.of(lines, len(vocabulary)), dict(config))
