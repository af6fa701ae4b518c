"""ADBench tables: our ensemble of neighbours and our forest beside PyOD's IForest, ECOD and KNN: ``anomaly_tables
SEEDS``.

Runs in the peers' environment. A set is standardised once; each detector is fitted on it and scores the same rows,
without labels. What draws at random runs once per seed, the others once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    import pyod
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN
    from sklearn.metrics import average_precision_score, roc_auc_score

    from forge_models.anomaly import forest, neighbours

    seeds = range(int(sys.argv[1]))
    models: dict[str, tuple[bool, Callable[[np.ndarray, int], np.ndarray]]] = {
        "neighbours": (True, lambda x, seed: neighbours.fit(x, seed)[1]),
        "forest": (True, lambda x, seed: forest.fit(x, seed).scores(x)),
        "pyod_iforest": (True, lambda x, seed: IForest(random_state=seed).fit(x).decision_scores_),
        "pyod_ecod": (False, lambda x, seed: ECOD().fit(x).decision_scores_),
        "pyod_knn": (False, lambda x, seed: KNN().fit(x).decision_scores_),
    }
    for _, fit in models.values():  # compiled before it is timed
        fit(np.random.default_rng(0).standard_normal((200, 3)), 0)
    began, sets, rows = time.perf_counter(), {}, 0
    for file in sorted(folder().glob("*.npz")):
        with np.load(file) as held:
            x, y = held["X"].astype(np.float64), held["y"].astype(np.int64)
        spread = x.std(axis=0)
        x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        rows += len(x)
        found = {}
        for name, (drawn, fit) in models.items():
            auroc, ap, seconds = [], [], []
            for seed in seeds if drawn else range(1):
                start = time.perf_counter()
                scores = fit(x, seed)
                seconds.append(time.perf_counter() - start)
                auroc.append(roc_auc_score(y, scores))
                ap.append(average_precision_score(y, scores))
            found[name] = {
                "auroc": round(float(np.mean(auroc)), 4),
                "auroc_sd": round(float(np.std(auroc)), 4),
                "ap": round(float(np.mean(ap)), 4),
                "seconds": round(float(np.median(seconds)), 3),
            }
        sets[file.stem] = {"rows": len(x), "columns": x.shape[1], "anomalies": int(y.sum()), "models": found}
    print(
        json.dumps(
            {
                "rows": rows,
                "seconds": round(time.perf_counter() - began, 1),
                "seeds": len(seeds),
                "pyod": pyod.__version__,
                "sets": sets,
            }
        )
    )


def folder() -> Path:
    found = Path(os.environ.get("FORGE_DATA", ROOT.parent / "shared" / "data")) / "anomaly-adbench-classical"
    if not found.is_dir():
        sys.exit("missing below FORGE_DATA: anomaly-adbench-classical")
    return found


if __name__ == "__main__":
    main()
