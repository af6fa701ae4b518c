"""Bands around forecasts by split conformal prediction (Vovk et al. 2005; Lei et al. 2018).

Errors of forecasts on held-out training windows, over how much the series swings at that moment, give for each step
ahead the quantiles between which the nominal share lies; the finite-sample correction is (n + 1)(1 - a) / n. The band
is honest where errors tomorrow are like those calibrated on; the benchmark measures how far that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from forge_models.behavior.designs import before
from forge_models.behavior.series import Load

NOMINAL = 0.9
LEAST = 20  # errors of a step; with fewer all steps share theirs
SWING = 56  # days over which a series' swing is taken; two weeks and four gave wider bands that held less


@dataclass(frozen=True)
class Forecast:
    """(n, horizon) float64 each, ``low`` <= ``point`` <= ``high``."""

    point: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Bands:
    """``low`` and ``high`` (horizon,): quantiles of errors over the series' swing; ``n`` errors of a step behind them,
    0: none was to be had, and the band is the swing itself, doubled."""

    low: np.ndarray
    high: np.ndarray
    n: int

    @classmethod
    def unknown(cls, horizon: int) -> Bands:
        return cls(np.full(horizon, -2.0), np.full(horizon, 2.0), 0)

    def around(self, point: np.ndarray, load: Load, origins: np.ndarray) -> Forecast:
        """A load is never below 0."""
        swing = swings(load, origins)
        low = np.maximum(point + np.minimum(self.low, 0.0) * swing, 0.0)
        return Forecast(point, np.minimum(low, point), point + np.maximum(self.high, 0.0) * swing)


def swings(load: Load, origins: np.ndarray) -> np.ndarray:
    """(n, 1): the mean absolute deviation of the last eight weeks before each origin, above 0."""
    windows = before(load.values, origins, SWING * load.block)
    spread = np.abs(windows - windows.mean(1, keepdims=True)).mean(1, keepdims=True)
    return spread + 0.05 * np.abs(windows).mean(1, keepdims=True) + 1e-3


def calibrated(
    point: Callable[[Load, np.ndarray], np.ndarray],
    held: Sequence[tuple[Load, np.ndarray]],
    horizon: int,
    nominal: float = NOMINAL,
) -> Bands:
    """From the errors of ``point`` at the origins of ``held``, which it was not fitted on."""
    errors = []
    for load, origins in held:
        if len(origins):
            came = np.lib.stride_tricks.sliding_window_view(load.values, horizon)[origins]
            errors.append((came - point(load, origins)) / swings(load, origins))
    if not errors:
        return Bands.unknown(horizon)
    return quantiles(np.concatenate(errors), nominal)


def quantiles(errors: np.ndarray, nominal: float = NOMINAL) -> Bands:
    """Of ``errors`` (n, horizon), step by step; with few windows the steps share theirs."""
    n, horizon = errors.shape
    if n < LEAST:
        errors = np.tile(errors.reshape(-1, 1), (1, horizon))
    tail = (1 - nominal) / 2
    size = len(errors)
    upper = min(1.0, (1 - tail) * (size + 1) / size)
    low = np.quantile(errors, 1 - upper, axis=0, method="lower")
    high = np.quantile(errors, upper, axis=0, method="higher")
    return Bands(low, high, n)
