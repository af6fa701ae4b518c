"""How far each day was from what was usual for its stream: seasonal residuals with a robust, running scale.

Workdays and weekends have levels of their own. Level and scale are exponentially weighted, and what lies beyond two
scales moves them as if it lay at two (Huber 1964): one wild day does not teach that wild days are usual. Until a
stream has days of its own the population's level and scale stand in. A day is judged by the days before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from forge_models.anomaly.streams import Streams, floats

COUNTS = (
    "events", "watch", "search", "browse", "message", "security", "app_usage", "calendar_minutes",
    "dwell_minutes", "night_events",
)  # fmt: skip
HOURS = ("active_hours", "first_hour", "last_hour", "longest_silence_h")
NAMES = (*COUNTS, *HOURS)
CAP = 30.0  # scales; beyond it nothing is further
RATE = 0.05  # of learning, once it is slower than 1 / days: a memory of some twenty days of a kind


@dataclass(frozen=True)
class RoutineView:
    """``level`` and ``scale`` (2, len(NAMES)) float64 of the population's workdays and weekends."""

    level: np.ndarray
    scale: np.ndarray

    names = NAMES
    two_sided = True

    def values(self, streams: Streams) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """(n, len(NAMES)) float64 in scales, signed, and the figures of each day and its usual ones, (n,) each."""
        found = figures(streams)
        z, usual = residuals(found, streams.stream, weekend(streams), self.level, self.scale)
        facts = {}
        for place, name in enumerate(NAMES):
            undo = np.expm1 if name in COUNTS else np.asarray
            facts[name], facts[f"{name}_usual"] = undo(found[:, place]), undo(usual[:, place])
            if name in COUNTS:  # nothing counted lies nearer to what is usual than by less than one
                z[np.abs(facts[name] - facts[f"{name}_usual"]) < 1.0, place] = 0.0
        return np.clip(z, -CAP, CAP), facts


def fit(streams: Streams) -> RoutineView:
    """Medians, and scales by median deviation, of all training days of a kind; at least a tenth of a unit."""
    found, late = figures(streams), weekend(streams)
    level, scale = np.zeros((2, len(NAMES))), np.ones((2, len(NAMES)))
    for kind in (0, 1):
        chosen = found[late == kind] if (late == kind).any() else found
        if len(chosen):
            level[kind] = np.median(chosen, axis=0)
            deviation = np.abs(chosen - level[kind])
            # the mean deviation stands in where most days are equal, as for who seldom writes
            scale[kind] = np.maximum(
                1.4826 * np.median(deviation, axis=0), 0.5 * deviation.mean(axis=0) + 0.25
            )
    return RoutineView(level, scale)


def figures(streams: Streams) -> np.ndarray:
    """(n, len(NAMES)) float64: logarithms of counts, hours as they are; what is unknown is 0."""
    if not len(streams):
        return np.zeros((0, len(NAMES)))
    columns = [np.nan_to_num(floats(streams.table[name])) for name in NAMES]
    logs = [np.log1p(np.maximum(one, 0)) for one in columns[: len(COUNTS)]]
    return np.column_stack(logs + columns[len(COUNTS) :])


def weekend(streams: Streams) -> np.ndarray:
    """(n,) int64: 1 on Saturday and Sunday (day 0 was a Thursday)."""
    return ((streams.day + 3) % 7 >= 5).astype(np.int64)


def residuals(
    values: np.ndarray,
    stream: np.ndarray,
    kind: np.ndarray,
    level: np.ndarray,
    scale: np.ndarray,
    rate: float = RATE,
) -> tuple[np.ndarray, np.ndarray]:
    """Distances in scales, and the usual values, both (n, d): of ``values`` (n, d) in the order of ``stream`` (n,)
    int64.

    ``kind`` (n,) int64: which season each is of; ``level`` and ``scale`` (kinds, d) float64 begin each stream.
    """
    found = np.ascontiguousarray(values, np.float64)
    z, usual = _compiled()(found, stream, kind, level, scale, rate)
    return z, usual


@cache
def _compiled() -> Callable[..., Any]:
    """The running level and scale in compiled code."""
    from numba import njit

    @njit(cache=True)
    def running(found, stream, kind, level0, scale0, rate):
        n, d = found.shape
        z, usual = np.empty((n, d)), np.empty((n, d))
        level, scale = level0.copy(), scale0.copy()
        times = np.zeros(len(level0))
        for row in range(n):
            own = kind[row]
            if row == 0 or stream[row] != stream[row - 1]:
                level[:], scale[:], times[:] = level0, scale0, 0.0
            elif times[own] == 0:  # the first weekend is expected to be as the week before was
                level[own], scale[own] = level[kind[row - 1]], scale[kind[row - 1]]
            step = max(1.0 / (times[own] + 2.0), rate)
            for j in range(d):
                distance = found[row, j] - level[own, j]
                z[row, j] = distance / scale[own, j]
                usual[row, j] = level[own, j]
                bound = 2.0 * scale[own, j]
                if times[own] < 3:  # too early to know what is wild
                    bound = 1e9
                level[own, j] += step * min(max(distance, -bound), bound)
                spread = 1.2533 * min(abs(distance), 1.5 * bound)
                scale[own, j] += min(step, 0.2) * (spread - scale[own, j])
                scale[own, j] = max(scale[own, j], 0.3 * scale0[own, j])
            times[own] += 1.0
        return z, usual

    return running
