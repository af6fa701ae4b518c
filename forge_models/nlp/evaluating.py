"""Judging the models of the nlp family: a unit is a sentence, a text or a message, the same for every model of a task.

Strict F1 of names is over all names together; its interval resamples sentences. The value of a sentence, by which two
models are paired, is the F1 within it, 1 where there is no name and none was said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from forge_core.errors import UsageError
from forge_core.evaluation import intervals
from forge_models.family import Evaluation, Interval, Part, Splits
from forge_models.nlp import spans

PUBLIC = "public text"


def evaluate(task: str, model: Any, splits: Splits, part: Part, seed: int = 0) -> Evaluation:
    """Metrics with 95 % bootstrap intervals over units."""
    if part not in ("validation", "test"):
        raise UsageError("FORGE-EVALUATE-PART", "A model is evaluated on validation or test, not on train.")
    rows = splits.part(part).to_pylist()
    rows.sort(
        key=lambda row: str(row.get("chunk_id") or row.get("event_id") or f"{row['set']} {row['number']:09d}")
    )
    subjects = [str(row.get("subject") or f"{PUBLIC}: {row.get('set')}") for row in rows]
    return JUDGES[task](model, rows, subjects, seed)


def _classes(
    rows: Sequence[Mapping[str, Any]], said: Sequence[str], likely: np.ndarray | None
) -> dict[str, np.ndarray]:
    right = np.array([row["label"] == one for row, one in zip(rows, said, strict=True)], np.float64)
    return {"accuracy": right} | ({} if likely is None else {"log_loss": -np.log(np.maximum(likely, 1e-9))})


def _sentiment(
    model: Any, rows: Sequence[Mapping[str, Any]], subjects: Sequence[str], seed: int
) -> Evaluation:
    chances = model.probabilities([row["text"] for row in rows])
    said = [model.classes[i] for i in chances.argmax(axis=1)]
    place = {name: i for i, name in enumerate(model.classes)}
    likely = np.array(
        [c[place[r["label"]]] if r["label"] in place else 0.0 for r, c in zip(rows, chances, strict=True)]
    )
    values = _classes(rows, said, likely)
    gold = [row["label"] for row in rows]
    metrics = intervals.mean_intervals(values, seed=seed)
    metrics["macro_f1"] = resampled(np.stack([np.array([g == c for g in gold]) for c in model.classes] + [
        np.array([s == c for s in said]) for c in model.classes] + [
        np.array([g == s == c for g, s in zip(gold, said, strict=True)]) for c in model.classes], axis=1).astype(float)
        if rows else np.zeros((0, 3 * len(model.classes))), _macro_f1, seed)  # fmt: skip
    return Evaluation(metrics, subjects, values, _by_set(subjects, values, "accuracy", seed))


def _language(
    model: Any, rows: Sequence[Mapping[str, Any]], subjects: Sequence[str], seed: int
) -> Evaluation:
    values = _classes(rows, model.languages_of([row["text"] for row in rows]), None)
    return Evaluation(intervals.mean_intervals(values, seed=seed), subjects, values)


def _entities(
    model: Any, rows: Sequence[Mapping[str, Any]], subjects: Sequence[str], seed: int
) -> Evaluation:
    gold = [row["tags"] for row in rows]
    said = model.tags([row["tokens"] for row in rows])
    counts = spans.outcomes(gold, said)
    both = counts[:, 1] + counts[:, 2]
    values = {"f1": np.where(both > 0, 2 * counts[:, 0] / np.maximum(both, 1), 1.0)}
    metrics = {
        name: resampled(counts, lambda c, at=at: spans.f1(c)[at], seed)  # type: ignore[misc]
        for at, name in enumerate(("f1", "precision", "recall"))
    }
    metrics["sentence_f1"] = intervals.mean_interval(values["f1"], seed=seed)
    slices = {}
    for kind in sorted({tag[2:] for tags in gold for tag in tags if tag != spans.OUTSIDE}):
        one = spans.outcomes([_only(t, kind) for t in gold], [_only(t, kind) for t in said])
        slices[f"type {kind}"] = {"f1": resampled(one, lambda c: spans.f1(c)[0], seed)}
    return Evaluation(metrics, subjects, values, slices)


def _topics(model: Any, rows: Sequence[Mapping[str, Any]], subjects: Sequence[str], seed: int) -> Evaluation:
    texts = [row["text"] for row in rows]
    assigned, near = model.assign(texts)
    values = {"word_gain": model.word_gain(texts, assigned), "nearness": near}
    metrics = intervals.mean_intervals(values, seed=seed)
    used = len(set(assigned.tolist()) - {-1})
    metrics["topics"] = Interval(float(used), float(used), float(used), len(rows))
    return Evaluation(metrics, subjects, values)


def _summaries(
    model: Any, rows: Sequence[Mapping[str, Any]], subjects: Sequence[str], seed: int
) -> Evaluation:
    from forge_models.nlp import rouge, summaries

    texts = [summaries.units(row["text"]) for row in rows]
    found = []
    for units, chosen, row in zip(texts, model.chosen(texts), rows, strict=True):
        found.append(rouge.rouge(" ".join(units[i] for i in chosen), row["reference"]))
    names = ("rouge1", "rouge2", "rougeL")
    values = {name: np.array([one[name] for one in found], np.float64) for name in names}
    values["rouge"] = np.mean([values[name] for name in names], axis=0) if rows else np.zeros(0)
    return Evaluation(intervals.mean_intervals(values, seed=seed), subjects, values)


def resampled(
    rows: np.ndarray, figure: Callable[[np.ndarray], float], seed: int, times: int = 300
) -> Interval:
    """A figure of summed ``rows`` (n, columns), with its bootstrap interval over rows."""
    n = len(rows)
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    drawn = [
        figure((block @ rows)[i][None])
        for block in intervals.weights(n, times, seed)
        for i in range(len(block))
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = figure(rows.sum(axis=0)[None])
    return Interval(value, float(min(low, value)), float(max(high, value)), n)


def _macro_f1(summed: np.ndarray) -> float:
    gold, said, right = np.array_split(summed.ravel(), 3)
    return float(np.mean(2 * right / np.maximum(gold + said, 1e-9)))


def _only(tags: Sequence[str], kind: str) -> list[str]:
    return [tag if tag[2:] == kind else spans.OUTSIDE for tag in tags]


def _by_set(
    subjects: Sequence[str], values: Mapping[str, np.ndarray], name: str, seed: int
) -> dict[str, dict[str, Interval]]:
    owners = np.array(subjects, object)
    sets = sorted(set(subjects))
    return {one: {name: intervals.mean_interval(values[name][owners == one], seed=seed)} for one in sets[:10]}


JUDGES: dict[str, Callable[..., Evaluation]] = {
    "sentiment": _sentiment,
    "language": _language,
    "entities": _entities,
    "topics": _topics,
    "summaries": _summaries,
}
