"""AutoETS, AutoARIMA and the mean of both, of statsforecast, in one process; runs in an environment of its own.

``python -m benchmarks.arms.behavior_statsforecast IN OUT CONTEXT``: foretells every origin of every series from the
last ``CONTEXT`` values. JIT compilation is warmed up before the clock starts; AutoARIMA approximates, as it does by
default on long series.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np

LEVEL = 90


def main(source: str, out: str, context: int) -> None:
    from statsforecast.models import AutoARIMA, AutoETS

    warnings.filterwarnings("ignore")
    data = np.load(source)
    season, horizon = int(data["season"]), int(data["horizon"])
    models = {
        "AutoETS": lambda: AutoETS(season_length=season),
        "AutoARIMA": lambda: AutoARIMA(season_length=season, approximation=True),
    }
    warm = np.abs(np.random.default_rng(0).normal(10, 1, 4 * max(season, 7)))
    seconds = dict.fromkeys(models, 0.0)
    saved: dict[str, np.ndarray] = {}
    count = 0
    for make in models.values():
        make().forecast(y=warm, h=2, level=[LEVEL])
    for number in data["numbers"]:
        values = data[f"values.{number}"]
        for origin in data[f"origins.{number}"]:
            past = values[max(0, origin - context) : origin].astype(np.float64)
            count += 1
            for name, make in models.items():
                began = time.perf_counter()
                said = make().forecast(y=past, h=horizon, level=[LEVEL])
                seconds[name] += time.perf_counter() - began
                key = f"{name}.{number}.{origin}"
                saved[key] = np.stack([said["mean"], said[f"lo-{LEVEL}"], said[f"hi-{LEVEL}"]])
    np.savez(out, **saved)
    rates = {name: count / spent for name, spent in seconds.items()}
    print(json.dumps({"rows": count, "seconds": sum(seconds.values()), "series_per_s": rates}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
