"""Logistic regression with a ridge, by Newton's method (iteratively reweighted least squares)."""

from __future__ import annotations

import numpy as np

STEPS = 25
CLOSE = 1e-7


def fit(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Weights (d + 1,) of ``x`` (n, d) for ``y`` (n,) bool; the last is the intercept, which is not shrunk.

    ``penalty``: of the squared weights, in questions.
    """
    design = np.column_stack([x, np.ones(len(x))])
    ridge = np.full(design.shape[1], penalty)
    ridge[-1] = 1e-6
    mean = (y.sum() + 0.5) / (len(y) + 1.0)
    weights = np.zeros(design.shape[1])
    weights[-1] = np.log(mean / (1 - mean))
    for _ in range(STEPS):
        chance = sigmoid(design @ weights)
        curve = np.maximum(chance * (1 - chance), 1e-9)
        slope = design.T @ (y - chance) - ridge * weights
        step = np.linalg.solve((design * curve[:, None]).T @ design + np.diag(ridge), slope)
        largest = float(np.abs(step).max())
        weights = weights + step * min(
            1.0, 5.0 / max(largest, 1e-12)
        )  # a far step overshoots where all is sure
        if largest < CLOSE:
            break
    return weights


def said(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(n,) chances."""
    return sigmoid(x @ weights[:-1] + weights[-1])


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(z, -30.0, 30.0)))
