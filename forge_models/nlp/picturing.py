"""What is shown of a champion on the test part: who is taken for whom, the map of topics, topics over time, counts.

Labels are classes, languages, types and numbers of topics; never a word of somebody's text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forge_models.family import Splits
from forge_models.nlp import spans
from forge_models.pictures import Bars, Heat, Matrix, Picture, Scatter

POINTS = 3_000  # of the map
SHOWN = 20  # classes, topics and weeks


def pictures(task: str, model: Any, splits: Splits) -> Mapping[str, Picture]:
    rows = splits.part("test").to_pylist()
    if not rows:
        return {}
    return DRAWN[task](model, rows)


def _sentiment(model: Any, rows: Sequence[Mapping[str, Any]]) -> dict[str, Picture]:
    chances = model.probabilities([row["text"] for row in rows])
    said = [model.classes[i] for i in chances.argmax(axis=1)]
    return {"confusion": confusion("sentiment", [row["label"] for row in rows], said)}


def _language(model: Any, rows: Sequence[Mapping[str, Any]]) -> dict[str, Picture]:
    said = model.languages_of([row["text"] for row in rows])
    gold = [row["label"] for row in rows]
    wrong: dict[str, int] = {}
    for right, one in zip(gold, said, strict=True):
        wrong[right] = wrong.get(right, 0) + (right != one)
    worst = sorted(wrong, key=lambda code: (-wrong[code], code))[:SHOWN]
    kept = [i for i, right in enumerate(gold) if right in worst]
    return {"confusion": confusion("language, the hardest", [gold[i] for i in kept], [said[i] for i in kept])}


def confusion(title: str, gold: Sequence[str], said: Sequence[str]) -> Matrix:
    """What is, by what was said."""
    rows, columns = sorted(set(gold)), sorted(set(gold) | {one or "none" for one in said})
    values = np.zeros((len(rows), len(columns)))
    for right, one in zip(gold, said, strict=True):
        values[rows.index(right), columns.index(one or "none")] += 1
    return Matrix(f"What is, by what was said: {title}", rows, columns, values)


def _entities(model: Any, rows: Sequence[Mapping[str, Any]]) -> dict[str, Picture]:
    said = model.tags([row["tokens"] for row in rows])
    gold = [row["tags"] for row in rows]
    kinds = sorted({tag[2:] for tags in [*gold, *said] for tag in tags if tag != spans.OUTSIDE})
    there = np.array(
        [sum(k == kind for tags in said for _, _, k in spans.spans(tags)) for kind in kinds], float
    )
    place = {kind: i for i, kind in enumerate([*kinds, "none"])}
    values = np.zeros((len(place), len(place)))
    for right, found in zip(gold, said, strict=True):
        is_, was = {s[:2]: s[2] for s in spans.spans(right)}, {s[:2]: s[2] for s in spans.spans(found)}
        for span in is_.keys() | was.keys():
            values[place[is_.get(span, "none")], place[was.get(span, "none")]] += 1
    return {
        "types": Bars("Names found, by type", kinds, there),
        "confusion": Matrix("What is, by what was said: names", list(place), list(place), values),
    }


def _topics(model: Any, rows: Sequence[Mapping[str, Any]]) -> dict[str, Picture]:
    rows = rows[:POINTS]
    texts = [row["text"] for row in rows]
    space = model.vectors(texts)
    assigned, _ = model.assign(texts)
    labels = [f"topic {model.ids[row]}" if row >= 0 else "" for row in assigned]
    x, y = flat(space)
    weeks = [row["time"].strftime("%G-W%V") for row in rows]
    columns = sorted(set(weeks))[-SHOWN:]
    often = sorted({r for r in assigned.tolist() if r >= 0}, key=lambda r: -(assigned == r).sum())[:SHOWN]
    values = np.zeros((len(often), len(columns)))
    for row, week in zip(assigned.tolist(), weeks, strict=True):
        if row in often and week in columns:
            values[often.index(row), columns.index(week)] += 1
    return {
        "map": Scatter("Map of topics", x, y, labels),
        "over_time": Heat("Topics by week", [f"topic {model.ids[r]}" for r in often], columns, values),
        "sizes": Bars("Texts by topic", [f"topic {model.ids[r]}" for r in often], values.sum(axis=1)),
    }


def _summaries(model: Any, rows: Sequence[Mapping[str, Any]]) -> dict[str, Picture]:
    from forge_models.nlp.summaries import units

    texts = [units(row["text"]) for row in rows]
    places = np.array(
        [
            place / max(1, len(t) - 1)
            for t, own in zip(texts, model.chosen(texts), strict=True)
            for place in own
        ]
    )
    counts = np.histogram(places, bins=5, range=(0.0, 1.0))[0].astype(np.float64)
    names = ["first fifth", "second", "third", "fourth", "last fifth"]
    return {"places": Bars("Where the chosen sentences stand", names, counts)}


def flat(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two principal axes with fixed signs: the same map from run to run."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    two = np.zeros((centred.shape[1], 2))
    two[:, : min(2, two.shape[0])] = directions[:, ::-1][:, :2]
    sign = np.sign(two[np.abs(two).argmax(axis=0), np.arange(2)])
    found = centred @ (two * np.where(sign == 0, 1.0, sign))
    return found[:, 0], found[:, 1]


DRAWN = {
    "sentiment": _sentiment,
    "language": _language,
    "entities": _entities,
    "topics": _topics,
    "summaries": _summaries,
}
