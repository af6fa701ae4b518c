"""One global linear model of all series' lags, in closed form, made robust by a few reweightings.

Ridge regression pooled over series and windows (Montero-Manso and Hyndman 2021: with a long memory, one linear model
for all is as good as one for each). Each window is weighted by the inverse of its absolute error and solved again
(iteratively reweighted least squares: Schlossmacher 1973), which makes it a forecast of the median, as MASE asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forge_models.behavior.conformal import Bands, Forecast, calibrated
from forge_models.behavior.designs import Frame, before, cut
from forge_models.behavior.instants import day_of_week
from forge_models.behavior.series import Load

WINDOWS = 30_000  # of all series together: a few hundred coefficients need no more; twice as many take twice as long
PER_SERIES = 400  # the newest of each
REWEIGHTINGS = 2
FLOOR = 0.3  # of the median error: below, a window counts no more


@dataclass(frozen=True)
class LagModel:
    """The mean of one linear model per frame: frames that err differently err less together (Bates and Granger 1969).

    ``coefficients`` float64, one for each of ``frames``: (F, horizon) for the direct design, (F, 1) for the seasonal.
    """

    kind = "lags"
    frames: Sequence[Frame]
    coefficients: Sequence[np.ndarray]
    bands: Bands
    config: Mapping[str, Any]
    report: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def horizon(self) -> int:
        return self.frames[0].horizon

    def forecast(self, load: Load, origins: np.ndarray) -> Forecast:
        """Point and band (n, horizon) from each of ``origins`` on, given the values before it."""
        return self.bands.around(self.point(load, origins), load, origins)

    def point(self, load: Load, origins: np.ndarray) -> np.ndarray:
        return np.maximum(self.values(load.values, origins, weekdays(load, origins)), 0.0)

    def values(self, values: np.ndarray, origins: np.ndarray, weekday: np.ndarray) -> np.ndarray:
        """(n, horizon) of a bare series; where it is not a load, below 0 is allowed."""
        found = np.zeros((len(origins), self.horizon))
        for frame, coefficients in zip(self.frames, self.coefficients, strict=True):
            windows = before(frame.into(values), origins, frame.lags)
            level, scale = frame.level(windows)
            ahead = frame.describe((windows - level) / scale, weekday) @ coefficients
            ahead = ahead[:, :, 0] if ahead.ndim == 3 else ahead
            found += frame.back(ahead * scale + level)
        return found / len(self.frames)


def fit(loads: Sequence[Load], frames: Sequence[Frame], config: Mapping[str, Any]) -> LagModel:
    """``loads`` hold training values and nothing else. The band is calibrated on their last fifth, which the
    coefficients it is calibrated with have not seen; then all of it is learned from."""
    penalty, horizon = float(config["penalty"]), frames[0].horizon
    bands, counted = Bands.unknown(horizon), 0
    early: list[np.ndarray] = []
    whole: list[np.ndarray] = []
    late: list[tuple[Load, np.ndarray]] = []
    for frame in frames:
        examples = [(one, *learnable(one, frame)) for one in loads]
        first = [(one, o[: held(o)], w[: held(o)]) for one, o, w in examples]
        early.append(solved(first, frame, penalty))
        whole.append(solved(examples, frame, penalty))
        # the longest memory has the fewest origins: all members can be asked at those
        these = [(one, o[held(o) :]) for one, o, _ in examples]
        if not late or sum(len(o) for _, o in these) < sum(len(o) for _, o in late):
            late = these
        counted += sum(len(o) for _, o, _ in examples)
    if any(len(origins) for _, origins in late):
        bands = calibrated(LagModel(frames, early, bands, config).point, late, horizon)
    return LagModel(frames, whole, bands, dict(config), {"learned from": [{"windows": counted}]})


def held(origins: np.ndarray) -> int:
    """How many of the origins are learned from when the band is calibrated on the others."""
    return int(0.8 * len(origins))


def solved(
    examples: Sequence[tuple[Load, np.ndarray, np.ndarray]], frame: Frame, penalty: float
) -> np.ndarray:
    """``solve``, or what holds before anything is learned where there are no examples."""
    return solve(examples, frame, penalty) if any(len(o) for _, o, _ in examples) else plain(frame)


def learnable(load: Load, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Origins (n,), newest last, whose window and future are without a gap, and their weekdays; at midnight."""
    span = frame.lags + frame.horizon
    if len(load) < span:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    origins = np.arange(frame.lags, len(load) - frame.horizon + 1)
    gaps = np.concatenate([[0], np.cumsum(~load.known)])
    origins = origins[gaps[origins + frame.horizon] == gaps[origins - frame.lags]]
    origins = origins[origins % load.block == 0][-PER_SERIES:]
    return origins, weekdays(load, origins)


def solve(
    examples: Sequence[tuple[Load, np.ndarray, np.ndarray]], frame: Frame, penalty: float
) -> np.ndarray:
    """(F, horizon) or (F, 1) float64."""
    total = sum(len(origins) for _, origins, _ in examples)
    every = max(1, -(-total // WINDOWS))
    described, wanted = [], []
    for load, all_origins, all_weekdays in examples:
        origins, weekday = all_origins[::-1][::every], all_weekdays[::-1][::every]
        if not len(origins):
            continue
        windows, ahead = cut(frame.into(load.values), origins, frame.lags, frame.horizon)
        level, scale = frame.level(windows)
        described.append(frame.describe((windows - level) / scale, weekday).astype(np.float32))
        wanted.append(((ahead - level) / scale).astype(np.float32))
    x, y = np.concatenate(described), np.concatenate(wanted)
    if x.ndim == 3:
        x, y = x.reshape(-1, x.shape[-1]), y.reshape(-1, 1)
    return _robust(x, np.clip(y, -1e3, 1e3), penalty)


def _robust(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    prior = penalty * np.eye(x.shape[1])
    weight = np.ones(len(x), np.float32)
    for turn in range(REWEIGHTINGS + 1):
        weighted = x * weight[:, None]
        found = np.linalg.solve(
            (weighted.T @ x).astype(np.float64) + prior, (weighted.T @ y).astype(np.float64)
        )
        if turn < REWEIGHTINGS:
            error = np.abs(y - x @ found.astype(np.float32)).mean(1)
            middle = float(np.median(error))
            if middle <= 0:
                break
            weight = 1.0 / np.maximum(error, FLOOR * middle)
            weight /= weight.mean()
    return found


def plain(frame: Frame) -> np.ndarray:
    """Coefficients that repeat the mean of the same step on the days before; the level alone, for ``direct``."""
    found = np.zeros((frame.features, frame.horizon if frame.design == "direct" else 1))
    if frame.design == "seasonal":
        found[2 * (frame.lags // frame.period)] = 1.0
    return found


def weekdays(load: Load, origins: np.ndarray) -> np.ndarray:
    """(n,) int64 of the first value after each origin; 0 is Monday."""
    return np.asarray(day_of_week(np.asarray(load.at(origins))), np.int64)
