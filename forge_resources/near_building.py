"""Reads a space into memory and builds its index there, with as many lists probed as a recall target needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forge_resources import near_rows
from forge_resources.near_rows import FILTERED, Held, library, read_rows, scan
from forge_resources.vectors import reading, spaces, tuning

if TYPE_CHECKING:
    import psycopg

TRAINED_ON = 40  # rows for each list
QUESTIONS = 100  # to a million rows their exact answers take three seconds
WIDER = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)


def load(connection: psycopg.Connection, space: str, target: float) -> Held:
    """The whole of a space, its index built, at one moment of the database."""
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read read only")
        line = spaces.get(connection, space)
        parts = list(reading.vectors(connection, space, line.dimensions))
        ids, columns = read_rows(connection, space, line, -1)
    numbers = np.concatenate([n for n, _ in parts]) if parts else np.zeros(0, np.int64)
    halves = np.concatenate([h for _, h in parts]) if parts else np.zeros((0, line.dimensions), np.float16)
    parts.clear()
    order = np.argsort(numbers, kind="stable")
    if not np.array_equal(order, np.arange(len(order))):
        numbers, halves = numbers[order], halves[order]
    alive = np.ones(len(ids), bool)
    held = Held(line, ids, numbers, halves, halves[:0], alive, columns, without=line.rows - len(ids))
    return indexed(held, target) if len(ids) > near_rows.EXACT_ROWS else held


def indexed(held: Held, target: float) -> Held:
    """The same with an index over its vectors, which then holds the only copy of them."""
    faiss = library()
    n, d = held.base.shape
    lists = int(2 ** round(np.log2(np.sqrt(n))))
    parts = d // 2 if d % 2 == 0 else d
    index = faiss.index_factory(d, f"IVF{lists},PQ{parts}x4fs,Refine(SQfp16)", faiss.METRIC_INNER_PRODUCT)
    inner = faiss.extract_index_ivf(index)
    inner.cp.niter, inner.cp.max_points_per_centroid, inner.cp.spherical = 6, TRAINED_ON, True
    rng = np.random.default_rng(0)
    learnt = np.sort(rng.choice(n, min(n, lists * TRAINED_ON), replace=False))
    index.train(held.base[learnt].astype(np.float32))
    for start in range(0, n, 100_000):
        index.add(held.base[start : start + 100_000].astype(np.float32))
    codes = faiss.downcast_index(index.refine_index).codes
    kept = faiss.rev_swig_ptr(codes.data(), n * d * 2).view(np.float16).reshape(n, d)
    return _tuned(replace(held, base=kept, extra=kept[:0], index=index, lists=lists), target, rng)


def _tuned(held: Held, target: float, rng: np.random.Generator) -> Held:
    """As many lists probed as recall@10 needs, without a filter and under one that leaves a tenth."""
    n = len(held.base)
    sample = held.base[np.sort(rng.choice(n, min(QUESTIONS, n), replace=False))].astype(np.float32)
    asked = tuning.moved(sample / np.linalg.norm(sample, axis=1, keepdims=True))
    least = _least(held.base, asked)
    for probed in _steps(held.lists):
        held = replace(held, probed=probed)
        if _recall(held, asked, least, None) >= target:
            break
    mask = rng.random(n) < FILTERED
    least = _least(held.base[mask], asked)
    for wider in WIDER:
        held = replace(held, wider=wider)
        if _recall(held, asked, least, mask) >= target:
            break
    return held


def _least(base: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """(m,) product of each question with the last of its ten nearest rows; whatever is as near is an answer, too."""
    return np.array(
        [_products(base, one, rows).min() for one, rows in zip(asked, scan(base, asked, 10), strict=True)]
    )


def _products(base: np.ndarray, asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return base[rows[rows >= 0]].astype(np.float32) @ asked


def _recall(held: Held, asked: np.ndarray, least: np.ndarray, mask: np.ndarray | None) -> float:
    there = min(10, len(held.base) if mask is None else int(mask.sum()))
    found = zip(asked, held.indexed(asked, 10, mask), least, strict=True)
    near = [(_products(held.base, one, rows) >= last - tuning.ALIKE).sum() for one, rows, last in found]
    return float(np.mean(near)) / max(there, 1)


def _steps(lists: int) -> Iterable[int]:
    step = max(lists // 32, 1)
    while step < lists:
        yield int(step)
        step = int(step * 1.25) + 1
    yield lists
