"""What two encoders' vectors are worth on a labelled set: accuracy of a linear classifier, and retrieval by class."""

from __future__ import annotations

import numpy as np

TRAIN, QUERIES, DEPTH, SEED = 6000, 1600, 10, 0


def cosines(ours: np.ndarray, peer: np.ndarray) -> dict[str, float]:
    """How alike the vectors of the same texts are."""
    peer = peer / np.linalg.norm(peer, axis=1, keepdims=True)
    found = (ours * peer).sum(axis=1)
    return {
        "mean": round(float(found.mean()), 5),
        "percentile_5": round(float(np.percentile(found, 5)), 5),
        "min": round(float(found.min()), 5),
        "texts": len(found),
    }


def task(vectors: np.ndarray, classes: list[str]) -> dict[str, float]:
    """Test accuracy of logistic regression, and nDCG@10 of training texts retrieved by test texts, by class."""
    from sklearn.linear_model import LogisticRegression

    order = np.random.default_rng(SEED).permutation(len(vectors))
    train, test = order[:TRAIN], order[TRAIN : TRAIN + QUERIES]
    labels = np.asarray(classes)
    model = LogisticRegression(max_iter=1000).fit(vectors[train], labels[train])
    near = np.argsort(-(vectors[test] @ vectors[train].T), axis=1, kind="stable")[:, :DEPTH]
    hits = labels[train][near] == labels[test][:, None]
    discount = 1 / np.log2(np.arange(2, DEPTH + 2))
    return {
        "accuracy": round(float(model.score(vectors[test], labels[test])), 4),
        "ndcg_at_10": round(
            float((hits @ discount / discount.sum()).mean()), 4
        ),  # each class has far more than ten
    }
