"""From a score to "expected once in n days": tails of daily maxima, of everybody and of one's own.

The daily maxima of the training days give the rate of a score: their empirical tail, and above its upper fifth a
generalised Pareto distribution (peaks over threshold: Pickands 1975; its parameters by probability-weighted moments,
Hosking and Wallis 1987), so that a score never seen still has a rate. A stream's own earlier days then correct it,
worth as much as they are many: ``WEIGHT`` days of everybody's stand against them. Days are those with events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forge_models.anomaly.streams import Streams

WEIGHT = 28.0  # days of everybody's that stand against a stream's own
UPPER = 0.2  # share of days in the tail that is modelled
SHAPE = (
    0.0,
    0.5,
)  # of the tail: never bounded, or a score above all would be impossible; never without a mean
LEAST_SCALE = 0.02  # of the tail: below it differences are rounding, or a count that grows
MOST = 36_500.0  # days; nobody can say more of a hundred years
LEARNING_DAYS, LEARNING_EVENTS = 14, 20  # below either a stream gets no alerts
NOTABLE_DAYS = 7.0  # what everybody has more often than once in a week is not corrected, it never alarms


@dataclass(frozen=True)
class Calibration:
    """``grid`` (k,) float64 ascending scores with ``rate`` (k,) float64 per day, not rising; above ``start`` the tail:
    ``share`` of days, with ``scale`` and ``shape``."""

    grid: np.ndarray
    rate: np.ndarray
    start: float
    share: float
    scale: float
    shape: float

    def per_day(self, scores: np.ndarray) -> np.ndarray:
        """(n,) float64: on which share of days everybody has such a score or a higher one."""
        inside = np.interp(scores, self.grid, self.rate)
        beyond = np.maximum(scores - self.start, 0.0) / self.scale
        if self.shape < 1e-6:
            tail = np.exp(-np.minimum(beyond, 700.0))
        else:
            tail = (1.0 + self.shape * beyond) ** (-1.0 / self.shape)
        above = scores > self.start + 1e-6 * self.scale
        return np.maximum(np.where(above, np.minimum(self.share * tail, inside), inside), 1.0 / MOST)

    def one(self, score: float) -> float:
        """The same for one score."""
        return float(self.per_day(np.array([score]))[0])

    def days(self, streams: Streams, scores: np.ndarray) -> np.ndarray:
        """(n,) float64: each score (n,) is expected once in so many days of its stream, by the days before its own."""
        rate = self.per_day(scores)
        notable = np.flatnonzero(rate <= 1.0 / NOTABLE_DAYS)
        if not len(notable):
            return 1.0 / rate
        stream, _, top = daily(streams, scores)
        first = np.searchsorted(stream, np.arange(len(streams.names) + 1))
        row_day = day_of_rows(streams)
        for row in notable:
            low, here = first[streams.stream[row]], row_day[row]
            own = here - low
            reached = int((top[low:here] >= scores[row]).sum())
            rate[row] = (reached + WEIGHT * rate[row]) / (own + WEIGHT)
        return np.minimum(1.0 / rate, MOST)


def own_days(rate: float, reached: int, days: int) -> float:
    """Once in so many days, where ``reached`` of a stream's ``days`` earlier days had such a score."""
    return min((days + WEIGHT) / (reached + WEIGHT * rate), MOST)


def day_of_rows(streams: Streams) -> np.ndarray:
    """(n,) int64: which of all stream-days each row is of, ascending."""
    day = streams.day
    new = np.ones(len(streams), bool)
    new[1:] = (streams.stream[1:] != streams.stream[:-1]) | (day[1:] != day[:-1])
    return np.cumsum(new) - 1


def daily(streams: Streams, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stream-days with events: their stream and day (days,) int64, and the highest score of each (days,) float64."""
    place = day_of_rows(streams)
    starts = np.searchsorted(place, np.arange(place[-1] + 1 if len(place) else 0))
    top = np.maximum.reduceat(scores, starts) if len(starts) else np.zeros(0)
    return streams.stream[starts], streams.day[starts], top


def learned(streams: Streams) -> np.ndarray:
    """(n,) bool: is the stream known well enough by then for an alert?"""
    return (streams.age >= LEARNING_DAYS) & (streams.place >= LEARNING_EVENTS)


def fit(streams: Streams, scores: np.ndarray, learned_by: np.ndarray) -> Calibration:
    """From the daily maxima of training rows; days of streams in their first days only where there are few others."""
    _, _, top = daily(streams, scores)
    place = day_of_rows(streams)
    old = np.zeros(len(top), bool)
    old[place[learned_by]] = True
    top = np.sort(top[old] if old.sum() >= 20 else top)
    if not len(top):
        return Calibration(np.zeros(1), np.ones(1), 0.0, 1.0, 1.0, 0.0)
    n = len(top)
    grid = np.unique(np.quantile(top, np.linspace(0, 1, 201)))
    rate = np.minimum((n - np.searchsorted(top, grid, side="left")) / n, 1.0)
    start = float(np.quantile(top, 1.0 - UPPER, method="lower"))
    excess = top[top > start] - start
    spread = max(float(scores.std()) if len(scores) else 1.0, 1e-3)
    scale, shape = _pareto(excess, max(0.05 * spread, LEAST_SCALE))
    # where all days are equal nothing is above, and the tail begins with all of them
    share = (len(excess) or n) / n
    keep = grid <= start
    return Calibration(grid[keep], rate[keep], start, share, float(scale), float(shape))


def _pareto(excess: np.ndarray, least: float) -> tuple[float, float]:
    """Scale and shape by probability-weighted moments; an exponential tail where there are too few."""
    if len(excess) < 2:
        return max(float(excess.mean()) if len(excess) else least, least), 0.0
    ordered = np.sort(excess)
    first = float(ordered.mean())
    n = len(ordered)
    second = float((ordered * (n - 1.0 - np.arange(n)) / (n - 1.0)).mean())
    if n < 15 or first <= 2.0 * second:
        return max(first, least), 0.0
    shape = float(np.clip(2.0 - first / (first - 2.0 * second), *SHAPE))
    return max(first * (1.0 - shape), least), shape  # the mean is kept whatever bounds the shape
