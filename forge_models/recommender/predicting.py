"""Answers of the recommender, one or all at once, with the watched items that pulled each one in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forge_core.evaluation import ranking
from forge_models.family import Reason
from forge_models.recommender.interactions import NO_TIME, Histories, sorted_unique, text
from forge_models.recommender.messages import Prediction, Recommendation, Request
from forge_models.recommender.models import ContentModel, RecommenderModel

POPULAR = "The same for everybody: the items that most people know."
POPULARITY = "popularity"  # a reason that is no item: ids of items have a namespace
FALLBACK = "None of the history is known to the model: these are the items that most people know."
REASONS = 3  # watched items named per recommendation in the table of all answers

SCHEMA = pa.schema(
    [
        ("subject", pa.string()),
        ("rank", pa.int64()),
        ("item", pa.string()),
        ("score", pa.float64()),
        ("reasons", pa.list_(pa.string())),
    ]
)


def predict(model: RecommenderModel, request: Request) -> Prediction:
    """The best ``k`` items that are neither in the history nor excluded; reasons by falling weight.

    They add up to the score: what the model thinks of an item for anybody is a reason too, ``popularity``.
    """
    times = request.times or [NO_TIME] * len(request.history)
    known: dict[int, int] = {}
    for name, time in zip(request.history, times, strict=True):
        if name in model.index:
            known.setdefault(model.index[name], time)
    history = Histories.one(list(known), len(model.items), list(known.values()))
    hidden = np.array([model.index[item] for item in request.exclude if item in model.index], np.int64)
    scores, fallback = model.scores(history)
    ranking.hide(scores, history.matrix)
    scores[0, hidden] = -np.inf
    top = ranking.top_k(scores, max(0, request.k))[0]
    top = top[top >= 0]
    explained = model.personal and not fallback[0]
    weights = model.contributions(history, top) if explained else np.zeros((0, len(top)))
    prior = model.prior(top) if explained else np.zeros(len(top))
    items = []
    for column, item in enumerate(top):
        found = [(model.items[history.items[row]], float(w)) for row, w in enumerate(weights[:, column])]
        found.append((POPULARITY, float(prior[column])))
        reasons = tuple(Reason(*one) for one in sorted(found, key=lambda one: -one[1]) if one[1])
        items.append(Recommendation(model.items[item], float(scores[0, item]), reasons))
    note = "" if explained else POPULAR if not model.personal else FALLBACK
    return Prediction(tuple(items), note)


def predict_all(
    model: RecommenderModel, interactions: pa.Table, k: int = 10, items: pa.Table | None = None
) -> pa.Table:
    """Columns subject, rank (from 1), item, score, reasons (at most three items that pulled it in most).

    Given ``items`` (``features/items``), a model that reads words also ranks what came after its training.
    """
    if items is not None and isinstance(model, ContentModel):
        from forge_models.recommender.content import with_newcomers

        model = with_newcomers(model, items, sorted_unique(text(interactions["item"])).to_pylist())
    subjects = sorted_unique(text(interactions["subject"]))
    vocabulary = pa.array(model.items, pa.string())
    histories = Histories.of(interactions, subjects, vocabulary)
    step = ranking.batch_rows(len(vocabulary))
    batches = []
    for start in range(0, len(subjects), step):
        block = histories[start : start + step]
        scores, fallback = model.scores(block)
        ranking.hide(scores, block.matrix)
        top = ranking.top_k(scores, k)
        rows, places = np.nonzero(top >= 0)
        items = top[rows, places]
        columns = [
            subjects.take(pa.array(rows + start)),
            pa.array(places + 1),
            vocabulary.take(pa.array(items)),
            pa.array(scores[rows, items]),
            _reasons(model, block, top, fallback, vocabulary),
        ]
        batches.append(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
    return pa.Table.from_batches(batches, SCHEMA)


def _reasons(
    model: RecommenderModel,
    histories: Histories,
    top: np.ndarray,
    fallback: np.ndarray,
    vocabulary: pa.Array,
) -> pa.Array:
    """For every recommended item of the block, in order, the items of the history that add most to it."""
    flat: list[np.ndarray] = []
    lengths: list[np.ndarray] = []
    for row in range(len(top)):
        items = top[row][top[row] >= 0]
        history = histories[row : row + 1]
        if not model.personal or fallback[row] or not len(history.items):
            lengths.append(np.zeros(len(items), np.int64))
            continue
        weights = model.contributions(history, items)
        order = np.argsort(-weights, axis=0, kind="stable")[:REASONS]
        good = np.take_along_axis(weights, order, axis=0) > 0
        flat.append(history.items[order].T[good.T])
        lengths.append(good.sum(axis=0))
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths) if lengths else [])]).astype(np.int32)
    names = vocabulary.take(pa.array(np.concatenate(flat) if flat else np.zeros(0, np.int64)))
    return pa.ListArray.from_arrays(pa.array(offsets), names)
