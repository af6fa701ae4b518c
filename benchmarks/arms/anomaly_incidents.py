"""Which candidate of the account task finds planted incidents: all of them on one synthetic log, preset quick.

A log of twenty people with habits of their own, a year, split by time; every candidate is fitted on the first five
sixths and judged on the last, where incidents were planted into copies. Synthetic throughout: it orders the
candidates, and says nothing of anybody's real log.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from benchmarks.arms.anomaly_events import events

EVENTS, STREAMS = 24_000, 20


def main() -> None:
    from forge_models.anomaly import ANOMALY
    from forge_models.anomaly.incidents import recounted
    from forge_models.family import TrainingRun

    task = next(one for one in ANOMALY.tasks if one.name == "account")
    table = recounted(events(EVENTS, STREAMS))
    splits = ANOMALY.split(task, {ANOMALY.inputs[0]: table.drop_columns(["split"])}).refit()
    began, found = time.perf_counter(), {}
    for candidate in task.candidates:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            model = candidate.fit(splits, candidate.configs("quick")[0], TrainingRun(Path(scratch)))
        seconds = time.perf_counter() - start
        told = ANOMALY.evaluate(task, model, splits, "test")
        found[candidate.name] = {
            name: [round(one.value, 3), round(one.low, 3), round(one.high, 3)]
            for name, one in told.metrics.items()
        } | {
            "fit_seconds": round(seconds, 2),
            "recall@month_by_scenario": {
                name: round(one["recall@month"].value, 2) for name, one in told.slices.items()
            },
        }
    print(json.dumps({"rows": EVENTS, "seconds": round(time.perf_counter() - began, 1), "models": found}))


if __name__ == "__main__":
    main()
