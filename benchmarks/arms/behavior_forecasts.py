"""Ours on the series of the behaviour benchmark: the lag model of the load tasks, on bare series.

``python -m benchmarks.arms.behavior_forecasts SET ORIGINS OUT``: each frame by itself, and all together, are tried on
the last windows before the first origin (``tuning_seconds``), then fitted and asked at all origins; band and its
calibration are those of the product.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.arms import behavior_data
from forge_models.behavior import conformal, designs, lags
from forge_models.behavior.instants import DAY, HOUR
from forge_models.behavior.series import Load

FRAMES = {
    # lags, design, center, log
    "m4-weekly": [(53, "direct", "last", False), (80, "direct", "last", False), (80, "direct", "last", True)],
    "bike": [
        (672, "seasonal", "mean", False),
        (672, "seasonal", "mean", True),
        (336, "direct", "mean", True),
    ],
    "ett-h1": [
        (336, "seasonal", "mean", False),
        (336, "direct", "last", False),
        (168, "direct", "last", False),
    ],
}
PENALTY = 100.0


def loads(name: str, values: Sequence[np.ndarray], ends: Sequence[int]) -> list[Load]:
    """Series up to their ends; a weekly one counts as one value a day, and has no weekday."""
    step = DAY if name == "m4-weekly" else HOUR
    found = []
    for number, (one, end) in enumerate(zip(values, ends, strict=True)):
        past = one[:end]
        there = np.ones(end, bool)
        found.append(Load(str(number), "", "", "", 4 * DAY, step, past, there, np.zeros(end, np.int8)))
    return found


def weekdays(name: str, load: Load, origins: np.ndarray) -> np.ndarray:
    return np.zeros(len(origins), np.int64) if name == "m4-weekly" else origins // load.block % 7


def fitted(name: str, frames: Sequence[designs.Frame], past: Sequence[Load]) -> lags.LagModel:
    """As ``lags.fit`` does it, with the weekdays of this set and values below 0."""
    whole, early, late = [], [], []
    for frame in frames:
        found = [(load, lags.learnable(load, frame)[0]) for load in past]
        examples = [(load, at, weekdays(name, load, at)) for load, at in found]
        first = [(load, at[: lags.held(at)], days[: lags.held(at)]) for load, at, days in examples]
        early.append(lags.solve(first, frame, PENALTY))
        whole.append(lags.solve(examples, frame, PENALTY))
        these = [(load, at[lags.held(at) :]) for load, at in found]
        if not late or sum(len(at) for _, at in these) < sum(len(at) for _, at in late):
            late = these
    config, horizon = {"penalty": PENALTY}, frames[0].horizon
    before = lags.LagModel(frames, early, conformal.Bands.unknown(horizon), config)
    bands = conformal.calibrated(
        lambda load, at: before.values(load.values, at, weekdays(name, load, at)), late, horizon
    )
    return lags.LagModel(frames, whole, bands, config)


def error(name: str, frames: Sequence[designs.Frame], past: Sequence[Load], season: int) -> float:
    """MASE of the last window of each series, by a model that has not seen it."""
    held = 1 if name == "m4-weekly" else 28
    step = frames[0].horizon
    ends = [len(load) - held * step for load in past]
    model = fitted(name, frames, loads(name, [load.values for load in past], ends))
    found = []
    for load, end in zip(past, ends, strict=True):
        origins = np.arange(end, len(load) - step + 1, step)
        came = np.lib.stride_tricks.sliding_window_view(load.values, step)[origins]
        off = np.abs(model.values(load.values, origins, weekdays(name, load, origins)) - came).mean()
        found.append(off / behavior_data.scale(load.values, end, season))
    return float(np.mean(found))


def main(name: str, origins: int, out: str) -> None:
    made = behavior_data.series(name, origins)
    season, horizon = made["season"], made["horizon"]
    past = loads(name, made["values"], [int(at[0]) for at in made["origins"]])
    period = 1 if name == "m4-weekly" else 24
    began = time.perf_counter()
    frames = [
        designs.Frame(n, horizon, period, center, design, log) for n, design, center, log in FRAMES[name]
    ]
    tried = [[frame] for frame in frames] + [frames]
    errors = [error(name, some, past, season) for some in tried]
    chosen = tried[int(np.argmin(errors))]
    tuning = time.perf_counter() - began
    began = time.perf_counter()
    model = fitted(name, chosen, past)
    fit = time.perf_counter() - began
    began = time.perf_counter()
    saved, count = {}, 0
    for number, (values, at) in enumerate(zip(made["values"], made["origins"], strict=True)):
        load = loads(name, [values], [len(values)])[0]
        point = model.values(values, at, weekdays(name, load, at))
        swing = conformal.swings(load, at)
        low, high = point + model.bands.low * swing, point + model.bands.high * swing
        for row, origin in enumerate(at):
            saved[f"ours.{number}.{origin}"] = np.stack([point[row], low[row], high[row]])
            count += 1
    asking = time.perf_counter() - began
    np.savez(out, **saved)
    answer = {
        "rows": count, "seconds": fit + asking, "fit_seconds": round(fit, 3), "tuning_seconds": round(tuning, 3),
        "series_per_s": count / (fit + asking), "series_per_s_with_tuning": count / (fit + asking + tuning),
        "frames": [dict(vars(frame)) for frame in chosen], "validation_mase": [round(one, 4) for one in errors],
    }  # fmt: skip
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
