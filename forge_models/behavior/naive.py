"""The baselines of load: seasonal naive, and the moving mean of the same hour or weekday over the last weeks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from forge_models.behavior.conformal import Bands, Forecast, calibrated
from forge_models.behavior.designs import Frame, before
from forge_models.behavior.lags import learnable
from forge_models.behavior.series import Load

Kind = Literal["seasonal_naive", "seasonal_mean"]


@dataclass(frozen=True)
class NaiveModel:
    """``season``: values of a week; ``weeks`` that are averaged, 1 for seasonal naive."""

    kind: Kind
    season: int
    horizon: int
    weeks: int
    bands: Bands
    config: Mapping[str, Any]
    report: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def forecast(self, load: Load, origins: np.ndarray) -> Forecast:
        return self.bands.around(self.point(load, origins), load, origins)

    def point(self, load: Load, origins: np.ndarray) -> np.ndarray:
        """(n, horizon): horizon may not be longer than the season."""
        windows = before(load.values, origins, self.weeks * self.season)
        return windows.reshape(len(origins), self.weeks, self.season).mean(1)[:, : self.horizon]


def fit(
    loads: Sequence[Load], kind: Kind, season: int, horizon: int, config: Mapping[str, Any]
) -> NaiveModel:
    weeks = 1 if kind == "seasonal_naive" else int(config["weeks"])
    model = NaiveModel(kind, season, horizon, weeks, Bands.unknown(horizon), dict(config))
    frame = Frame(weeks * season, horizon, season)
    held = [(one, learnable(one, frame)[0]) for one in loads]
    return NaiveModel(kind, season, horizon, weeks, calibrated(model.point, held, horizon), dict(config))
