"""SASRec of RecTools with full softmax: ``recommender_rectools FILE OUT EPOCHS SECONDS LENGTH``.

Two blocks of 64 dimensions, one head, dropout 0.1, Adam at 0.001, batches of 128 and a patience of ten epochs, as
Klenitskiy and Vasilev (RecSys 2023) trained the SASRec that is level with newer models. Fitted on train; after
every epoch NDCG@10 on validation, of at most 2,000 subjects, decides which weights are kept. For the test it is asked
with train and validation, as ours is. ``OUT`` gets the first ten items of every test subject.
"""

from __future__ import annotations

import copy
import json
import sys
import time
import warnings
from typing import Any

import numpy as np

PATIENCE, JUDGES, DEPTH, SEED = 10, 2_000, 10, 0


def main() -> None:
    warnings.simplefilter("ignore")
    file, out, epochs, limit, length = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    import lightning_fabric
    import torch
    from rectools.models import SASRecModel

    lightning_fabric.seed_everything(SEED, verbose=False)
    data = np.load(file)
    train, known = dataset(data, data["part"] == 0), dataset(data, data["part"] < 2)
    judges = subjects(data, 1)
    if len(judges) > JUDGES:
        judges = np.sort(np.random.default_rng(SEED).choice(judges, JUDGES, replace=False))
    model = SASRecModel(
        n_blocks=2,
        n_heads=1,
        n_factors=64,
        dropout_rate=0.1,
        session_max_len=length,
        loss="softmax",
        lr=0.001,
        batch_size=128,
        epochs=1,
    )
    began, training, best, best_epoch, kept = time.perf_counter(), 0.0, -1.0, 0, None
    curve: list[float] = []
    for epoch in range(1, epochs + 1):
        started = time.perf_counter()
        model.fit_partial(train, min_epochs=1, max_epochs=1)
        training += time.perf_counter() - started
        value = ndcg(top(model, train, judges, data), data, judges, 1)
        curve.append(round(value, 4))
        print(f"epoch {epoch}: {training:.0f} s, validation {value:.4f}", file=sys.stderr, flush=True)
        if value > best:
            best, best_epoch, kept = value, epoch, copy.deepcopy(model.torch_model.state_dict())
        elif epoch - best_epoch >= PATIENCE:
            break
        if limit and time.perf_counter() - began > limit:
            break
    seconds = time.perf_counter() - began
    if kept is not None:
        model.torch_model.load_state_dict(kept)
    asked = subjects(data, 2)
    np.savez(out, subjects=data["subjects"][asked], codes=asked, top=top(model, known, asked, data))
    answer: dict[str, Any] = {
        "rows": len(asked),
        "seconds": round(seconds, 1),
        "training_seconds": round(training, 1),
        "epochs": len(curve),
        "best_epoch": best_epoch,
        "seconds_to_best": round(seconds * best_epoch / max(len(curve), 1), 1),
        "stopped_early": bool(len(curve) - best_epoch >= PATIENCE),
        "validation_ndcg@10": round(best, 4),
        "curve": curve,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(answer))


def subjects(data: Any, part: int) -> np.ndarray:
    """Those of ``part`` that did something before it."""
    asked = np.unique(data["subject"][data["part"] == part])
    return asked[np.isin(asked, data["subject"][data["part"] < part])]


def dataset(data: Any, chosen: np.ndarray) -> Any:
    """Rows as RecTools wants them; the position stands in for the time, so that no two are at once."""
    import pandas as pd
    from rectools import Columns
    from rectools.dataset import Dataset

    start = np.datetime64("2020-01-01")
    frame = pd.DataFrame(
        {
            Columns.User: data["subject"][chosen],
            Columns.Item: data["item"][chosen],
            Columns.Weight: 1.0,
            Columns.Datetime: start + data["position"][chosen].astype("timedelta64[s]"),
        }
    )
    return Dataset.construct(frame)


def top(model: Any, known: Any, asked: np.ndarray, data: Any) -> np.ndarray:
    """(n, DEPTH) item codes, best first, -1 where there are none."""
    answer = model.recommend(
        users=asked, dataset=known, k=DEPTH, filter_viewed=True, on_unsupported_targets="ignore"
    )
    found = np.full((len(asked), DEPTH), -1, np.int64)
    rows = np.searchsorted(asked, answer["user_id"].to_numpy())
    found[rows, answer["rank"].to_numpy() - 1] = answer["item_id"].to_numpy()
    return found


def ndcg(found: np.ndarray, data: Any, asked: np.ndarray, part: int) -> float:
    """Mean NDCG@10 over ``asked``."""
    chosen = data["part"] == part
    width = len(data["items"])
    wanted = data["subject"][chosen] * width + data["item"][chosen]
    hit = np.isin(asked[:, None] * width + found, wanted) & (found >= 0)
    gain = 1.0 / np.log2(np.arange(2, DEPTH + 2))
    targets = np.bincount(data["subject"][chosen], minlength=asked.max(initial=0) + 1)[asked]
    return float((hit @ gain / np.cumsum(gain)[np.minimum(targets, DEPTH) - 1]).mean())


if __name__ == "__main__":
    main()
