"""Statements of a profile on people's real check-ins: which places come again next week, and on which weekdays.

    python -m benchmarks.profile [--every 4]

Foursquare NYC, weeks split 60/20/20 by two Mondays for everybody; every candidate is fitted on train and validation and
judged on the same weeks of the test part. No peer is known that states and judges profiles so: the peers are the two
baselines, plain counts and last week. Prints one JSON object; seconds are of a machine that others may use, too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.arms.behavior_data import missing, places
from forge_core import keys
from forge_core.evaluation.intervals import paired_difference
from forge_models.family import TrainingRun

METRICS = ("average_precision", "log_loss", "brier", "calibration_gap")
CHOSEN = "average_precision"


def evidence(every: int) -> Any:
    """Check-ins as evidence: ``interests`` are places, ``routines`` are places by weekday."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from forge_models.profile.evidence import by_day, joined, rows

    table = places(every)
    day = pc.cast(pc.day_of_week(table["time"]), pa.string())
    found = [
        rows(table, "time", "interest", joined("venue:", table["label"]), table["label"], "clean/place"),
        rows(
            table,
            "time",
            "routine",
            joined("place:", table["label"], "@", day),
            table["label"],
            "clean/place",
        ),
    ]
    return by_day(found)


def judged(task: Any, splits: Any, preset: str) -> dict[str, Any]:
    """Figures of each candidate with the default of ``preset``, and by how much each is better than the baselines."""
    from forge_models.profile import PROFILE

    found, units = {}, {}
    for candidate in task.candidates:
        with tempfile.TemporaryDirectory() as folder:
            run = TrainingRun(Path(folder) / "run", preset=preset)  # type: ignore[arg-type]
            began = time.perf_counter()
            model = candidate.fit(splits.refit(), candidate.configs("quick")[0], run)
            seconds = time.perf_counter() - began
        told = PROFILE.evaluate(task, model, splits, "test")
        units[candidate.name] = told.per_subject[CHOSEN]
        figures = {
            m: [round(v, 4) for v in (one.value, one.low, one.high)] for m, one in told.metrics.items()
        }
        found[candidate.name] = {
            **{name: figures[name] for name in METRICS},
            "fit_seconds": round(seconds, 2),
            "units": len(told.subjects),
            "baseline": candidate.is_baseline,
        }
    for name, ours in units.items():
        apart = {
            other.name: paired_difference(ours, units[other.name])
            for other in task.candidates
            if other.is_baseline and other.name != name
        }
        found[name]["better_by"] = {
            other: [round(v, 4) for v in (d.value, d.low, d.high)] for other, d in apart.items()
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.profile", description="Profiles on public check-ins.")
    parser.add_argument("--every", type=int, default=4, help="every so many-th user")
    parser.add_argument("--preset", choices=("quick", "full"), default="quick")
    chosen = parser.parse_args()
    if missing(["foursquare"]):
        print(json.dumps({"skipped": "the check-ins are not there; FORGE_DATA names their folder"}))
        return
    from forge_models.profile import PROFILE

    table = evidence(chosen.every)
    answer: dict[str, Any] = {
        "every": chosen.every,
        "preset": chosen.preset,
        "evidence": table.num_rows,
        "tasks": {},
    }
    for task in PROFILE.tasks:
        if task.name != "contacts":
            splits = PROFILE.split(task, {keys.EVIDENCE: table})
            size = PROFILE.size(task, splits)
            answer["tasks"][task.name] = {"size": size, "candidates": judged(task, splits, chosen.preset)}
    print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
