"""Rows and vectors for the tests of spaces, and the exact answers to check by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

MODEL = "encoder-1"
START = datetime(2024, 1, 1, tzinfo=UTC)


def cloud(n: int, d: int = 32, seed: int = 0) -> np.ndarray:
    """Vectors that lie near a few dozen centres, as those of texts do."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(42).standard_normal((40, d))  # those of all seeds
    return (centres[rng.integers(40, size=n)] + 0.7 * rng.standard_normal((n, d))).astype(np.float32)


def named(n: int, first: int = 0) -> pa.Table:
    return pa.table({"id": pa.array([f"r{number:06d}" for number in range(first, first + n)], pa.string())})


def personal(n: int, subjects: int = 3, small: int = 0, seed: int = 0) -> pa.Table:
    """Rows of a few subjects and sources; the first ``small`` rows are of the source ``small``."""
    rng = np.random.default_rng(seed)
    sources = np.array(["mail", "chat", "web"])[rng.integers(3, size=n)].astype(object)
    sources[:small] = "small"
    times = [None if row % 50 == 49 else START + timedelta(hours=row) for row in range(n)]
    return pa.table(
        {
            "id": pa.array([f"p{number:06d}" for number in range(n)]),
            "subject": pa.array([f"s{s}" for s in rng.integers(subjects, size=n)]),
            "source": pa.array(list(sources), pa.string()),
            "export": pa.array(["e-1"] * n),
            "time": pa.array(times, pa.timestamp("us", "UTC")),
            "hash": pa.array([f"h{number}" for number in range(n)]),
        }
    )


def brute(
    rows: pa.Table, matrix: np.ndarray, asked: np.ndarray, k: int, keep: np.ndarray | None = None
) -> list[str]:
    """Exact search in float64 over the rows that are kept."""
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    score = unit @ (asked / np.linalg.norm(asked))
    ids = rows["id"].to_pylist()
    chosen = np.flatnonzero(keep) if keep is not None else np.arange(len(ids))
    return [ids[row] for row in sorted(chosen, key=lambda row: -score[row])[:k]]


def share(found: list, wanted: list[str]) -> float:
    return len({hit.id for hit in found} & set(wanted)) / max(len(wanted), 1)
