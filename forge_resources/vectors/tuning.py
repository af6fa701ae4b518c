"""How many candidates a space needs for a recall target, measured against exact search.

The questions are a fixed sample of its own rows, each moved by noise as long as itself: what people ask is no
row, and is harder to answer than a row's own neighbours. The truth is computed in float32 from the vectors as stored,
outside the database.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from forge_resources.vectors import reading, spaces
from forge_resources.vectors.filters import Condition
from forge_resources.vectors.spaces import Space

if TYPE_CHECKING:
    from forge_resources.vectors.searching import Session

K = 10
STEPS = (40, 60, 80, 100, 150, 200, 300, 400, 600, 800, 1000)
SELECTIVITIES = (0.01, 0.1)
NOISE = 1.0  # a question's similarity to its row is then 0.7, as sentences and their nearest have


ALIKE = 5e-4  # cosines that differ by less differ by the rounding of the question to half precision


@dataclass(frozen=True)
class Point:
    """Recall@k at a number of candidates."""

    rerank: int
    recall: float


@dataclass(frozen=True)
class Tuning:
    """What was measured and what was chosen. ``filtered`` maps a selectivity to the recall under such a filter."""

    space: str
    indexed: str
    rows: int
    sample: int
    target: float
    filtered_target: float
    curve: tuple[Point, ...]
    rerank: int
    recall: float
    filtered: dict[float, float]

    @property
    def reached(self) -> bool:
        return self.recall >= self.target and all(r >= self.filtered_target for r in self.filtered.values())


@dataclass(frozen=True)
class Questions:
    """Vectors (m, d) that are asked; of each, how many true answers there are (k at most), and the cosine of the last.

    Whatever is as near as that is a true answer, too: a mailbox holds the same text many times.
    """

    vectors: np.ndarray
    count: np.ndarray
    least: np.ndarray


def tune(session: Session, space: Space, target: float, filtered_target: float, sample: int) -> Tuning:
    """Walk up :data:`STEPS` until both targets are reached, and keep what was found in ``forge.spaces``.

    A space that is scanned is exact: its recall is measured and nothing is chosen.
    """
    questions = ask(session, space, K, sample, Condition())
    conditions = {share: _about(share) for share in SELECTIVITIES}
    narrowed = {share: ask(session, space, K, sample // 2, where) for share, where in conditions.items()}
    curve: list[Point] = []
    chosen, filtered = STEPS[0], dict.fromkeys(SELECTIVITIES, 0.0)
    steps = STEPS[:1] if space.indexed == "none" else STEPS
    for chosen in steps:
        curve.append(Point(chosen, _measured(session, space, questions, K, Condition(), chosen)))
        if curve[-1].recall < target and chosen != steps[-1]:
            continue
        filtered = {
            share: _measured(session, space, narrowed[share], K, where, chosen)
            for share, where in conditions.items()
        }
        if curve[-1].recall >= target and min(filtered.values()) >= filtered_target:
            break
    found = Tuning(
        space.space, space.indexed, space.rows, len(questions.count), target, filtered_target, tuple(curve), chosen,
        curve[-1].recall, filtered,
    )  # fmt: skip
    session.connection.execute(
        "update forge.spaces set ef_search = %s, rerank = %s, recall = %s where space = %s and generation = %s",
        (min(chosen, spaces.MOST_EF), chosen, found.recall, space.space, space.generation),
    )
    return found


def recall(session: Session, space: Space, k: int, sample: int) -> float:
    """Recall@k with the parameters that the space has."""
    return _measured(
        session, space, ask(session, space, k, sample, Condition()), k, Condition(), space.rerank
    )


def _about(share: float) -> Condition:
    """A condition that has nothing to do with nearness and leaves about this share of the rows."""
    return Condition(f"mod(number, {round(1 / share)}) = 0")


def ask(session: Session, space: Space, k: int, sample: int, where: Condition) -> Questions:
    """A fixed sample of rows, and how near the exact ``k`` nearest are that meet a condition without parameters."""
    table = f"embeddings.{space.space}"
    rows = session.connection.execute(
        f"select vector from {table} where vector is not null order by md5(id), id limit %s",
        (sample,),
        binary=True,
    ).fetchall()
    asked = moved(np.array([v.to_numpy() for (v,) in rows], np.float32).reshape(-1, space.dimensions))
    best = np.full((len(rows), k), -np.inf, np.float32)
    for _, halves in reading.vectors(session.connection, space.space, space.dimensions, where.sql):
        if not rows:
            break
        wide = halves.astype(np.float32)
        score = asked @ (wide / np.linalg.norm(wide, axis=1, keepdims=True)).T
        take = min(k, score.shape[1])
        best = np.concatenate([best, np.partition(score, -take, axis=1)[:, -take:]], axis=1)
        best = -np.sort(-best, axis=1)[:, :k]
    count = np.isfinite(best).sum(axis=1)
    least = np.where(np.isfinite(best), best, np.inf).min(axis=1, initial=np.inf)
    return Questions(asked, count, least)


def moved(rows: np.ndarray) -> np.ndarray:
    """Rows (m, d) of length 1 as questions: moved by random noise and of length 1 again."""
    noise = np.random.default_rng(0).standard_normal(rows.shape, np.float32)
    noise *= NOISE / np.maximum(np.linalg.norm(noise, axis=1, keepdims=True), 1e-12)
    return (rows + noise) / np.linalg.norm(rows + noise, axis=1, keepdims=True)


def _measured(
    session: Session, space: Space, questions: Questions, k: int, where: Condition, rerank: int
) -> float:
    from forge_resources.vectors.searching import Query

    shares = []
    line = replace(space, rerank=rerank)
    for vector, count, least in zip(questions.vectors, questions.count, questions.least, strict=True):
        if count:
            hits = Query(session, line, vector).nearest(k, where) or []
            shares.append(min(sum(hit.score >= least - ALIKE for hit in hits), count) / count)
    return float(np.mean(shares)) if shares else 1.0
