"""From a window of the past to the features of a linear forecast: directly by lag, or relative to the hour foretold.

``direct``: every lag of the window, one regression per step ahead (as Montero-Manso and Hyndman 2021 pool it over
series). It needs many windows. ``seasonal``: for each step ahead the same hour on the days before, their neighbours and
the level lately; one regression for all steps, which a few weeks of one subject can carry.

A window is put at its own level and scale first; a forecast is put back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TINY = 1e-9


@dataclass(frozen=True)
class Frame:
    """What the lags are and how they are scaled.

    ``lags`` values of a window; ``horizon`` steps ahead; ``period`` the short season (24 hours, 7 days; 1: none);
    ``center``: ``last`` value of the window or its ``mean``; ``design``: see the module.
    """

    lags: int
    horizon: int
    period: int
    center: str = "mean"
    design: str = "seasonal"
    log: bool = False

    def level(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, 1) level and scale of ``windows`` (n, lags); the scale is above 0 for a constant window, too."""
        level = windows[:, -1:] if self.center == "last" else windows.mean(1, keepdims=True)
        scale = np.abs(np.diff(windows, axis=1)).mean(1, keepdims=True)
        return level, scale + 1e-3 * np.abs(windows).mean(1, keepdims=True) + TINY

    def into(self, values: np.ndarray) -> np.ndarray:
        return np.log1p(np.maximum(values, 0.0)) if self.log else values

    def back(self, values: np.ndarray) -> np.ndarray:
        return np.expm1(np.clip(values, None, 50.0)) if self.log else values

    @property
    def features(self) -> int:
        if self.design == "direct":
            return self.lags + 7
        return 2 * (self.lags // self.period) + 4 + 7

    def describe(self, scaled: np.ndarray, weekday: np.ndarray) -> np.ndarray:
        """(n, F) for ``direct``, (n, horizon, F) for ``seasonal``, float64; ``weekday`` (n,) of the first step."""
        n = len(scaled)
        days = np.zeros((n, 7))
        days[np.arange(n), weekday] = 1.0
        if self.design == "direct":
            return np.hstack([scaled, days])
        back = self.lags // self.period
        recent = scaled[:, -back * self.period :].reshape(n, back, self.period)
        steps = np.arange(self.horizon) % self.period
        same = recent[:, :, steps].transpose(0, 2, 1)
        beside = (np.roll(recent, 1, 2) + np.roll(recent, -1, 2))[:, :, steps].transpose(0, 2, 1) / 2
        found = np.empty((n, self.horizon, self.features))
        found[:, :, :back], found[:, :, back : 2 * back] = same, beside
        at = 2 * back
        found[:, :, at] = same.mean(2)
        found[:, :, at + 1] = np.median(same, 2)
        found[:, :, at + 2] = recent[:, -1].mean(1)[:, None]
        found[:, :, at + 3] = scaled[:, -1:]
        found[:, :, at + 4 :] = days[:, None, :]
        return found


def cut(values: np.ndarray, origins: np.ndarray, lags: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows (n, lags) before each origin and what came (n, horizon), views; every origin must have both."""
    windows = np.lib.stride_tricks.sliding_window_view(values, lags)[origins - lags]
    ahead = np.lib.stride_tricks.sliding_window_view(values, horizon)[origins] if horizon else windows[:, :0]
    return windows, ahead


def before(values: np.ndarray, origins: np.ndarray, lags: int) -> np.ndarray:
    """(n, lags): windows before each origin; before the first value its own beginning is repeated."""
    need = max(0, lags - int(origins.min(initial=lags)))
    if need:
        start = values[: max(1, min(len(values), lags))]
        values = np.concatenate([np.resize(start[::-1], need)[::-1], values])
    return cut(values, origins + need, lags, 0)[0]
