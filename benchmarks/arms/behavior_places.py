"""All models of next place on the check-ins, one after the other in one process, each judged by the same code.

``python -m benchmarks.arms.behavior_places EVERY SECONDS NETWORK OUT``: of every
``EVERY``-th user; ``NETWORK`` 1 or 0.
Hyper-parameters are chosen on validation by MRR. ``OUT`` (npz) has the values of each target, by model and metric.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arms import behavior_data, behavior_gru
from forge_models.behavior import Behavior
from forge_models.behavior.splitting import split_events
from forge_models.behavior.timelines import timelines
from forge_models.family import TrainingRun


def main(every: int, neural_seconds: float, network: bool, out: str) -> None:
    family = Behavior("per_subject")
    task = family.tasks[0]
    splits = split_events(behavior_data.places(every), "per_subject")
    answer: dict[str, Any] = {
        "size": family.size(task, splits),
        "leakage": family.leakage(task, splits),
        "models": {},
    }
    saved: dict[str, np.ndarray] = {}
    for candidate in task.candidates:
        if candidate.name == "network" and not network:
            continue
        tried = []
        for config in candidate.configs("full"):
            with tempfile.TemporaryDirectory() as folder:
                run = TrainingRun(Path(folder), device="cpu", preset="full", time_budget_s=neural_seconds)
                began = time.perf_counter()
                model = candidate.fit(splits, config, run)
                seconds = time.perf_counter() - began
            value = family.evaluate(task, model, splits, "validation").metrics["mrr"].value
            tried.append((value, dict(config), seconds, model))
        value, config, seconds, model = max(tried, key=lambda one: one[0])
        row = {"configuration": config, "validation_mrr": round(value, 4), "fit_seconds": round(seconds, 2)}
        row["report"] = dict(getattr(model, "report", {}))
        answer["models"][candidate.name] = row
        _judge(family, task, candidate.name, model, splits, saved)
    if neural_seconds:
        rows = splits.part("train")
        vocabulary = sorted(set(rows["label"].to_pylist()))
        lines = timelines(splits.part("train", "validation"), vocabulary)
        model, told = behavior_gru.fit(lines, vocabulary, neural_seconds)
        answer["models"]["gru"] = told
        _judge(family, task, "gru", model, splits, saved)
    np.savez(out, **saved)
    print(json.dumps(answer | {"rows": answer["size"]["events"], "seconds": 0.0}))


def _judge(family: Any, task: Any, name: str, model: Any, splits: Any, saved: dict[str, np.ndarray]) -> None:
    began = time.perf_counter()
    found = family.evaluate(task, model, splits, "test")
    print(name, {key: round(one.value, 4) for key, one in found.metrics.items()}, round(time.perf_counter() - began, 1),
          file=sys.stderr, flush=True)  # fmt: skip
    saved |= {f"{name}.{metric}": values for metric, values in found.per_subject.items()}
    saved["subjects"] = np.array(found.subjects)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "1", sys.argv[4])
