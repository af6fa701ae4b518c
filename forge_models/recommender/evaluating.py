"""Judging a recommender: full ranking of all unseen items, for every subject that has a history.

The query is everything the subject did before the part; those items are not ranked. A target that the
model has never met (not in its training vocabulary) counts in the divisor and can never be found, so it
ranks last. Subjects without any history before the part are not evaluated: there is nothing to ask with.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_core.errors import UsageError
from forge_core.evaluation import intervals, ranking
from forge_models.family import Evaluation, Interval, Part, Splits
from forge_models.recommender.interactions import Histories, codes, sorted_unique, text
from forge_models.recommender.models import RecommenderModel

BEFORE: dict[Part, tuple[Part, ...]] = {"validation": ("train",), "test": ("train", "validation")}
DEPTH = 50  # the deepest list that is looked at
HISTORY_SLICES = ((1, 10), (10, 50), (50, None))  # items known before the part


def evaluate(model: RecommenderModel, splits: Splits, part: Part, seed: int = 0) -> Evaluation:
    """Metrics with 95 % bootstrap intervals over subjects; coverage has no per-subject value."""
    if part not in BEFORE:
        raise UsageError("FORGE-EVALUATE-PART", "A model is evaluated on validation or test, not on train.")
    before, after = splits.part(*BEFORE[part]), splits.part(part)
    known, asked = sorted_unique(text(before["subject"])), sorted_unique(text(after["subject"]))
    subjects = asked.filter(pc.is_in(asked, value_set=known))
    vocabulary = pa.array(model.items, pa.string())
    history = Histories.of(before, subjects, vocabulary)
    targets = Histories.of(after, subjects, vocabulary).matrix
    target_subject = codes(text(after["subject"]), subjects)
    n_targets = np.bincount(target_subject[target_subject >= 0], minlength=len(subjects))
    information = ranking.self_information(model.counts, model.subjects)
    columns: dict[str, list[np.ndarray]] = {}
    tops = []
    step = ranking.batch_rows(len(vocabulary))
    for start in range(0, len(subjects), step):
        rows = slice(start, start + step)
        block = history[rows]
        scores, _ = model.scores(block)
        ranking.hide(scores, block.matrix)
        top = ranking.top_k(scores, DEPTH)
        hit = ranking.hits(top, targets[rows])
        tops.append(top[:, :10])
        for name, values in {
            "ndcg@10": ranking.ndcg(hit, n_targets[rows], 10),
            "recall@10": ranking.recall(hit, n_targets[rows], 10),
            "recall@50": ranking.recall(hit, n_targets[rows], 50),
            "hr@10": ranking.hit_rate(hit, 10),
            "mrr": ranking.reciprocal_rank(scores, targets[rows]),
            "novelty@10": ranking.novelty(top, information, 10),
        }.items():
            columns.setdefault(name, []).append(values)
    names = ("ndcg@10", "recall@10", "recall@50", "hr@10", "mrr", "novelty@10")
    per_subject = {name: np.concatenate(columns[name]) if name in columns else np.zeros(0) for name in names}
    metrics = intervals.mean_intervals(per_subject, seed=seed)
    metrics["coverage@10"] = ranking.coverage_interval(tops, len(vocabulary), 10, seed)
    slices = _slices(history.lengths, per_subject["ndcg@10"], seed)
    return Evaluation(metrics, subjects.to_pylist(), per_subject, slices)


def _slices(known: np.ndarray, values: np.ndarray, seed: int) -> dict[str, dict[str, Interval]]:
    """NDCG@10 by how much of the subject the model knew."""
    found = {}
    for low, high in HISTORY_SLICES:
        chosen = (known >= low) & (known < (high or np.inf))
        if chosen.any():
            name = f"history {low}-{high - 1}" if high else f"history {low}+"
            found[name] = {"ndcg@10": intervals.mean_interval(values[chosen], seed=seed)}
    return found
