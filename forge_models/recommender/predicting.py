"""Answers of the recommender, one or all at once, with the watched items that pulled each one in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_core.evaluation import ranking
from forge_models.family import Reason
from forge_models.recommender.interactions import NO_TIME, Histories, sorted_unique, text
from forge_models.recommender.messages import Prediction, Recommendation, Request
from forge_models.recommender.models import RecommenderModel
from forge_models.recommender.reranking import diverse

POPULAR = "The same for everybody: the items that most people know."
POPULARITY = "popularity"  # a reason that is no item: ids of items have a namespace
FALLBACK = "None of the history is known to the model: these are the items that most people know."
ALIKE = "The model cannot tell how alike two items are: diversity was left out."
REASONS = 3  # watched items named per recommendation in the table of all answers
RECENT = 10  # events that recency speaks of

SCHEMA = pa.schema(
    [
        ("subject", pa.string()),
        ("rank", pa.int64()),
        ("item", pa.string()),
        ("score", pa.float64()),
        ("reasons", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class Parts:
    """What a history says: ``scores`` (items,), whether popularity stood in, and the events that reasons can name.

    ``weights(items)``: (events, len(items)), what each of these events adds.
    """

    scores: np.ndarray
    fallback: bool
    history: Histories
    weights: Callable[[np.ndarray], np.ndarray]


def predict(model: RecommenderModel, request: Request) -> Prediction:
    """The best ``k`` items that are neither in the history nor excluded; reasons by falling weight.

    For a linear model they add up to the score: what the model thinks of an item for anybody is a reason too,
    ``popularity``. Else ``reasons_mean`` says what they are.
    """
    whole, seen = _asked(model, request)
    explained = model.personal and not whole.fallback
    parts = [(1.0, 0.0, whole)]
    if explained and request.recency > 0.0:
        parts = _with_recent(model, whole, request.recency)
    scores = sum((scale * part.scores - shift for scale, shift, part in parts), np.zeros(len(model.items)))
    hidden = [model.index[item] for item in request.exclude if item in model.index]
    scores[np.concatenate([seen, np.array(hidden, np.int64)])] = -np.inf
    top, note = _list(model, scores, request)
    reasons = _explain(model, parts, top) if explained else [() for _ in top]
    items = [
        Recommendation(model.items[item], float(scores[item]), why)
        for item, why in zip(top, reasons, strict=True)
    ]
    if not explained:
        note = " ".join(
            filter(None, [FALLBACK if model.personal else model.impersonal_note or POPULAR, note])
        )
    return Prediction(tuple(items), note, model.reasons_mean if explained else "")


def _asked(model: RecommenderModel, request: Request) -> tuple[Parts, np.ndarray]:
    """What is asked with, and the codes that are known already."""
    if request.state is not None:
        found = model.recall(request.state)
        scores = model.counts if found.scores is None else found.scores
        return Parts(scores, found.scores is None, found.history, found.weights), found.seen
    times = request.times or [NO_TIME] * len(request.history)
    known: dict[int, int] = {}
    for name, time in zip(request.history, times, strict=True):
        if name in model.index:
            known.setdefault(model.index[name], time)
    part = _part(model, Histories.one(list(known), len(model.items), list(known.values())))
    return part, part.history.items


def _part(model: RecommenderModel, history: Histories) -> Parts:
    scores, fallback = model.scores(history)
    return Parts(scores[0], bool(fallback[0]), history, lambda items: model.contributions(history, items))


def _with_recent(model: RecommenderModel, whole: Parts, recency: float) -> list[tuple[float, float, Parts]]:
    """(scale, shift, part) of the whole history and of its last events; their sum is the score."""
    items, times = whole.history.items[-RECENT:], whole.history.times[-RECENT:]
    recent = _part(model, Histories.one(items.tolist(), len(model.items), times.tolist()))
    parts = [(1.0 - recency, whole), (recency, whole if recent.fallback else recent)]
    weighed = []
    for share, part in parts:
        scale = share / max(float(part.scores.std()), 1e-12)
        weighed.append((scale, scale * float(part.scores.mean()), part))
    return weighed


def _list(model: RecommenderModel, scores: np.ndarray, request: Request) -> tuple[np.ndarray, str]:
    """The codes of the list, and what there is to say of it."""
    k = max(0, request.k)
    if request.diversity > 0.0:
        if model.item_vectors(np.zeros(0, np.int64)) is not None:
            return diverse(scores, k, request.diversity, lambda items: _rows(model, items)), ""
        note = ALIKE
    else:
        note = ""
    top = ranking.top_k(scores[None, :], k)[0]
    return top[top >= 0], note


def _rows(model: RecommenderModel, items: np.ndarray) -> np.ndarray:
    rows = model.item_vectors(items)
    assert rows is not None  # it was asked before
    return rows


def _explain(
    model: RecommenderModel, parts: list[tuple[float, float, Parts]], top: np.ndarray
) -> list[tuple[Reason, ...]]:
    """For each item of ``top`` the events that add to it, by falling weight; zero weights are left out."""
    whole = parts[0][2].history.items
    names = {code: place for place, code in enumerate(whole.tolist())}
    weights, prior = np.zeros((len(whole), len(top))), np.zeros(len(top))
    for scale, shift, part in parts:
        rows = [names[code] for code in part.history.items.tolist()]
        weights[rows] += scale * part.weights(top)
        prior += scale * model.prior(top) - shift
    reasons = []
    for column in range(len(top)):
        found = [(model.items[whole[row]], float(weights[row, column])) for row in range(len(whole))]
        found.append((POPULARITY, float(prior[column]) if model.reasons_mean == "" else 0.0))
        reasons.append(tuple(Reason(*one) for one in sorted(found, key=lambda one: -one[1]) if one[1]))
    return reasons


def predict_all(
    model: RecommenderModel, interactions: pa.Table, k: int = 10, items: pa.Table | None = None
) -> pa.Table:
    """Columns subject, rank (from 1), item, score, reasons (at most three items that pulled it in most).

    Given ``items`` (``features/items``), a model that reads words also ranks what came after its training.
    """
    if items is not None:
        model = model.with_newcomers(items, sorted_unique(text(interactions["item"])).to_pylist())
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
            pa.array(scores[rows, items].astype(np.float64)),
            _reasons(model, block, top, fallback, vocabulary),
        ]
        batches.append(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
    return pa.Table.from_batches(batches, SCHEMA)


def with_origin(answers: pa.Table, interactions: pa.Table) -> pa.Table:
    """``answers`` with the columns source and export of each subject's first event."""
    order = [("subject", "ascending"), ("position", "ascending")]
    rows = interactions.select(["subject", "position", "source", "export"]).sort_by(order)
    first = rows.group_by("subject", use_threads=False).aggregate([("source", "first"), ("export", "first")])
    place = pc.index_in(text(answers["subject"]), text(first["subject"]))
    for column in ("source", "export"):
        answers = answers.append_column(column, first[f"{column}_first"].take(place))
    return answers


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
