"""One of our candidates: ``recommender_ours FILE PROTOCOL NAME PRESET OUT``.

``NAME`` is a candidate's, with ``:key=value`` after it where only such configurations count (``ease:recency=0.0``), or
``blend(ridge+ease+sequential)``: a blend of these.
The configuration with the best NDCG@10 on validation is evaluated on test twice: fitted on train, as the peer is,
and fitted on train and validation, as Forge does in the end. ``OUT`` gets NDCG@10 and HR@10 per subject.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arms import recommender_data


def main() -> None:
    file, protocol, asked, preset, out = sys.argv[1:6]
    from forge_models.family import TrainingRun
    from forge_models.recommender import NEXT_ITEMS, RECOMMENDER

    name, _, wanted = asked.partition(":")
    candidate = _candidate(name, {one.name: one for one in NEXT_ITEMS.candidates})
    configs = [config for config in candidate.configs(preset) if _fits(config, wanted)]
    splits = recommender_data.splits(Path(file), protocol)
    task = NEXT_ITEMS
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(Path(folder), preset="full" if preset == "full" else "quick")
        tried: list[tuple[float, float, Any, Any]] = []
        began = time.perf_counter()
        for config in configs:
            started = time.perf_counter()
            model = candidate.fit(splits, config, run)
            seconds = time.perf_counter() - started
            value = RECOMMENDER.evaluate(task, model, splits, "validation").metrics[task.metric].value
            if not tried or value > tried[0][0]:
                tried = [(value, seconds, config, model)]  # two large models at once are one too many
        tuned = time.perf_counter() - began
        value, seconds, config, model = tried[0]
        started = time.perf_counter()
        found = RECOMMENDER.evaluate(task, model, splits, "test")
        evaluated = time.perf_counter() - started
        report = getattr(model, "report", {}).get("blend", [])
        del model, tried
        refit = splits.refit()
        started = time.perf_counter()
        model = candidate.fit(refit, config, run)
        refit_seconds = time.perf_counter() - started
        again = RECOMMENDER.evaluate(task, model, refit, "test")
    np.savez(
        out,
        subjects=np.array(found.subjects),
        **{f"train_{name}": found.per_subject[name] for name in ("ndcg@10", "hr@10")},
        **{f"refit_{name}": again.per_subject[name] for name in ("ndcg@10", "hr@10")},
    )
    answer: dict[str, Any] = {
        "rows": len(found.subjects),
        "seconds": round(seconds, 2),
        "tuning_seconds": round(tuned, 1),
        "refit_seconds": round(refit_seconds, 2),
        "evaluation_seconds": round(evaluated, 2),
        "configurations": len(configs),
        "configuration": dict(config),
        "validation_ndcg@10": round(value, 4),
    }
    if report:
        answer["members"] = {row["member"]: round(row["weight"], 3) for row in report}
    print(json.dumps(answer))


def _candidate(name: str, known: dict[str, Any]) -> Any:
    """One of ours, or a blend of some of them."""
    if not name.startswith("blend("):
        return known[name]
    from forge_models.recommender.candidates_ordered import Blend

    return Blend("blend", [known[one] for one in name.removeprefix("blend(").removesuffix(")").split("+")])


def _fits(config: Any, wanted: str) -> bool:
    pairs = [pair.split("=") for pair in wanted.split(",") if pair]
    return all(str(config.get(key)) == value for key, value in pairs)


if __name__ == "__main__":
    main()
