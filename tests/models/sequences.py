"""Sequences of items with an order to be learned, and sequential models of random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from forge_core import keys
from forge_models.family import Splits, TrainingRun
from forge_models.recommender.candidates import Sequential
from forge_models.recommender.sequential_model import SequentialModel
from forge_models.recommender.sequential_net import SequenceNet, Shape
from forge_models.recommender.sequential_text import Words
from tests.models.data import table

HOUR = 3_600_000_000
ITEMS = 60
CLOSE = 1e-4  # what a state and the whole history may differ by


def model(seed: int = 0, dims: int = 32, items: int = ITEMS) -> SequentialModel:
    """Random weights: forms must agree whatever was learned. Items have words, vectors of length near 1."""
    torch.manual_seed(seed)
    shape = Shape(items, 3, dims=dims, heads=4, inner=2 * dims)
    words = np.eye(3, dtype=np.float32)[np.arange(items) % 3]
    net = SequenceNet(shape, torch.from_numpy(words))
    with torch.no_grad():
        for one in (net.own.weight, net.gaps.weight):
            one.normal_(std=dims**-0.5)
    names = [f"test:item{n:05d}" for n in range(items)]
    placed = Words(
        {"text": np.arange(3), "channel": np.zeros(0, np.int64), "categories": np.zeros(0, np.int64)},
        {
            "text": np.ones(3, np.float32),
            "channel": np.zeros(0, np.float32),
            "categories": np.zeros(0, np.float32),
        },
        np.eye(3, dtype=np.float32),
    )
    return SequentialModel(names, np.arange(items), 9, {}, net=net.eval(), words=placed, report={})


def history(n: int, seed: int = 0) -> tuple[list[int], np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.permutation(ITEMS)[:n].tolist(), np.cumsum(rng.integers(1, 500, n)) * HOUR


def names(fitted: SequentialModel, codes: list[int]) -> list[str]:
    return [fitted.items[code] for code in codes]


def chains(subjects: int = 120, items: int = ITEMS, each: int = 24, seed: int = 0) -> dict[str, pa.Table]:
    """Everybody goes round a circle of items, from a place of their own, skipping one now and then."""
    rng = np.random.default_rng(seed)
    who, what, order, times = [], [], [], []
    for subject in range(subjects):
        steps = np.concatenate([[rng.integers(items)], rng.choice([1, 2], each - 1, p=[0.9, 0.1])])
        for position, place in enumerate(np.cumsum(steps) % items):
            who.append(f"subject{subject:04d}")
            what.append(f"test:item{place:05d}")
            order.append(position)
            times.append(position * HOUR + subject)
    return table(who, what, np.array(order), np.array(times))


def whole(tables: dict[str, pa.Table]) -> Splits:
    rows = tables[keys.INTERACTIONS]
    part = pa.array(["train"] * rows.num_rows, pa.string())
    return Splits(rows.append_column("split", part), {keys.ITEMS: tables[keys.ITEMS]}, "temporal")


def fit(tables: dict[str, pa.Table], folder: Path, **changes: object) -> SequentialModel:
    candidate = Sequential()
    config = {**candidate.configs("quick")[0], **changes}
    return candidate.fit(whole(tables), config, TrainingRun(folder))
