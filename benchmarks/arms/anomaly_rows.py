"""How long one event takes, and how many a minute holds: ours event by event and in batch, PyOD's row by row.

Runs in the peers' environment. ``event_us`` is the whole way of an account event in the model: counting, all
surprises, the score and its rarity. ``row_us`` is a detector alone on a row of 20 columns, ours and PyOD's in turn.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.arms.anomaly_events import events

SINGLE, BATCH = 20_000, 1_000_000


def main() -> None:
    from forge_models.anomaly import fitting
    from forge_models.anomaly.online import Watch
    from forge_models.family import Splits, TrainingRun

    began = time.perf_counter()
    train, big, few = events(50_000, 200), events(BATCH, 10_000, 1), events(SINGLE, 50, 2)
    answer: dict = {"event_us": {}, "events_per_minute": {}}
    for kind, config in (("rarity", {}), ("neighbours", {"draws": 50, "points": 64})):
        with tempfile.TemporaryDirectory() as scratch:
            model = fitting.fit(
                "account", kind, Splits(train, {}, "temporal"), config, TrainingRun(Path(scratch))
            )
        model.score(few)  # compiled before it is timed
        seconds = []
        for _ in range(3 if kind == "rarity" else 1):
            start = time.perf_counter()
            model.score(big)
            seconds.append(time.perf_counter() - start)
        answer["events_per_minute"][kind] = round(60 * BATCH / float(np.median(seconds)))
        watch, states = Watch(model), {}
        rows = few.to_pylist()
        times = few["time"].cast("int64").to_pylist()
        spent = []
        for row, at in zip(rows, times, strict=True):
            row["time"] = at
            state = states.setdefault(row["subject"], watch.begin())
            start = time.perf_counter()
            watch.step(state, row)
            spent.append(time.perf_counter() - start)
        answer["event_us"][kind] = spread(spent[1000:])
    answer |= beside()
    print(
        json.dumps(
            {"rows": BATCH, "seconds": round(time.perf_counter() - began, 1), "single": SINGLE} | answer
        )
    )


def beside() -> dict:
    """One row of 20 columns after a fit on 10,000, in turn; and 200,000 rows at once."""
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest

    from forge_models.anomaly import neighbours

    rng = np.random.default_rng(0)
    x, many = rng.standard_normal((10_000, 20)), rng.standard_normal((200_000, 20))
    ours, iforest, ecod = neighbours.fit(x, 0)[0], IForest(random_state=0).fit(x), ECOD().fit(x)
    asked = rng.standard_normal((200, 20))
    one: dict[str, Callable[[np.ndarray], object]] = {
        "neighbours": ours.one,
        "pyod_iforest": lambda row: iforest.decision_function(row[None]),
        "pyod_ecod": lambda row: ecod.decision_function(row[None]),
    }
    spent: dict[str, list[float]] = {name: [] for name in one}
    for name, score in one.items():
        score(asked[0])
        del name
    for place, row in enumerate(asked):
        for name, score in one.items():
            if name == "pyod_ecod" and place >= 20:
                continue
            start = time.perf_counter()
            score(row)
            spent[name].append(time.perf_counter() - start)
    batch = {}
    for name, whole in (("neighbours", ours.scores), ("pyod_iforest", iforest.decision_function)):
        start = time.perf_counter()
        whole(many)
        batch[name] = round(60 * len(many) / (time.perf_counter() - start))
    return {"row_us": {name: spread(all_) for name, all_ in spent.items()}, "rows_per_minute": batch}


def spread(seconds: list[float]) -> dict[str, float]:
    low, high = np.percentile(np.array(seconds) * 1e6, [50, 99])
    return {"p50": round(float(low), 1), "p99": round(float(high), 1)}


if __name__ == "__main__":
    main()
