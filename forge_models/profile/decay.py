"""A beta-binomial that forgets: how often a thing came, of how many weeks, each week counting less the older it is.

The half-life, the strength of what is believed beforehand, and whether weeks before a thing first came count against it
are fitted for each facet by the likelihood of the training weeks. The posterior is a beta distribution, whose quantiles
are the interval of a statement. Discounted counts as in West and Harrison, Bayesian Forecasting and Dynamic Models
(1997), chapter 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forge_models.profile.asking import HALF_LIVES, Asked

STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
LEAST = 200  # questions of a facet; below, it takes what holds for all
OTHERS = "*"
SMALLEST = 1e-4


@dataclass(frozen=True)
class Decay:
    """``params`` (facets, 4): number of the half-life, strength, mean beforehand, 1: weeks before the first count.

    ``facets`` are sorted; the first, ``*``, holds for those that were not learned.
    """

    facets: tuple[str, ...]
    params: np.ndarray

    def of(self, asked: Asked) -> np.ndarray:
        """(n, 4) the parameters for each question."""
        place = {name: at for at, name in enumerate(self.facets)}
        by_line = np.array([place.get(line.facet, 0) for line in asked.lines] or [0])
        return self.params[by_line[asked.line]]

    def counts(self, asked: Asked) -> tuple[np.ndarray, np.ndarray]:
        """(n,) decayed weeks with the thing, and decayed weeks in all, each with what is believed beforehand."""
        params = self.of(asked)
        return _counts(asked, params[:, 0].astype(int), params[:, 1], params[:, 2], params[:, 3] > 0)

    def chances(self, asked: Asked) -> np.ndarray:
        seen, weeks = self.counts(asked)
        return np.clip(seen / weeks, SMALLEST, 1 - SMALLEST)

    def half_life(self, facet: str) -> float:
        """Weeks with activity after which a week counts half."""
        place = self.facets.index(facet) if facet in self.facets else 0
        return float(HALF_LIVES[int(self.params[place, 0])])

    def interval(
        self, asked: Asked, chances: np.ndarray, level: float = 0.9
    ) -> tuple[np.ndarray, np.ndarray]:
        """Low and high (n,) of the rate behind each chance, whichever model said it: as sure as the weeks are many."""
        from scipy.stats import beta

        _, weeks = self.counts(asked)
        # half a week each, as Jeffreys has it: what always came is likely, and not certain
        a, b = chances * weeks + 0.5, (1 - chances) * weeks + 0.5
        low, high = beta.ppf((1 - level) / 2, a, b), beta.ppf((1 + level) / 2, a, b)
        return np.minimum(np.nan_to_num(low), chances), np.maximum(np.nan_to_num(high, nan=1.0), chances)


def fit(asked: Asked) -> Decay:
    """On the questions of the training part."""
    params = {OTHERS: _best(asked, np.ones(len(asked), bool))}
    facets = asked.facets
    for facet in sorted(set(facets.tolist())):
        own = facets == facet
        if own.sum() >= LEAST:
            params[facet] = _best(asked, own)
    names = (OTHERS, *sorted(set(params) - {OTHERS}))
    return Decay(names, np.array([params[name] for name in names]))


def _best(asked: Asked, own: np.ndarray) -> tuple[float, ...]:
    some = asked.chosen(own)
    mean = float((some.came.sum() + 0.5) / (len(some) + 2.0))
    if not len(some):
        return (3.0, 4.0, mean, 0.0)
    tried = []
    for whole in (False, True):
        for life in range(len(HALF_LIVES)):
            for strength in STRENGTHS:
                every = np.full(len(some), life)
                seen, weeks = _counts(some, every, strength, mean, np.full(len(some), whole))
                tried.append((log_loss(seen / weeks, some.came), (float(life), strength, mean, float(whole))))
    return min(tried)[1]


def _counts(
    asked: Asked, life: np.ndarray, strength: np.ndarray | float, mean: np.ndarray | float, whole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    rows = np.arange(len(asked))
    weeks = np.where(whole, asked.all_weeks[rows, life], asked.weeks[rows, life])
    return asked.seen[rows, life] + strength * mean, weeks + strength


def log_loss(chances: np.ndarray, came: np.ndarray) -> float:
    """Mean negative log likelihood, in nats."""
    chances = np.clip(chances, SMALLEST, 1 - SMALLEST)
    return float(-np.where(came, np.log(chances), np.log(1 - chances)).mean())
