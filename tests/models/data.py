"""Interaction tables for the tests: generated ones with taste in them, and MovieLens where it lies beside."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from forge_core import keys

ROOT = Path(__file__).resolve().parents[2]


def public(name: str) -> Path:
    """The folder of a public data set, or skip."""
    folder = Path(os.environ.get("FORGE_DATA", ROOT.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"the data set {name} is not there: set FORGE_DATA to the folder that holds it")
    return folder


def table(
    subjects: list[str], items: list[str], positions: np.ndarray, times: np.ndarray | None = None
) -> dict[str, pa.Table]:
    """``features/interactions`` with the columns of the feature table; ``times`` in microseconds."""
    n = len(subjects)
    kind = pa.timestamp("us", tz="UTC")
    time = pa.nulls(n, kind) if times is None else pa.array(times.astype(np.int64)).cast(kind)
    columns = {
        "subject": pa.array(subjects, pa.string()),
        "item": pa.array(items, pa.string()),
        "first_time": time,
        "last_time": time,
        "position": pa.array(positions.astype(np.int64)),
        "count": pa.array(np.ones(n, np.int64)),
        "strength": pa.array(np.ones(n)),
        "ordered_only": pa.array(np.full(n, times is None)),
        "source": pa.array(["test"] * n),
        "export": pa.array(["test-000000000000"] * n),
    }
    return {keys.INTERACTIONS: pa.table(columns), keys.ITEMS: pa.table({"item": sorted(set(items))})}


def tastes(
    subjects: int = 150,
    clusters: int = 6,
    per_cluster: int = 30,
    each: int = 24,
    seed: int = 0,
    timed: bool = True,
) -> dict[str, pa.Table]:
    """Subjects who mostly stay in two of the clusters of items; some of a cluster are liked more."""
    rng = np.random.default_rng(seed)
    who, what, order, times = [], [], [], []
    liking = 1.0 / np.arange(1, per_cluster + 1) ** 0.7
    for subject in range(subjects):
        weight = np.full(clusters, 0.1 / clusters)
        weight[rng.choice(clusters, 2, replace=False)] += 0.45
        chance = np.outer(weight / weight.sum(), liking / liking.sum()).ravel()
        chosen = rng.choice(clusters * per_cluster, each, replace=False, p=chance)
        moments = np.sort(rng.choice(1_000_000, each, replace=False))
        for position, (item, moment) in enumerate(zip(chosen, moments, strict=True)):
            who.append(f"subject{subject:04d}")
            what.append(f"test:item{item:05d}")
            order.append(position)
            times.append(1_700_000_000_000_000 + int(moment) * 1_000_000)
    return table(who, what, np.array(order), np.array(times) if timed else None)


def movielens_1m() -> dict[str, pa.Table]:
    """The ordered file: one line per user and item, in time order, without times."""
    pairs = np.loadtxt(public("rec-ml-1m") / "ml-1m.txt", dtype=np.int64)
    return _ordered(pairs[:, 0], pairs[:, 1], None)


def movielens_100k() -> dict[str, pa.Table]:
    rows = np.loadtxt(public("rec-ml-100k") / "ml-100k.inter", skiprows=1)
    return _ordered(rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64), rows[:, 3] * 1_000_000)


def _ordered(users: np.ndarray, items: np.ndarray, times: np.ndarray | None) -> dict[str, pa.Table]:
    order = np.lexsort((np.arange(len(users)) if times is None else times, users))
    users, items = users[order], items[order]
    times = None if times is None else times[order]
    starts = np.searchsorted(users, users)
    positions = np.arange(len(users)) - starts
    return table([f"u{u}" for u in users], [f"movielens:{i}" for i in items], positions, times)
