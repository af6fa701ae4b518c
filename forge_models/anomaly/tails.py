"""How rare a value of a column is: minus the logarithm of the share of training rows that lie as far out or further.

Empirical tail probabilities per column, as in ECOD (Li et al. 2022), but kept as at most ``KNOTS`` points, so that a
new row is looked up instead of sorted in. Beyond what was seen, the surprise goes on growing by one nat per unit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

KNOTS = 64
CAP = 25.0  # nats


@dataclass(frozen=True)
class Side:
    """``x`` (k,) float64 ascending and ``t`` (k,) float64 not falling: the surprise of a value at or above ``x``."""

    x: np.ndarray
    t: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        inside = np.interp(values, self.x, self.t)
        return np.minimum(np.where(values > self.x[-1], self.t[-1] + values - self.x[-1], inside), CAP)

    @cached_property
    def lists(self) -> tuple[list[float], list[float]]:
        """Plain numbers: for one value these are ten times faster than arrays."""
        return self.x.tolist(), self.t.tolist()

    def one(self, value: float) -> float:
        """The same for one value."""
        x, t = self.lists
        if value > x[-1]:
            return min(t[-1] + value - x[-1], CAP)
        place = bisect_right(x, value)
        if place == 0:
            return t[0]
        if place == len(x):
            return t[-1]
        share = (value - x[place - 1]) / (x[place] - x[place - 1])
        return t[place - 1] + share * (t[place] - t[place - 1])


@dataclass(frozen=True)
class Tails:
    """``upper`` one per column; ``lower`` (of the negated values) where low values are unusual too, else empty."""

    upper: Sequence[Side]
    lower: Sequence[Side] = ()

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(n, d) float64 in nats: at or above 0, with the sign of the side where ``lower`` is there."""
        found = np.empty(values.shape)
        for place, side in enumerate(self.upper):
            column = values[:, place]
            found[:, place] = side(column)
            if self.lower:
                down = self.lower[place](-column)
                found[:, place] = np.where(down > found[:, place], -down, found[:, place])
        return found


def fit(values: np.ndarray, two_sided: bool) -> Tails:
    """``values`` (n, d) of the training rows."""
    columns = list(values.T) if len(values) else [np.zeros(1)] * values.shape[1]
    upper = [_side(column) for column in columns]
    return Tails(upper, [_side(-column) for column in columns] if two_sided else [])


def _side(column: np.ndarray) -> Side:
    x, count = np.unique(column, return_counts=True)
    above = np.cumsum(count[::-1])[::-1]  # rows at or above each value
    t = -np.log(np.minimum((above + 0.5) / (len(column) + 0.5), 1.0))
    if len(x) > KNOTS:
        wanted = np.linspace(0.0, t[-1], KNOTS)
        kept = np.unique(np.concatenate([[0], np.searchsorted(t, wanted).clip(0, len(x) - 1), [len(x) - 1]]))
        x, t = x[kept], t[kept]
    return Side(x.astype(np.float64), t.astype(np.float64))
