"""How to quantise a BERT encoder, from what flows through it when it reads the probe texts.

Ranges are fixed beforehand and not taken from each batch: a text's vector then does not depend on its neighbours.
Two things make 8 bits hurt in these models, and each has its remedy:

* a few channels of the layer norms are ten times larger than the rest: they are divided before, their
  weights multiplied (SmoothQuant, Xiao et al., ICML 2023);
* in half of the layers, one channel of the feed-forward block holds a value several times larger than all others at
  one special token: the product that reads it stays in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from forge_models.encoder.graph import INPUTS, Plan, Weights

STRENGTH = 0.6  # how much of the unevenness moves to the weights; 0.5 to 0.7 measured alike
SMOOTHED = ("qkv", "up")  # behind a layer norm, and narrow: the division costs nothing there


def plan(
    weights: Weights,
    layers: int,
    texts: Sequence[Sequence[int]],
    values: Callable[[Sequence[int], list[str]], list],
) -> Plan:
    """A plan for the encoder.

    ``values(ids, names)`` are the inner values ``names``, each (tokens, channels), for one text.
    """
    names = [f"{layer}.{product}" for layer in range(layers) for product in INPUTS]
    low: dict[str, np.ndarray] = {}
    high: dict[str, np.ndarray] = {}
    squares = dict.fromkeys(names, 0.0)
    for ids in texts:
        for name, value in zip(names, values(ids, [f"{name}.in" for name in names]), strict=True):
            low[name] = np.minimum(low.get(name, np.inf), value.min(axis=0))
            high[name] = np.maximum(high.get(name, -np.inf), value.max(axis=0))
            squares[name] += float(np.square(value).mean())
    divisors = {
        name: _divisor(weights, name, low[name], high[name])
        for name in names
        if name.split(".")[1] in SMOOTHED
    }
    ranges = {}
    for name in names:
        by = divisors.get(name, np.float32(1.0))
        ranges[name] = (float((low[name] / by).min()), float((high[name] / by).max()))
    peaks = {
        name: max(map(abs, ranges[name])) / squares[name] ** 0.5 for name in names if name.endswith(".down")
    }
    exact = sorted(peaks, key=lambda name: peaks[name], reverse=True)[: (layers + 1) // 2]
    return Plan(ranges, divisors, frozenset(exact))


def _divisor(weights: Weights, name: str, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    layer, product = name.split(".")
    parts = (
        [f"attention.self.{part}" for part in ("query", "key", "value")]
        if product == "qkv"
        else ["intermediate.dense"]
    )
    matrices = [weights[f"encoder.layer.{layer}.{part}.weight"] for part in parts]
    largest = np.max([np.abs(matrix).max(axis=0) for matrix in matrices], axis=0)
    reach = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1e-5)
    return (reach**STRENGTH / np.maximum(largest, 1e-5) ** (1 - STRENGTH)).astype(np.float32)
