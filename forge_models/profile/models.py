"""The fitted models of the profile family: chances that things come in the next week with activity.

Parameters are of facets, never of things: a model knows no taste of anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from forge_models.profile import logistic
from forge_models.profile.asking import NAMES, Asked
from forge_models.profile.decay import SMALLEST, Decay

PLAIN = tuple(NAMES.index(name) for name in ("last", "share"))


class Sayer(Protocol):
    """What turns questions into chances; ``kind`` names it in the artifact."""

    kind: str

    def chances(self, asked: Asked, decay: Decay) -> np.ndarray: ...


@dataclass(frozen=True)
class ProfileModel:
    """``decay`` weighs the evidence and draws the intervals, whoever says the chances."""

    task: str
    config: Mapping[str, Any]
    decay: Decay
    sayer: Sayer
    report: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()

    @property
    def kind(self) -> str:
        return self.sayer.kind

    def chances(self, asked: Asked) -> np.ndarray:
        """(n,) float64 between 0 and 1, neither of them."""
        if not len(asked):
            return np.zeros(0)
        return np.clip(self.sayer.chances(asked, self.decay), SMALLEST, 1 - SMALLEST)

    def interval(self, asked: Asked, chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.decay.interval(asked, chances)


@dataclass(frozen=True)
class Frequency:
    """Baseline: the share of weeks since it first came in which it came."""

    kind = "frequency"

    def chances(self, asked: Asked, decay: Decay) -> np.ndarray:
        # times and age are exact in their logarithms
        times, age = (np.expm1(asked.x[:, NAMES.index(name)]) for name in ("times", "age"))
        return (times + 0.5) / (age + 2.0)


@dataclass(frozen=True)
class LastWeek:
    """Baseline: whether it came last week, and its share of that week's like; learned numbers make odds of them."""

    weights: np.ndarray  # (3,)
    kind = "last_week"

    def chances(self, asked: Asked, decay: Decay) -> np.ndarray:
        return logistic.said(self.weights, last_week(asked))


def last_week(asked: Asked) -> np.ndarray:
    """(n, 2): it came in the last week; and then, its share of what there is."""
    last, share = asked.x[:, PLAIN[0]], asked.x[:, PLAIN[1]]
    return np.column_stack([last, last * np.exp(share)])


@dataclass(frozen=True)
class Decayed:
    """The beta-binomial that forgets, as it stands."""

    kind = "decayed"

    def chances(self, asked: Asked, decay: Decay) -> np.ndarray:
        return decay.chances(asked)


@dataclass(frozen=True)
class Pooled:
    """The decayed odds of all half-lives, recency, regularity and what lies beside, pooled by learned weights."""

    weights: np.ndarray  # (d + 1,)
    centre: np.ndarray  # (d,)
    scale: np.ndarray  # (d,)
    facets: tuple[str, ...]
    kind = "counting"

    def chances(self, asked: Asked, decay: Decay) -> np.ndarray:
        return logistic.said(self.weights, (pooled(asked, decay, self.facets) - self.centre) / self.scale)


def pooled(asked: Asked, decay: Decay, facets: Sequence[str]) -> np.ndarray:
    """(n, d): the figures of ``asking``, the odds of the beta-binomial, and those two for each facet of its own."""
    chance = decay.chances(asked)
    odds = np.log(chance / (1 - chance))
    last = asked.x[:, PLAIN[0]]
    columns = [asked.x, odds[:, None]]
    of = asked.facets
    for facet in facets:
        own = (of == facet).astype(np.float64)
        columns.append(np.column_stack([own, own * odds, own * last]))
    return np.column_stack(columns)


def width(facets: Sequence[str]) -> int:
    """d of ``pooled``."""
    return len(NAMES) + 1 + 3 * len(facets)
