"""Two small convex fits: a conditional logit over candidates of varying number, and a logistic model.

Both are pulled towards weights that hold before anything is learned, so that ten events move them little and ten
thousand decide alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Choices:
    """``features`` (all candidates, F); ``sizes`` (n,) candidates of each choice; ``targets`` (n,) the one chosen."""

    features: np.ndarray
    sizes: np.ndarray
    targets: np.ndarray


def conditional_logit(choices: Choices, prior: np.ndarray, pull: float) -> np.ndarray:
    """(F,) float64: the weights of largest likelihood (McFadden 1974), less ``pull`` times their squared distance to
    ``prior``, in events."""
    from scipy.optimize import minimize

    x = choices.features.astype(np.float64)
    n = len(choices.sizes)
    start = np.concatenate([[0], np.cumsum(choices.sizes)])[:-1]
    chosen = start + choices.targets
    x_chosen = x[chosen].sum(0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = x @ weights
        top = np.maximum.reduceat(scores, start)
        grown = np.exp(scores - np.repeat(top, choices.sizes))
        total = np.add.reduceat(grown, start)
        chance = grown / np.repeat(total, choices.sizes)
        away = weights - prior
        value = -(scores[chosen] - top - np.log(total)).sum() + pull * away @ away
        slope = x.T @ chance - x_chosen + 2 * pull * away
        return float(value / n), slope / n

    found = minimize(loss, prior, jac=True, method="L-BFGS-B", options={"maxiter": 100})
    return np.asarray(found.x, np.float64)


def logistic(x: np.ndarray, y: np.ndarray, prior: np.ndarray, pull: float) -> np.ndarray:
    """(F,) float64: logistic regression of ``y`` (n,) bool by Newton's method, pulled towards ``prior``."""
    weights = prior.astype(np.float64).copy()
    for _ in range(25):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (chance - y) + 2 * pull * (weights - prior)
        curve = (x * (chance * (1 - chance))[:, None]).T @ x + 2 * pull * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights -= np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return weights
