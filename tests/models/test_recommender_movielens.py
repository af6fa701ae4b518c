"""EASE on public data: equal to a plain NumPy EASE on the same split, and well above popularity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from forge_models.family import Evaluation, Splits, TrainingRun
from forge_models.recommender import NEXT_ITEMS, Recommender
from tests.models.data import movielens_1m, movielens_100k, tastes

LAMBDA = 400.0


def evaluated(name: str, splits: Splits) -> Evaluation:
    family = Recommender()
    candidate = next(candidate for candidate in NEXT_ITEMS.candidates if candidate.name == name)
    config = {"lambda": LAMBDA, "max_items": 8000} if name == "ease" else candidate.configs("quick")[0]
    model = candidate.fit(splits, config, TrainingRun(Path("/nonexistent")))
    return family.evaluate(NEXT_ITEMS, model, splits, "test")


def plain_ease_ndcg(splits: Splits, k: int = 10) -> float:
    """NDCG@k of a textbook EASE: nothing of the project's own code but the rows of the split."""
    train = splits.rows.filter(pc.not_equal(splits.rows["split"], "test"))
    test = splits.rows.filter(pc.equal(splits.rows["split"], "test"))
    items = sorted(set(train["item"].to_pylist()))
    subjects = sorted(set(train["subject"].to_pylist()))
    column = {item: number for number, item in enumerate(items)}
    row = {subject: number for number, subject in enumerate(subjects)}
    x = np.zeros((len(subjects), len(items)))
    for subject, item in zip(train["subject"].to_pylist(), train["item"].to_pylist(), strict=True):
        x[row[subject], column[item]] = 1.0
    p = np.linalg.inv(x.T @ x + LAMBDA * np.eye(len(items)))
    b = p / -np.diag(p)
    np.fill_diagonal(b, 0.0)
    scores = x @ b
    scores[x > 0] = -np.inf
    total, judged = 0.0, 0
    wanted: dict[str, list[str]] = {}
    for subject, item in zip(test["subject"].to_pylist(), test["item"].to_pylist(), strict=True):
        wanted.setdefault(subject, []).append(item)
    for subject, targets in wanted.items():
        if subject not in row:
            continue
        best = np.argsort(-scores[row[subject]], kind="stable")[:k]
        place = {int(item): rank for rank, item in enumerate(best)}
        found = [place[column[item]] for item in targets if column.get(item) in place]
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(k, len(targets))))
        total += sum(1 / np.log2(rank + 2) for rank in found) / ideal
        judged += 1
    return total / judged


@pytest.mark.parametrize("timed", [True, False])
def test_ease_is_the_textbook_ease_on_generated_data(timed: bool) -> None:
    splits = Recommender().split(NEXT_ITEMS, tastes(timed=timed)).refit()
    assert evaluated("ease", splits).metrics["ndcg@10"].value == pytest.approx(
        plain_ease_ndcg(splits), abs=1e-9
    )


@pytest.mark.data
@pytest.mark.parametrize("strategy", ["temporal", "leave_last_out"])
def test_ease_is_the_textbook_ease_on_movielens_100k(strategy: str) -> None:
    splits = Recommender(strategy).split(NEXT_ITEMS, movielens_100k()).refit()
    ours = evaluated("ease", splits)
    assert ours.metrics["ndcg@10"].value == pytest.approx(plain_ease_ndcg(splits), abs=1e-6)
    popularity = evaluated("popularity", splits)
    assert ours.metrics["ndcg@10"].value > 1.3 * popularity.metrics["ndcg@10"].value


@pytest.mark.data
def test_ease_is_the_textbook_ease_on_movielens_1m_and_twice_popularity() -> None:
    splits = Recommender().split(NEXT_ITEMS, movielens_1m()).refit()
    assert splits.strategy == "leave_last_out"
    assert splits.rows.filter(pc.equal(splits.rows["split"], pa.scalar("test"))).num_rows == 6040
    ease = evaluated("ease", splits).metrics["ndcg@10"].value
    popularity = evaluated("popularity", splits).metrics["ndcg@10"].value
    assert ease == pytest.approx(plain_ease_ndcg(splits), abs=1e-6)
    assert ease == pytest.approx(0.0541, abs=0.0005)
    assert popularity == pytest.approx(0.0178, abs=0.0005)
    assert ease >= 2 * popularity
